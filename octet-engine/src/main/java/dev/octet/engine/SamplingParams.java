package dev.octet.engine;

import java.util.List;

/**
 * How tokens are chosen and when to stop. Start from {@link #greedy} or {@link #defaults} and
 * change what differs.
 *
 * @param temperature 0 = always the most likely token; at most 100
 * @param topK only the k most likely tokens; 0 = all
 * @param topP only the most likely tokens that together reach this probability, in (0, 1]
 * @param minP only tokens at least this fraction as likely as the most likely one, in [0, 1]
 * @param repetitionPenalty divides positive and multiplies negative logits of tokens seen in prompt
 *     or output; 1 = none
 * @param seed same seed, same model and prompt: same text
 * @param maxTokens most tokens to generate, at least 1
 * @param stop strings that end the text and are cut from it
 * @param stopTokenIds tokens that end it, on top of the model's own
 * @param ignoreEos whether to go on after the model's end tokens
 */
public record SamplingParams(
    double temperature,
    int topK,
    double topP,
    double minP,
    double repetitionPenalty,
    long seed,
    int maxTokens,
    List<String> stop,
    List<Integer> stopTokenIds,
    boolean ignoreEos) {
  public SamplingParams {
    require(temperature >= 0 && temperature <= 100, "temperature", temperature, "0 to 100");
    require(topK >= 0, "top-k", topK, "0 (all) or more");
    require(topP > 0 && topP <= 1, "top-p", topP, "above 0, at most 1");
    require(minP >= 0 && minP <= 1, "min-p", minP, "0 to 1");
    require(
        repetitionPenalty > 0 && repetitionPenalty <= 100,
        "repetition penalty",
        repetitionPenalty,
        "above 0 (1 = none), at most 100");
    require(maxTokens >= 1, "max tokens", maxTokens, "1 or more");
    stop = List.copyOf(stop);
    if (stop.stream().anyMatch(String::isEmpty)) {
      throw new IllegalArgumentException("a stop string must not be empty");
    }
    stopTokenIds = List.copyOf(stopTokenIds);
  }

  private static void require(boolean holds, String what, Number value, String allowed) {
    if (!holds) {
      throw new IllegalArgumentException(what + " must be " + allowed + ", not " + value);
    }
  }

  /** Temperature 1, nothing cut off, seed 0, 256 tokens. */
  public static SamplingParams defaults() {
    return new SamplingParams(1, 0, 1, 0, 1, 0, 256, List.of(), List.of(), false);
  }

  /** Always the most likely token. */
  public static SamplingParams greedy(int maxTokens) {
    return defaults().withTemperature(0).withMaxTokens(maxTokens);
  }

  public SamplingParams withTemperature(double value) {
    return new SamplingParams(
        value, topK, topP, minP, repetitionPenalty, seed, maxTokens, stop, stopTokenIds, ignoreEos);
  }

  public SamplingParams withTopK(int value) {
    return new SamplingParams(
        temperature,
        value,
        topP,
        minP,
        repetitionPenalty,
        seed,
        maxTokens,
        stop,
        stopTokenIds,
        ignoreEos);
  }

  public SamplingParams withTopP(double value) {
    return new SamplingParams(
        temperature,
        topK,
        value,
        minP,
        repetitionPenalty,
        seed,
        maxTokens,
        stop,
        stopTokenIds,
        ignoreEos);
  }

  public SamplingParams withMinP(double value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        value,
        repetitionPenalty,
        seed,
        maxTokens,
        stop,
        stopTokenIds,
        ignoreEos);
  }

  public SamplingParams withRepetitionPenalty(double value) {
    return new SamplingParams(
        temperature, topK, topP, minP, value, seed, maxTokens, stop, stopTokenIds, ignoreEos);
  }

  public SamplingParams withSeed(long value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        value,
        maxTokens,
        stop,
        stopTokenIds,
        ignoreEos);
  }

  public SamplingParams withMaxTokens(int value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        value,
        stop,
        stopTokenIds,
        ignoreEos);
  }

  public SamplingParams withStop(List<String> value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        maxTokens,
        value,
        stopTokenIds,
        ignoreEos);
  }

  public SamplingParams withStopTokenIds(List<Integer> value) {
    return new SamplingParams(
        temperature, topK, topP, minP, repetitionPenalty, seed, maxTokens, stop, value, ignoreEos);
  }

  public SamplingParams withIgnoreEos(boolean value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        maxTokens,
        stop,
        stopTokenIds,
        value);
  }
}
