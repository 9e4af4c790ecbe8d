package dev.octet.bench;

import dev.octet.tensor.Codecs;
import java.util.List;

/**
 * Ways to quantize attention that Octet has no kernel for, for comparison: operands and
 * probabilities are rounded as the method does, products are exact ({@link ExactAttention}).
 */
enum Emulation {
  /** Q, K, V in E4M3 with one scale a head, P in E4M3 under the running maximum. */
  FP8_E4M3("fp8-e4m3*") {
    @Override
    HeadInput encode(HeadInput x) {
      return x.coded(
          values ->
              scaled(values, Codecs.E4M3_MAX, y -> Codecs.e4m3ToFloat(Codecs.floatToE4m3(y))));
    }

    @Override
    double probability(double p) {
      return Codecs.e4m3ToFloat(Codecs.floatToE4m3((float) p));
    }
  },
  /**
   * Q, K, V and P cast to E5M2 without a scale: the FP8 baseline of the INT-FlashAttention paper.
   */
  FP8_E5M2("fp8-e5m2*") {
    @Override
    HeadInput encode(HeadInput x) {
      return x.coded(values -> scaled(values, 0, y -> Codecs.e5m2ToFloat(Codecs.floatToE5m2(y))));
    }

    @Override
    double probability(double p) {
      return Codecs.e5m2ToFloat(Codecs.floatToE5m2((float) p));
    }
  },
  /**
   * SageAttention-1, block variant (arXiv 2410.02367): smoothed K, INT8 with a scale per 128
   * queries and per 64 keys, P and V in FP16. Its FP16 accumulator is not emulated, which flatters
   * it.
   */
  SAGE1_B("sage1-b*") {
    @Override
    HeadInput encode(HeadInput x) {
      float[] q = x.q().clone();
      float[] k = smoothed(x);
      quantizeBlocks(q, 128 * x.d());
      quantizeBlocks(k, 64 * x.d());
      return new HeadInput(x.m(), x.n(), x.d(), q, k, scaled(x.v(), 0, Emulation::half));
    }

    @Override
    double probability(double p) {
      return half((float) p);
    }
  };

  private interface Rounding {
    float round(float x);
  }

  static final List<Emulation> ALL = List.of(values());

  private final String label;

  Emulation(String label) {
    this.label = label;
  }

  /** The name in tables; the star says that it is emulated. */
  String label() {
    return label;
  }

  /** The operands as the method multiplies them, decoded. */
  abstract HeadInput encode(HeadInput x);

  /** P, relative to the running maximum, as the method multiplies it. */
  abstract double probability(double p);

  private static float half(float x) {
    return Float.float16ToFloat(Float.floatToFloat16(x));
  }

  /** Rounds every value, scaled so that the largest becomes {@code max}; 0: not scaled. */
  private static float[] scaled(float[] x, float max, Rounding rounding) {
    float scale = max == 0 ? 1 : absMax(x, 0, x.length) / max;
    float[] out = new float[x.length];
    for (int i = 0; i < x.length && scale != 0; i++) {
      out[i] = rounding.round(x[i] / scale) * scale;
    }
    return out;
  }

  private static float absMax(float[] x, int from, int to) {
    float max = 0;
    for (int i = from; i < to; i++) {
      max = Math.max(max, Math.abs(x[i]));
    }
    return max;
  }

  private static float[] smoothed(HeadInput x) {
    double[] mean = new double[x.d()];
    for (int i = 0; i < x.k().length; i++) {
      mean[i % x.d()] += x.k()[i] / (double) x.n();
    }
    float[] k = new float[x.k().length];
    for (int i = 0; i < k.length; i++) {
      k[i] = (float) (x.k()[i] - mean[i % x.d()]);
    }
    return k;
  }

  private static void quantizeBlocks(float[] x, int block) {
    for (int from = 0; from < x.length; from += block) {
      int to = Math.min(x.length, from + block);
      float scale = absMax(x, from, to) / 127;
      for (int i = from; i < to && scale != 0; i++) {
        x[i] = (float) Math.rint(x[i] / scale) * scale;
      }
    }
  }
}
