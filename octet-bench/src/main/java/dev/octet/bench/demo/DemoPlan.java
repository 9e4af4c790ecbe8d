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
   */
  public static DemoPlan of(int[] text, int bos, int contextLength, int[] prompt, boolean quick) {
    int context = Math.min(512, contextLength);
    int prefill = Math.max(1, Math.min(Math.min(PREFILL, text.length), context - MARGIN));
    SpeedProbe probe =
        new SpeedProbe(Arrays.copyOf(text, prefill), 32, quick ? 3 : 5, quick ? 5 : 15);
    return new DemoPlan(text, bos, context, quick ? 4 : 0, prompt, quick ? 24 : 32, probe);
  }
}
