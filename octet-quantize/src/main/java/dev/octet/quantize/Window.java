package dev.octet.quantize;

import java.util.ArrayList;
import java.util.List;

/**
 * A stretch of the text that is run at once.
 *
 * @param ids its tokens, BOS included
 * @param scored index in {@code ids} of the first token that is scored, at least 1; all that follow
 *     are scored too
 * @param start where in the text it begins
 */
public record Window(int[] ids, int scored, int start) {

  /** Tokens scored. */
  public int targets() {
    return ids.length - scored;
  }

  /**
   * Cuts a text. Every token but those without any context is scored exactly once, unless there are
   * to be fewer windows.
   *
   * @param context tokens of a window
   */
  public static List<Window> cut(int[] ids, int context, PerplexityOptions options) {
    boolean bos = options.bosTokenId() >= 0;
    int payload = context - (bos ? 1 : 0);
    int stride = options.stride() == 0 ? payload : Math.min(options.stride(), payload);
    List<Window> all = new ArrayList<>();
    int scoredTo = 0;
    for (long end = payload; scoredTo < ids.length; end += stride) {
      int to = (int) Math.min(end, ids.length);
      int from = (int) Math.max(0, end - payload);
      int first = Math.max(scoredTo, bos ? from : from + 1);
      if (first < to) {
        all.add(window(ids, from, to, first, options.bosTokenId()));
      }
      scoredTo = to;
    }
    return spread(all, options.samples());
  }

  private static Window window(int[] ids, int from, int to, int first, int bosTokenId) {
    int shift = bosTokenId >= 0 ? 1 : 0;
    int[] input = new int[to - from + shift];
    if (shift == 1) {
      input[0] = bosTokenId;
    }
    System.arraycopy(ids, from, input, shift, to - from);
    return new Window(input, first - from + shift, from);
  }

  private static List<Window> spread(List<Window> all, int samples) {
    if (samples == 0 || samples >= all.size()) {
      return all;
    }
    List<Window> some = new ArrayList<>();
    for (int i = 0; i < samples; i++) {
      some.add(all.get((int) ((long) i * all.size() / samples)));
    }
    return some;
  }
}
