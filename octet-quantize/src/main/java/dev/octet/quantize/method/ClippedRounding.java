package dev.octet.quantize.method;

import dev.octet.quantize.linalg.Products;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.GroupCoder;
import dev.octet.tensor.IntegerCodes;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Rounding to nearest with ranges narrowed where that makes the error smaller. */
public final class ClippedRounding {
  private ClippedRounding() {}

  /**
   * Quantizes a weight.
   *
   * @param weight F32 [n, k], finite
   * @param sample inputs on which the output's error is to be small, F32 [rows, k]; null: the
   *     weight's own error is
   * @param scheme INT8 or INT4, per channel or group
   * @param arena owns the result; a shared or automatic one
   */
  public static QuantizedWeight quantize(
      Tensor weight, @Nullable Tensor sample, QuantScheme scheme, Clipping clipping, Arena arena) {
    int n = Math.toIntExact(weight.dim(0));
    int k = Math.toIntExact(weight.dim(1));
    IntegerCodes codes = new IntegerCodes(scheme, n, k, arena);
    List<GroupCoder.Loss> losses =
        sample == null
            ? Collections.nCopies(codes.groups(), GroupCoder.Loss.SQUARES)
            : OutputLoss.ofGroups(sample, codes.block());
    IntStream.range(0, n)
        .parallel()
        .forEach(r -> row(weight, r, k, codes, losses, new GroupCoder(scheme, clipping)));
    return codes.weight(null);
  }

  private static void row(
      Tensor weight,
      int r,
      int k,
      IntegerCodes codes,
      List<GroupCoder.Loss> losses,
      GroupCoder coder) {
    float[] values = new float[k];
    byte[] out = new byte[k];
    float[] scales = new float[codes.groups()];
    short[] zeros = new short[codes.groups()];
    Products.read(weight, r, 0, values, k);
    for (int g = 0; g < scales.length; g++) {
      int from = g * codes.block();
      int to = Math.min(k, from + codes.block());
      coder.choose(values, from, to, losses.get(g));
      scales[g] = coder.scale();
      zeros[g] = (short) coder.zero();
      for (int j = from; j < to; j++) {
        out[j] = (byte) coder.encode(values[j]);
      }
    }
    codes.put(r, out, scales, zeros);
  }
}
