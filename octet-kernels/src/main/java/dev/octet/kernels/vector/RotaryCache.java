package dev.octet.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.kernels.RotaryTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Cosines and sines of the table in use, for the positions met so far. A new table starts with the
 * positions asked for: dynamic NTK has another one every step, of which one position is needed.
 */
public final class RotaryCache {
  private static final int MOST_AHEAD = 4096;

  /**
   * Row {@code p - first} holds the values of position p, one a channel pair.
   *
   * @param end one past the last position
   * @param cos F32 [end - first, pairs], outside the heap
   * @param sin the same
   */
  public record Angles(
      RotaryTable table, int first, int end, MemorySegment cos, MemorySegment sin) {}

  private volatile @Nullable Angles last;

  /** Without any angles yet. */
  public RotaryCache() {}

  /** Angles that cover all of {@code positions}. */
  public Angles angles(RotaryTable table, int[] positions) {
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
    long bytes = Math.multiplyExact(4L * half, end - first);
    Arena arena = Arena.ofAuto();
    MemorySegment cos = arena.allocate(bytes, 64);
    MemorySegment sin = arena.allocate(bytes, 64);
    int from = first;
    if (known != null && known.first == first) {
      MemorySegment.copy(known.cos, 0, cos, 0, known.cos.byteSize());
      MemorySegment.copy(known.sin, 0, sin, 0, known.sin.byteSize());
      from = known.end;
    }
    for (int p = from; p < end; p++) {
      for (int i = 0; i < half; i++) {
        double angle = p * table.inverse()[i];
        long at = (long) (p - first) * half + i;
        cos.setAtIndex(JAVA_FLOAT, at, (float) (Math.cos(angle) * table.magnitude()));
        sin.setAtIndex(JAVA_FLOAT, at, (float) (Math.sin(angle) * table.magnitude()));
      }
    }
    return new Angles(table, first, end, cos, sin);
  }
}
