package dev.octet.checkpoint.awq;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.packing.AwqPacking;
import dev.octet.checkpoint.packing.Columns;
import dev.octet.checkpoint.packing.Grids;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;

/**
 * One layer: {@code W[o,i] = (q − z)·s}, zero points stored as they are.
 *
 * <table>
 * <caption>Shapes</caption>
 * <tr><th>layout</th><th>qweight</th><th>qzeros</th><th>scales</th></tr>
 * <tr><td>gemm</td><td>[k, n/8]</td><td>[k/g, n/8]</td><td>[k/g, n]</td></tr>
 * <tr><td>gemv</td><td>[n, k/8]</td><td>[n, w]</td><td>[n, 8w], zeros beyond k/g</td></tr>
 * </table>
 */
final class AwqLayer {
  private static final int BITS = 4;

  private final StoredTensors tensors;
  private final LinearShape shape;
  private final boolean gemm;
  private final long group;
  private final long groups;

  AwqLayer(StoredTensors tensors, LinearShape shape, boolean gemm, int group) {
    this.tensors = tensors;
    this.shape = shape;
    this.gemm = gemm;
    this.group = group == -1 ? Math.max(1, shape.columns()) : group;
    this.groups = ScaleGrid.blocks(shape.columns(), this.group);
  }

  void check() {
    codes();
    zeros();
    scales();
    DenseFormat.checkBias(tensors, shape);
  }

  LinearWeights read() {
    long n = shape.rows();
    Tensor nibbles =
        gemm
            ? AwqPacking.gemmNibbles(codes(), n)
            : Packing.nibbles(codes(), shape.columns()); // GEMV's order is that of pack-quantized
    Tensor zeros = AwqPacking.codes(zeros(), gemm ? n : groups, gemm);
    Tensor scales = scales();
    long row = scales.dim(1);
    ScaleGrid grid =
        Grids.of(
            n,
            shape.columns(),
            Columns.plain(groups, group),
            (o, g) -> scales.getFloat(gemm ? g * row + o : o * row + g),
            (o, g) -> (int) zeros.getLong(gemm ? g * n + o : o * groups + g) - 8);
    return new LinearWeights(
        new Int4Weight(nibbles, shape.columns(), grid, null),
        DenseFormat.bias(tensors, shape),
        new ActivationQuant.None());
  }

  private String name(String suffix) {
    return shape.module() + "." + suffix;
  }

  private Tensor codes() {
    return gemm
        ? words("qweight", shape.columns(), Packing.words(shape.rows(), BITS))
        : words("qweight", shape.rows(), Packing.words(shape.columns(), BITS));
  }

  private Tensor zeros() {
    return gemm
        ? words("qzeros", groups, Packing.words(shape.rows(), BITS))
        : words("qzeros", shape.rows(), zeroWords());
  }

  /** GEMV pads the zero points of a row to a width of its own. */
  private long zeroWords() {
    Tensor words = tensors.get(name("qzeros"));
    long least = Packing.words(groups, BITS);
    return words.rank() == 2 ? Math.max(least, words.dim(1)) : least;
  }

  private Tensor words(String suffix, long rows, long columns) {
    Tensor words = tensors.get(name(suffix));
    if (words.dtype() != DType.I32 || !words.hasShape(rows, columns)) {
      throw tensors.problem(
          name(suffix),
          "is %s, expected I32 [%d, %d]: [%d, %d] in groups of %d, %s layout"
              .formatted(
                  words,
                  rows,
                  columns,
                  shape.rows(),
                  shape.columns(),
                  group,
                  gemm ? "gemm" : "gemv"));
    }
    return words;
  }

  /** As stored; what pads GEMV's scales is 0 and never used. */
  private Tensor scales() {
    String name = name("scales");
    if (gemm) {
      return StoredScales.checkMatrix(tensors, name, groups, shape.rows(), false);
    }
    Tensor stored = tensors.require(name, DenseFormat.FLOATS, shape.rows(), 8 * zeroWords());
    StoredScales.requirePositive(tensors, name, stored.columnRange(0, groups));
    return stored;
  }
}
