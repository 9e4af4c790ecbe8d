package dev.octet.quantize.method;

import dev.octet.kernels.Kernels;
import dev.octet.quantize.linalg.Products;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.DType;
import dev.octet.tensor.GroupCoder;
import dev.octet.tensor.IntegerCodes;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.stream.IntStream;

/**
 * Rounding to nearest with every group's range narrowed where that brings the layer's output closer
 * to the unquantized one's, as AWQ's search for clipping does. The error that a row's change {@code
 * d = w' − w} makes over all calibration inputs is {@code d·H·dᵀ} with {@code H = Σ xᵀx}, of which
 * a group decides, given what all others have done,
 *
 * <pre>
 *   d_g·H_gg·d_gᵀ + 2·d_g·o_g   where o_g = Σ_h≠g H_gh·d_hᵀ
 * </pre>
 *
 * <p>Groups begin rounded over their whole range and take turns, {@value #PASSES} times: every
 * change makes the output's error smaller, so that the result is never worse than rounding to
 * nearest on those inputs. Rows are independent; {@code o} of all rows is one matrix product.
 */
final class RangeSearch {
  private static final int PASSES = 2;

  private final Kernels kernels;
  private final Tensor weight;
  private final Tensor gram;
  private final QuantScheme scheme;
  private final Clipping clipping;
  private final IntegerCodes result;
  private final int n;
  private final int k;
  private final float[][] scales;
  private final short[][] zeros;
  private final Tensor change;

  private RangeSearch(
      Tensor weight,
      Tensor gram,
      QuantScheme scheme,
      Clipping clipping,
      Kernels kernels,
      Arena scratch,
      Arena arena) {
    this.kernels = kernels;
    this.weight = weight;
    this.gram = gram;
    this.scheme = scheme;
    this.clipping = clipping;
    this.n = Math.toIntExact(weight.dim(0));
    this.k = Math.toIntExact(weight.dim(1));
    this.result = new IntegerCodes(scheme, n, k, arena);
    this.scales = new float[n][result.groups()];
    this.zeros = new short[n][result.groups()];
    this.change = Tensor.allocate(scratch, DType.F32, n, k);
  }

  /** See {@link ClippedRounding#quantize}. */
  static QuantizedWeight quantize(
      Tensor weight,
      Tensor gram,
      QuantScheme scheme,
      Clipping clipping,
      Kernels kernels,
      Arena arena) {
    try (Arena scratch = Arena.ofShared()) {
      return new RangeSearch(weight, gram, scheme, clipping, kernels, scratch, arena).run();
    }
  }

  private QuantizedWeight run() {
    eachRow(this::begin);
    int passes = GroupLoss.isJoint(result.block()) && result.groups() > 1 ? PASSES : 1;
    for (int pass = 0; pass < passes; pass++) {
      for (int g = 0; g < result.groups(); g++) {
        turn(g);
      }
    }
    eachRow(this::store);
    return result.weight(null);
  }

  private static int end(int from, int block, int k) {
    return Math.min(k, from + block);
  }

  @FunctionalInterface
  private interface RowUse {
    void accept(int r, float[] row);
  }

  private void eachRow(RowUse use) {
    IntStream.range(0, n)
        .parallel()
        .forEach(
            r -> {
              float[] row = new float[k];
              Products.read(weight, r, 0, row, k);
              use.accept(r, row);
            });
  }

  private void begin(int r, float[] row) {
    GroupCoder coder = new GroupCoder(scheme, Clipping.NONE);
    for (int g = 0; g < result.groups(); g++) {
      int from = g * result.block();
      int to = end(from, result.block(), k);
      coder.choose(row, from, to);
      keep(coder, r, g);
      for (int j = from; j < to; j++) {
        row[j] = coder.decode(coder.encode(row[j])) - row[j];
      }
    }
    Products.write(change, r, 0, row, k);
  }

  private void keep(GroupCoder coder, int r, int g) {
    scales[r][g] = coder.scale();
    zeros[r][g] = (short) coder.zero();
  }

  /** A group's turn, in every row. */
  private void turn(int g) {
    int from = g * result.block();
    int to = end(from, result.block(), k);
    try (Arena scratch = Arena.ofShared()) {
      GroupLoss.Matrix own = GroupLoss.of(gram, from, to);
      Tensor pull =
          own.isJoint()
              ? Products.timesTransposed(kernels, change, gram.rowRange(from, to), scratch)
              : Tensor.allocate(scratch, DType.F32, n, to - from);
      IntStream.range(0, n).parallel().forEach(r -> row(r, g, from, new GroupLoss(own), pull));
    }
  }

  private void row(int r, int g, int from, GroupLoss loss, Tensor pull) {
    int width = loss.width();
    float[] values = new float[width];
    float[] best = new float[width];
    float[] outside = new float[width];
    Products.read(weight, r, from, values, width);
    Products.read(change, r, from, best, width);
    Products.read(pull, r, 0, outside, width);
    double least = loss.begin(best, outside);
    GroupCoder coder = new GroupCoder(scheme, clipping);
    coder.attempt(loss.best(new Trials(coder), values));
    float[] d = new float[width];
    for (int j = 0; j < width; j++) {
      d[j] = coder.decode(coder.encode(values[j])) - values[j];
    }
    if (loss.of(d) < least) {
      keep(coder, r, g);
      Products.write(change, r, from, d, width);
    }
  }

  private void store(int r, float[] row) {
    GroupCoder coder = new GroupCoder(scheme, Clipping.NONE);
    byte[] codes = new byte[k];
    for (int j = 0; j < k; j++) {
      int g = j / result.block();
      coder.use(scales[r][g], zeros[r][g]);
      codes[j] = (byte) coder.encode(row[j]);
    }
    result.put(r, codes, scales[r], zeros[r]);
  }
}
