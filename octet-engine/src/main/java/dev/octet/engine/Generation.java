package dev.octet.engine;

/**
 * What a model made of a prompt.
 *
 * @param ids generated tokens, an end token included
 * @param text their text without special tokens, cut before a stop string; "" without a tokenizer
 * @param promptTokens tokens of the prompt
 * @param prefillSeconds until the first token's logits; in a batch, of all prompts together
 * @param decodeSeconds from the first token to the last; in a batch, beside the other sequences
 */
public record Generation(
    int[] ids,
    String text,
    FinishReason finishReason,
    int promptTokens,
    double prefillSeconds,
    double decodeSeconds) {

  /** Prompt tokens read a second. */
  public double prefillTokensPerSecond() {
    return promptTokens / prefillSeconds;
  }

  /** Tokens generated a second after the first; 0 if there was only one. */
  public double decodeTokensPerSecond() {
    return ids.length < 2 ? 0 : (ids.length - 1) / decodeSeconds;
  }
}
