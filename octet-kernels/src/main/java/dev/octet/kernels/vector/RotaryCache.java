package dev.octet.kernels.vector;

import dev.octet.kernels.RotaryTable;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Cosines and sines of the table in use, for the positions met so far. A new table starts with the
 * positions asked for: dynamic NTK has another one every step, of which one position is needed.
 */
final class RotaryCache {
  private static final int MOST_AHEAD = 4096;

  /**
   * Row {@code p - first} holds the values of position p, one a channel pair.
   *
   * @param end one past the last position
   */
  record Angles(RotaryTable table, int first, int end, float[] cos, float[] sin) {}

  private volatile @Nullable Angles last;

  /** Angles that cover all of {@code positions}. */
  Angles angles(RotaryTable table, int[] positions) {
    int first = Integer.MAX_VALUE;
    int end = 0;
    for (int p : positions) {
      if (p < 0) {
        throw new IllegalArgumentException("position " + p);
      }
      first = Math.min(first, p);
      end = Math.max(end, p + 1);
    }
    Angles known = last;
    if (known == null || !known.table.equals(table)) {
      return remember(make(table, Math.min(first, end), end, null));
    }
    if (first >= known.first && end <= known.end) {
      return known;
    }
    int ahead = Math.min(known.end, MOST_AHEAD); // the next positions will follow
    int grown = end > known.end ? Math.max(end, Math.addExact(known.end, ahead)) : known.end;
    return remember(make(table, Math.min(first, known.first), grown, known));
  }

  private Angles remember(Angles made) {
    last = made;
    return made;
  }

  /**
   * @param known angles of the same table to take over where they begin alike, or null
   */
  private static Angles make(RotaryTable table, int first, int end, @Nullable Angles known) {
    int half = table.inverse().length;
    int size = Math.multiplyExact(end - first, half);
    Angles begun = known != null && known.first == first ? known : null;
    float[] cos = begun == null ? new float[size] : Arrays.copyOf(begun.cos, size);
    float[] sin = begun == null ? new float[size] : Arrays.copyOf(begun.sin, size);
    for (int p = begun == null ? first : begun.end; p < end; p++) {
      for (int i = 0; i < half; i++) {
        double angle = p * table.inverse()[i];
        int at = (p - first) * half + i;
        cos[at] = (float) (Math.cos(angle) * table.magnitude());
        sin[at] = (float) (Math.sin(angle) * table.magnitude());
      }
    }
    return new Angles(table, first, end, cos, sin);
  }
}
