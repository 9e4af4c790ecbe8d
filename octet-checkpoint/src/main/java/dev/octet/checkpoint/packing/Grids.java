package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.octet.tensor.DType;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/** Scale grids of formats that store groups in an order of their own. */
public final class Grids {
  private Grids() {}

  /** A scale by output and group. */
  public interface ScaleAt {
    float at(long output, int group);
  }

  /** A zero point in the signed code space by output and group. */
  public interface ZeroAt {
    int at(long output, int group);
  }

  /**
   * The grid of a weight [n, k].
   *
   * @param columns which group each block of stored columns belongs to
   */
  public static ScaleGrid of(long n, long k, Columns columns, ScaleAt scale, ZeroAt zero) {
    int blocks = columns.groups().length;
    Tensor scales = Tensor.allocate(Arena.ofAuto(), DType.F32, n, blocks);
    Tensor zeros = Tensor.allocate(Arena.ofAuto(), DType.I16, n, blocks);
    boolean symmetric = true;
    for (long o = 0; o < n; o++) {
      for (int b = 0; b < blocks; b++) {
        int g = columns.groups()[b];
        long at = o * blocks + b;
        int z = zero.at(o, g);
        symmetric &= z == 0;
        scales.segment().set(JAVA_FLOAT_UNALIGNED, at << 2, scale.at(o, g));
        zeros.segment().set(JAVA_SHORT_UNALIGNED, at << 1, (short) z);
      }
    }
    boolean one = blocks <= 1;
    return new ScaleGrid(
        one ? ScaleGranularity.CHANNEL : ScaleGranularity.GROUP,
        1,
        one ? Math.max(1, k) : columns.block(),
        scales,
        symmetric ? null : zeros);
  }
}
