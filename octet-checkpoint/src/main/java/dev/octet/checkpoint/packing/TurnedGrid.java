package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.octet.tensor.DType;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/** Scale grids of formats that store scales with the groups first, [groups, n]. */
public final class TurnedGrid {
  private TurnedGrid() {}

  /**
   * The grid of scales.
   *
   * @param scales F32 [groups, n]
   * @param zeros integers [n, groups]
   * @param offset what is added to zero points to make them signed
   * @param columns which group each block of stored columns belongs to
   * @param k columns
   */
  public static ScaleGrid of(Tensor scales, Tensor zeros, int offset, Columns columns, long k) {
    long n = scales.dim(1);
    long groups = scales.dim(0);
    int blocks = columns.groups().length;
    Tensor turned = Tensor.allocate(Arena.ofAuto(), DType.F32, n, blocks);
    Tensor signed = Tensor.allocate(Arena.ofAuto(), DType.I16, n, blocks);
    boolean symmetric = true;
    for (long o = 0; o < n; o++) {
      for (int b = 0; b < blocks; b++) {
        int g = columns.groups()[b];
        long at = o * blocks + b;
        int zero = (int) zeros.getLong(o * groups + g) + offset;
        symmetric &= zero == 0;
        turned.segment().set(JAVA_FLOAT_UNALIGNED, at << 2, scales.getFloat(g * n + o));
        signed.segment().set(JAVA_SHORT_UNALIGNED, at << 1, (short) zero);
      }
    }
    boolean one = blocks <= 1;
    return new ScaleGrid(
        one ? ScaleGranularity.CHANNEL : ScaleGranularity.GROUP,
        1,
        one ? Math.max(1, k) : columns.block(),
        turned,
        symmetric ? null : signed);
  }
}
