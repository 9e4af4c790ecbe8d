package dev.octet.quantize.method;

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
 * Half-quadratic quantization (H. Badri and A. Shaji 2023): no data, only the weights. A group's
 * zero point is chosen so that the p-norm of the error is small, p &lt; 1: many small errors are
 * traded for a few large ones, of weights that lie far out. An auxiliary error e splits that in
 * two, solved in turn:
 *
 * <pre>
 *   e ← shrink(w/s − (q − z))     where shrink(x) = sign(x)·max(0, |x| − |x|^(p−1)/β)
 *   z ← mean(q − (w/s − e))
 * </pre>
 *
 * <p>Errors are counted in steps of the scale, so that β means the same for weights of any size.
 *
 * <p>The authors keep z in floating point. The formats of INT4 weights hold whole ones, so z is
 * rounded at the end, and then the scale is chosen by the same iteration instead: {@code s ← s·⟨q −
 * z, w/s − e⟩ / ⟨q − z, q − z⟩}. Whatever does not lower the p-norm is not taken: a group never
 * ends worse than rounded to nearest over its whole range.
 */
public final class Hqq {
  private final HqqOptions options;
  private final GroupCoder coder;
  private final int lowest;
  private final int highest;
  private float[] w = new float[0];
  private int from;
  private int to;

  private Hqq(QuantScheme scheme, HqqOptions options) {
    this.options = options;
    this.coder = new GroupCoder(scheme, Clipping.NONE);
    this.lowest = -(1 << scheme.type().bits() - 1);
    this.highest = -lowest - 1;
  }

  /**
   * Refuses what has no zero points.
   *
   * @throws IllegalArgumentException unless the scheme's codes are integers, asymmetric
   */
  public static void requireUsable(QuantScheme scheme) {
    new GroupCoder(scheme, Clipping.NONE);
    if (scheme.symmetric()) {
      throw new IllegalArgumentException(
          scheme.name() + ": HQQ chooses zero points, a symmetric scheme has none; use w4a16-asym");
    }
  }

  /**
   * Quantizes a weight.
   *
   * @param weight floats [n, k], finite
   * @param scheme asymmetric, per channel or group
   * @param arena owns the result; a shared or automatic one
   * @throws IllegalArgumentException for another scheme, or a weight that is no number
   */
  public static QuantizedWeight quantize(
      Tensor weight, QuantScheme scheme, HqqOptions options, Arena arena) {
    requireUsable(scheme);
    int n = Math.toIntExact(weight.dim(0));
    int k = Math.toIntExact(weight.dim(1));
    IntegerCodes codes = new IntegerCodes(scheme, n, k, arena);
    try (Arena scratch = Arena.ofShared()) {
      Tensor floats = weight.dtype() == DType.F32 ? weight : weight.to(DType.F32, scratch);
      IntStream.range(0, n)
          .parallel()
          .forEach(r -> new Hqq(scheme, options).row(floats, r, k, codes));
    }
    return codes.weight(null);
  }

  private void row(Tensor weight, int r, int k, IntegerCodes codes) {
    w = new float[k];
    Products.read(weight, r, 0, w, k);
    requireFinite();
    byte[] out = new byte[k];
    float[] scales = new float[codes.groups()];
    short[] zeros = new short[codes.groups()];
    for (int g = 0; g < scales.length; g++) {
      from = g * codes.block();
      to = Math.min(k, from + codes.block());
      chooseGroup();
      scales[g] = coder.scale();
      zeros[g] = (short) coder.zero();
      for (int j = from; j < to; j++) {
        out[j] = (byte) coder.encode(w[j]);
      }
    }
    codes.put(r, out, scales, zeros);
  }

  private void requireFinite() {
    for (float value : w) {
      if (!Float.isFinite(value)) {
        throw new IllegalArgumentException("holds " + value + ", which does not quantize");
      }
    }
  }

  private void chooseGroup() {
    coder.choose(w, from, to);
    float scale = coder.scale();
    int zero = coder.zero();
    double least = norm();
    int z = (int) Math.clamp(Math.rint(bestZero(scale, zero)), lowest, highest);
    float s = bestScale(scale, z);
    coder.use(s, z);
    if (norm() < least) {
      scale = s;
      zero = z;
    }
    coder.use(scale, zero);
  }

  /** {@code Σ|w − w'|^p} of the coder's scale and zero point. */
  private double norm() {
    double sum = 0;
    for (int j = from; j < to; j++) {
      double size = Math.abs(w[j] - coder.decode(coder.encode(w[j])));
      sum += size * slope(size);
    }
    return sum;
  }

  /** {@code |x|^(p−1)}; 0 for 0, where it is always multiplied with 0 or cut off. */
  private double slope(double size) {
    return size == 0 ? 0 : Math.pow(size, options.norm() - 1);
  }

  /** The zero point of the authors' iteration, which ends when the error grows. */
  private double bestZero(float scale, int start) {
    double beta = options.beta();
    double z = start;
    double best = start;
    double least = Double.POSITIVE_INFINITY;
    for (int i = 0; i < options.iterations(); i++) {
      double sum = 0;
      double error = 0;
      for (int j = from; j < to; j++) {
        double x = (double) w[j] / scale;
        double q = Math.clamp(Math.rint(x + z), lowest, highest);
        double off = x - (q - z);
        double size = Math.abs(off);
        double slope = slope(size);
        error += size * slope;
        sum += q - (x - Math.copySign(Math.max(0, size - slope / beta), off));
      }
      if (!(error < least)) {
        return best;
      }
      least = error;
      best = z;
      z = sum / (to - from);
      beta *= options.growth();
    }
    return best;
  }

  /** The scale of the same iteration with a zero point that stays. */
  private float bestScale(float start, int zero) {
    double beta = options.beta();
    float scale = start;
    float best = start;
    double least = Double.POSITIVE_INFINITY;
    for (int i = 0; i < options.iterations(); i++) {
      double product = 0;
      double squares = 0;
      double error = 0;
      for (int j = from; j < to; j++) {
        double x = (double) w[j] / scale;
        double level = Math.clamp(Math.rint(x) + zero, lowest, highest) - zero;
        double off = x - level;
        double size = Math.abs(off);
        double slope = slope(size);
        error += size * slope;
        product += level * (x - Math.copySign(Math.max(0, size - slope / beta), off));
        squares += level * level;
      }
      error *= Math.pow(scale, options.norm());
      if (!(error < least)) {
        return best;
      }
      least = error;
      best = scale;
      float next = (float) (scale * product / squares);
      if (!(next >= Float.MIN_NORMAL) || Float.isInfinite(next)) {
        return best;
      }
      scale = next;
      beta *= options.growth();
    }
    return best;
  }
}
