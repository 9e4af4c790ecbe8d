package dev.octet.kernels.vector;

import dev.octet.kernels.RotaryTable;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Cosines and sines of the table in use, for all positions met so far. */
final class RotaryCache {
  /** Row p holds the values of position p, one a channel pair. */
  record Angles(RotaryTable table, int positions, float[] cos, float[] sin) {}

  private volatile @Nullable Angles last;

  /** Angles that cover all of {@code positions}. */
  Angles angles(RotaryTable table, int[] positions) {
    int needed = 0;
    for (int p : positions) {
      if (p < 0) {
        throw new IllegalArgumentException("position " + p);
      }
      needed = Math.max(needed, p + 1);
    }
    Angles known = last;
    if (known != null && known.table.equals(table) && known.positions >= needed) {
      return known;
    }
    Angles made = extend(known != null && known.table.equals(table) ? known : null, table, needed);
    last = made;
    return made;
  }

  private static Angles extend(@Nullable Angles known, RotaryTable table, int needed) {
    int half = table.inverse().length;
    int from = known == null ? 0 : known.positions;
    int to = Math.max(needed, Math.min(2 * from, from + 4096));
    int size = Math.multiplyExact(to, half);
    float[] cos = known == null ? new float[size] : Arrays.copyOf(known.cos, size);
    float[] sin = known == null ? new float[size] : Arrays.copyOf(known.sin, size);
    for (int p = from; p < to; p++) {
      for (int i = 0; i < half; i++) {
        double angle = p * table.inverse()[i];
        cos[p * half + i] = (float) (Math.cos(angle) * table.magnitude());
        sin[p * half + i] = (float) (Math.sin(angle) * table.magnitude());
      }
    }
    return new Angles(table, to, cos, sin);
  }
}
