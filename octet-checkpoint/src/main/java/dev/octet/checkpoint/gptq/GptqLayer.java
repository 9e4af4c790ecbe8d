package dev.octet.checkpoint.gptq;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.packing.Codes;
import dev.octet.checkpoint.packing.Columns;
import dev.octet.checkpoint.packing.GptqPacking;
import dev.octet.checkpoint.packing.Grids;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.util.Set;

/**
 * One layer: {@code qweight}, {@code qzeros}, {@code scales} and perhaps {@code g_idx}. {@code
 * W[o,i] = scales[g_idx[i], o] · (q[i,o] − Z[g_idx[i], o])}, where Z is what is stored, plus one by
 * the first convention: 2^b then, not 0, where all bits are set. Up to 4 bits become INT4.
 */
final class GptqLayer {
  private final StoredTensors tensors;
  private final LinearShape shape;
  private final GptqSettings.Layer settings;
  private final boolean second;
  private final int bits;
  private final long group;
  private final long groups;

  GptqLayer(StoredTensors tensors, LinearShape shape, GptqSettings.Layer settings, boolean second) {
    this.tensors = tensors;
    this.shape = shape;
    this.settings = settings;
    this.second = second;
    this.bits = settings.bits();
    Tensor zeros = tensors.find(name("qzeros"));
    this.group =
        settings.columns(shape.columns(), zeros == null || zeros.rank() < 1 ? 0 : zeros.dim(0));
    this.groups = ScaleGrid.blocks(shape.columns(), group);
  }

  void check() {
    codes();
    zeros();
    StoredScales.checkMatrix(tensors, name("scales"), groups, shape.rows(), false);
    columns();
    DenseFormat.checkBias(tensors, shape);
  }

  LinearWeights read() {
    return new LinearWeights(
        weight(), DenseFormat.bias(tensors, shape), new ActivationQuant.None());
  }

  private QuantizedWeight weight() {
    Columns columns = columns();
    long n = shape.rows();
    Tensor scales = StoredScales.checkMatrix(tensors, name("scales"), groups, n, false);
    Tensor zeros = GptqPacking.zeros(zeros(), n, bits);
    int offset = (second ? 0 : 1) - (1 << bits - 1);
    ScaleGrid grid =
        Grids.of(
            n,
            shape.columns(),
            columns,
            (o, g) -> scales.getFloat(g * n + o),
            (o, g) -> (int) zeros.getLong(o * groups + g) + offset);
    Tensor order = columns.order();
    if (order == null && (bits == 4 || bits == 8)) {
      Tensor codes = GptqPacking.signed(codes(), shape.columns(), bits);
      return bits == 4
          ? new Int4Weight(codes, shape.columns(), grid, null)
          : new Int8Weight(codes, grid);
    }
    Tensor codes = Codes.signed(GptqPacking.codes(codes(), shape.columns(), bits), bits);
    Tensor gathered = Columns.gathered(codes, order);
    return bits == 8
        ? new Int8Weight(gathered, grid, order)
        : new Int4Weight(Codes.nibbles(gathered), shape.columns(), grid, order);
  }

  private String name(String suffix) {
    return shape.module() + "." + suffix;
  }

  private Tensor codes() {
    Tensor stored = tensors.get(name("qweight"));
    return words(
        "qweight",
        PackedWords.byColumns(stored, bits),
        Packing.words(shape.columns(), bits),
        shape.rows());
  }

  private Tensor zeros() {
    Tensor stored = tensors.get(name("qzeros"));
    return words(
        "qzeros", PackedWords.byRows(stored, bits), groups, Packing.words(shape.rows(), bits));
  }

  private Tensor words(String suffix, Tensor words, long rows, long columns) {
    if (words.dtype() != DType.I32 || !words.hasShape(rows, columns)) {
      throw tensors.problem(
          name(suffix),
          "is %s, expected I32 [%d, %d]: [%d, %d] of %d bits in groups of %d"
              .formatted(words, rows, columns, shape.rows(), shape.columns(), bits, group));
    }
    return words;
  }

  /** Groups of columns by {@code g_idx}; without it column i is of group {@code i / group}. */
  private Columns columns() {
    int k = Math.toIntExact(shape.columns());
    int[] index = new int[k];
    String name = name("g_idx");
    boolean stored = tensors.has(name);
    if (!stored && settings.actOrder() && groups > 1) {
      tensors.get(name); // says that it is missing
    }
    Tensor given =
        stored ? tensors.require(name, Set.of(DType.I32, DType.I64), shape.columns()) : null;
    for (int i = 0; i < k; i++) {
      long g = given == null ? i / group : given.getLong(i);
      if (g < 0 || g >= groups) {
        throw tensors.problem(name, "puts input %d into group %d of %d".formatted(i, g, groups));
      }
      index[i] = (int) g;
    }
    return Columns.of(index, Math.toIntExact(groups), group);
  }
}
