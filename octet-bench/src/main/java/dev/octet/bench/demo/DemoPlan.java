package dev.octet.bench.demo;

import java.util.Arrays;

/**
 * How much the demo does.
 *
 * @param text tokens of the text to measure perplexity on
 * @param bos token that begins every window, or −1
 * @param context tokens of a window
 * @param samples windows to measure, 0 for all
 * @param prompt tokens to continue
 * @param newTokens tokens to make
 * @param probe how speed is measured
 */
public record DemoPlan(
    int[] text, int bos, int context, int samples, int[] prompt, int newTokens, SpeedProbe probe) {
  private static final int PREFILL = 256;
  private static final int MARGIN = 64;

  /**
   * The whole demo, minutes, or a quick one, under a minute.
   *
   * @param contextLength the model's
   * @throws IllegalArgumentException if it is too short, or the prompt does not fit it
   */
  public static DemoPlan of(int[] text, int bos, int contextLength, int[] prompt, boolean quick) {
    if (contextLength < 2 * MARGIN) {
      throw new IllegalArgumentException(
          "a context of %d tokens; the demo needs %d".formatted(contextLength, 2 * MARGIN));
    }
    if (prompt.length == 0 || prompt.length >= contextLength) {
      throw new IllegalArgumentException(
          "a prompt of %d tokens; the model's context is %d"
              .formatted(prompt.length, contextLength));
    }
    int context = Math.min(512, contextLength);
    int prefill = Math.min(Math.min(PREFILL, text.length), context - MARGIN);
    SpeedProbe probe =
        new SpeedProbe(Arrays.copyOf(text, prefill), 32, quick ? 3 : 5, quick ? 5 : 15);
    return new DemoPlan(text, bos, context, quick ? 4 : 0, prompt, quick ? 24 : 32, probe);
  }
}
