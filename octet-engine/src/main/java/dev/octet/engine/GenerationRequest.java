package dev.octet.engine;

/**
 * One sequence of a batch.
 *
 * @param prompt at least one token
 */
public record GenerationRequest(int[] prompt, SamplingParams params) {
  public GenerationRequest {
    if (prompt.length == 0) {
      throw new IllegalArgumentException("the prompt has no tokens; begin at least with BOS");
    }
  }
}
