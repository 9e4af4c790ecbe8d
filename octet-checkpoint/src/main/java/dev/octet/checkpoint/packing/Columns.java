package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * How columns whose groups are given one by one ({@code g_idx}) are stored so that groups are
 * stretches of columns again: sorted by group, in their own order within one.
 *
 * @param order I32 [k], the input that stored column j belongs to; null: j everywhere
 * @param block stored columns that share a scale; the last block may be short
 * @param groups which group each block belongs to, block by block
 */
public record Columns(@Nullable Tensor order, long block, int[] groups) {

  /**
   * Sorts columns. Where groups are not all as large as they should be, blocks become as small as
   * it takes for each to lie in one group.
   *
   * @param index group of every column, each from 0 to {@code groups - 1}
   * @param group columns a group should have
   */
  public static Columns of(int[] index, int groups, long group) {
    int k = index.length;
    int[] start = new int[groups + 1];
    for (int g : index) {
      start[g + 1]++;
    }
    long block = 0;
    boolean regular = true;
    for (int g = 0; g < groups; g++) {
      start[g + 1] += start[g];
      regular &= start[g] == Math.min(k, g * group);
      block = start[g] == k ? block : gcd(block, start[g]);
    }
    block = regular ? group : block == 0 ? Math.max(1, k) : block;
    return new Columns(sorted(index, start), block, groupOfBlocks(start, k, block));
  }

  /** Columns as they come, in groups as large as they should be. */
  public static Columns plain(long groups, long group) {
    return new Columns(null, group, IntStream.range(0, Math.toIntExact(groups)).toArray());
  }

  private static @Nullable Tensor sorted(int[] index, int[] start) {
    int[] next = start.clone();
    Tensor order = Tensor.allocate(Arena.ofAuto(), DType.I32, index.length);
    boolean identity = true;
    for (int column = 0; column < index.length; column++) {
      int at = next[index[column]]++;
      identity &= at == column;
      order.segment().setAtIndex(JAVA_INT, at, column);
    }
    return identity ? null : order;
  }

  private static int[] groupOfBlocks(int[] start, int k, long block) {
    int[] result = new int[(int) (k == 0 ? 0 : (k - 1) / block + 1)];
    int g = 0;
    for (int b = 0; b < result.length; b++) {
      while (start[g + 1] <= b * block) {
        g++;
      }
      result[b] = g;
    }
    return result;
  }

  private static long gcd(long a, long b) {
    return b == 0 ? a : gcd(b, a % b);
  }

  /** The group of every input, I32 [k]: the inverse of {@link #of}. */
  public static Tensor groups(Tensor order, long block) {
    long k = order.size();
    Tensor groups = Tensor.allocate(Arena.ofAuto(), DType.I32, k);
    for (long j = 0; j < k; j++) {
      groups.segment().set(JAVA_INT_UNALIGNED, order.getLong(j) << 2, (int) (j / block));
    }
    return groups;
  }

  /** The group of every input where groups are stretches of inputs, I32 [k]. */
  public static Tensor groups(long k, long block) {
    Tensor groups = Tensor.allocate(Arena.ofAuto(), DType.I32, k);
    for (long j = 0; j < k; j++) {
      groups.segment().set(JAVA_INT_UNALIGNED, j << 2, (int) (j / block));
    }
    return groups;
  }

  /** Codes I8 [n, k] with column {@code order[j]} as stored column j. */
  public static Tensor gathered(Tensor codes, @Nullable Tensor order) {
    return order == null ? codes : moved(codes, order, true);
  }

  /** The inverse: stored column j becomes column {@code order[j]}. */
  public static Tensor scattered(Tensor codes, @Nullable Tensor order) {
    return order == null ? codes : moved(codes, order, false);
  }

  private static Tensor moved(Tensor codes, Tensor order, boolean gather) {
    int k = Math.toIntExact(codes.dim(1));
    int[] inputs = order.segment().toArray(JAVA_INT_UNALIGNED);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I8, codes.shape());
    MemorySegment from = codes.segment();
    MemorySegment to = out.segment();
    for (long r = 0; r < codes.dim(0); r++) {
      long row = r * k;
      for (int j = 0; j < k; j++) {
        long stored = row + j;
        long input = row + inputs[j];
        to.set(JAVA_BYTE, gather ? stored : input, from.get(JAVA_BYTE, gather ? input : stored));
      }
    }
    return out;
  }
}
