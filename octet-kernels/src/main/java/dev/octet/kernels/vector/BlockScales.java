package dev.octet.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A {@link ScaleGrid} read block by block within a row, without a division an element. */
final class BlockScales {
  private final MemorySegment scales;
  private final @Nullable MemorySegment zeros;
  private final boolean oneZero;
  private final long rowBlock;
  private final int width;
  private final int blocks;
  private final int k;

  BlockScales(ScaleGrid grid, int k) {
    Tensor z = grid.zeroPoints();
    this.scales = grid.scales().segment();
    this.zeros = z == null ? null : z.segment();
    this.oneZero = grid.sharesZeroPoint();
    this.rowBlock = grid.rowBlock();
    this.width = (int) Math.min(Math.max(1, k), grid.columnBlock());
    this.blocks = Math.toIntExact(grid.scales().dim(1));
    this.k = k;
  }

  /** Blocks of a row. */
  int blocks() {
    return blocks;
  }

  /** Columns of a block; the last may have fewer. */
  int width() {
    return width;
  }

  /** One past the last column of block {@code b}. */
  int end(int b) {
    return (int) Math.min(k, (b + 1L) * width);
  }

  /** Index of the first block of {@code row}, for {@link #scale} and {@link #zero}. */
  long first(int row) {
    return row / rowBlock * blocks;
  }

  float scale(long index) {
    return scales.get(JAVA_FLOAT_UNALIGNED, index << 2);
  }

  int zero(long index) {
    return zeros == null ? 0 : zeros.get(JAVA_SHORT_UNALIGNED, oneZero ? 0 : index << 1);
  }

  /** Σx of every block. */
  double[] sums(float[] x) {
    double[] sums = new double[blocks];
    for (int j = 0; j < k; j++) {
      sums[j / width] += x[j];
    }
    return sums;
  }
}
