package dev.octet.quantize.method;

import dev.octet.kernels.Kernels;
import dev.octet.quantize.linalg.Products;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.GroupCoder;
import dev.octet.tensor.IntegerCodes;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.stream.IntStream;

/** Rounding to nearest with ranges narrowed where that makes the error smaller. */
public final class ClippedRounding {
  private ClippedRounding() {}

  /**
   * Quantizes a weight so that the error of its output is small.
   *
   * @param weight F32 [n, k], finite
   * @param gram {@code Σ xᵀx} of the layer's inputs, F32 [k, k]
   * @param scheme INT8 or INT4, per channel or group
   * @param arena owns the result; a shared or automatic one
   */
  public static QuantizedWeight quantize(
      Tensor weight,
      Tensor gram,
      QuantScheme scheme,
      Clipping clipping,
      Kernels kernels,
      Arena arena) {
    return RangeSearch.quantize(weight, gram, scheme, clipping, kernels, arena);
  }

  /** Quantizes a weight so that its own squared error is small. */
  public static QuantizedWeight quantize(
      Tensor weight, QuantScheme scheme, Clipping clipping, Arena arena) {
    int n = Math.toIntExact(weight.dim(0));
    int k = Math.toIntExact(weight.dim(1));
    IntegerCodes codes = new IntegerCodes(scheme, n, k, arena);
    IntStream.range(0, n)
        .parallel()
        .forEach(r -> row(weight, r, k, codes, new GroupCoder(scheme, clipping)));
    return codes.weight(null);
  }

  private static void row(Tensor weight, int r, int k, IntegerCodes codes, GroupCoder coder) {
    float[] values = new float[k];
    byte[] out = new byte[k];
    float[] scales = new float[codes.groups()];
    short[] zeros = new short[codes.groups()];
    Products.read(weight, r, 0, values, k);
    for (int g = 0; g < scales.length; g++) {
      int from = g * codes.block();
      int to = Math.min(k, from + codes.block());
      coder.choose(values, from, to);
      scales[g] = coder.scale();
      zeros[g] = (short) coder.zero();
      for (int j = from; j < to; j++) {
        out[j] = (byte) coder.encode(values[j]);
      }
    }
    codes.put(r, out, scales, zeros);
  }
}
