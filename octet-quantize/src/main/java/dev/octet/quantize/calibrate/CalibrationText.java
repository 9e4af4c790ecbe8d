package dev.octet.quantize.calibrate;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;

/** The token sequences that a model is calibrated with. */
public final class CalibrationText {
  private CalibrationText() {}

  /** The text that comes with Octet: prose, dialogue, explanations, lists and code. */
  public static String bundled() {
    try (InputStream in = CalibrationText.class.getResourceAsStream("calibration.txt")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Cuts sequences of one length out of a text. Where the text holds enough of them they do not
   * overlap: it is cut into pieces, of which as many as asked for are drawn. A shorter text gives
   * what it has.
   *
   * @param ids the text
   * @param samples sequences wanted
   * @param length tokens of each; a text shorter than that becomes one sequence
   * @param seed of the draw
   * @param bos put before every sequence, within its length; −1: none
   * @throws IllegalArgumentException if the text has fewer than 2 tokens, or a number is too small
   */
  public static List<int[]> cut(int[] ids, int samples, int length, long seed, int bos) {
    if (samples < 1 || length < 2) {
      throw new IllegalArgumentException(
          "calibration takes at least 1 sample of 2 tokens, not %d of %d"
              .formatted(samples, length));
    }
    if (ids.length < 2) {
      throw new IllegalArgumentException(
          "a calibration text of %d tokens says nothing".formatted(ids.length));
    }
    int own = length - (bos < 0 ? 0 : 1);
    int pieces = Math.max(1, ids.length / own);
    int[] order = shuffled(pieces, seed);
    List<int[]> cut = new ArrayList<>();
    for (int i = 0; i < Math.min(samples, pieces); i++) {
      int from = order[i] * own;
      cut.add(withBos(Arrays.copyOfRange(ids, from, Math.min(ids.length, from + own)), bos));
    }
    return cut;
  }

  private static int[] withBos(int[] ids, int bos) {
    if (bos < 0) {
      return ids;
    }
    int[] out = new int[ids.length + 1];
    out[0] = bos;
    System.arraycopy(ids, 0, out, 1, ids.length);
    return out;
  }

  private static int[] shuffled(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] order = new int[count];
    for (int i = 0; i < count; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }
}
