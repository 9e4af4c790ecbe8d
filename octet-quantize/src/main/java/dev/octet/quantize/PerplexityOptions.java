package dev.octet.quantize;

/**
 * How a text is cut into windows.
 *
 * @param context tokens of a window, the BOS included; 0: 2048 or what the model can do, if less
 * @param stride new tokens from one window to the next; 0: windows do not overlap. A smaller stride
 *     gives every scored token more context and takes longer
 * @param samples windows to score, spread evenly over the text; 0: all
 * @param bosTokenId put before every window and never scored; −1: none
 */
public record PerplexityOptions(int context, int stride, int samples, int bosTokenId) {
  private static final int USUAL_CONTEXT = 2048;

  public PerplexityOptions {
    if (context < 0 || context == 1) {
      throw new IllegalArgumentException(
          "context must be at least 2 tokens, or 0 for the usual, not " + context);
    }
    requireAtLeast(0, stride, "stride");
    requireAtLeast(0, samples, "samples");
    requireAtLeast(-1, bosTokenId, "BOS token id");
  }

  /**
   * Tokens of a window on a model.
   *
   * @param longest the model's context
   * @throws IllegalArgumentException if the windows asked for are longer
   */
  public int contextOn(int longest) {
    if (context > longest) {
      throw new IllegalArgumentException(
          "a context of %d, the model has %d".formatted(context, longest));
    }
    return context == 0 ? Math.min(USUAL_CONTEXT, longest) : context;
  }

  private static void requireAtLeast(int least, int value, String what) {
    if (value < least) {
      throw new IllegalArgumentException(what + " must be at least " + least + ", not " + value);
    }
  }

  /** Windows that do not overlap, each begun with {@code bosTokenId} (−1: none). */
  public static PerplexityOptions fixed(int context, int bosTokenId) {
    return new PerplexityOptions(context, 0, 0, bosTokenId);
  }

  /** The quick check: only so many windows. */
  public PerplexityOptions withSamples(int windows) {
    return new PerplexityOptions(context, stride, windows, bosTokenId);
  }
}
