package dev.octet.kernels.linear;

import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.AsymmetricInt8;
import dev.octet.tensor.ActivationQuant.Clipped;
import dev.octet.tensor.ActivationQuant.DynamicFp8;
import dev.octet.tensor.ActivationQuant.DynamicFp8Block;
import dev.octet.tensor.ActivationQuant.DynamicInt4;
import dev.octet.tensor.ActivationQuant.DynamicInt8;
import dev.octet.tensor.ActivationQuant.Fp4Group;
import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.ActivationQuant.None;
import dev.octet.tensor.ActivationQuant.StaticFp8;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.Codecs;
import java.util.Arrays;

/**
 * Quantizes one token's activations, the same way in every provider: F32 division by the scale (a
 * product with the reciprocal would decide ties differently), then round half to even, then clamp.
 *
 * <p>A row with a NaN or an infinity has no scale; its scale is NaN, which makes every output of
 * the row NaN instead of a plausible number.
 */
public final class Activations {
  private Activations() {}

  /** Whether codes are integers, to be multiplied with integer weights in int32. */
  public static boolean integer(ActivationQuant quant) {
    return dynamic(quant) || quant.unclipped() instanceof StaticInt8;
  }

  private static boolean dynamic(ActivationQuant quant) {
    return quant.unclipped() instanceof DynamicInt8 || quant.unclipped() instanceof DynamicInt4;
  }

  /**
   * Writes the INT8 or INT4 codes minus the offset, so that the value is {@code code·scale}.
   *
   * @param x the row, which is left clipped where that comes first
   * @return the row's scale; 0 for a row of zeros
   */
  public static float int8(ActivationQuant quant, float[] x, int[] codes) {
    float amax = absMax(x);
    if (!Float.isFinite(amax)) {
      Arrays.fill(codes, 0);
      return Float.NaN;
    }
    if (quant.unclipped() instanceof StaticInt8 s) {
      clip(quant, x);
      for (int j = 0; j < x.length; j++) {
        codes[j] = clamp(Math.rint(x[j] / s.scale() + s.offset()), 8) - s.offset();
      }
      return s.scale();
    }
    int bits = bits(quant);
    float scale = amax / steps(quant);
    for (int j = 0; j < x.length; j++) {
      codes[j] = scale == 0 ? 0 : clamp(Math.rint(x[j] / scale), bits);
    }
    return scale;
  }

  /** Bits of an integer code. */
  public static int bits(ActivationQuant quant) {
    return quant.unclipped() instanceof DynamicInt4 ? 4 : 8;
  }

  /** What an integer scale that is computed for each token divides the largest magnitude by. */
  public static float steps(ActivationQuant quant) {
    float steps = quant.unclipped() instanceof DynamicInt4(float own) ? own : 127f;
    return quant instanceof Clipped(_, float ratio) ? steps / ratio : steps;
  }

  /** Clips a finite row if it is to be clipped before anything else. */
  public static void clip(ActivationQuant quant, float[] x) {
    if (!(quant instanceof Clipped(_, float ratio)) || dynamic(quant)) {
      return;
    }
    Span span = Span.of(x);
    for (int j = 0; j < x.length; j++) {
      x[j] = Math.clamp(x[j], ratio * span.min(), ratio * span.max());
    }
  }

  /** Replaces the row by what its quantized form stands for; {@link None} leaves it as it is. */
  public static void roundTrip(ActivationQuant quant, float[] x) {
    switch (quant) {
      case None _ -> {}
      case DynamicInt8 _, DynamicInt4 _, StaticInt8 _ -> codes(quant, x);
      case AsymmetricInt8 _ -> asymmetric(x);
      case DynamicFp8(float bound) -> {
        float amax = absMax(x);
        float largest = Float.isFinite(amax) ? Math.min(amax, bound) : amax;
        fp8(x, 0, x.length, largest / Codecs.E4M3_MAX);
      }
      case StaticFp8 s -> fp8(x, 0, x.length, Float.isFinite(absMax(x)) ? s.scale() : Float.NaN);
      case DynamicFp8Block b -> {
        for (int from = 0; from < x.length; from += b.block()) {
          int to = Math.min(x.length, from + b.block());
          fp8(x, from, to, absMax(x, from, to) / Codecs.E4M3_MAX);
        }
      }
      case Fp4Group(float global) -> {
        for (int from = 0; from < x.length; from += Fp4Group.GROUP) {
          fp4(x, from, Math.min(x.length, from + Fp4Group.GROUP), global);
        }
      }
      case MxGroup mx -> Microscaling.roundTrip(mx, x);
      case Clipped c -> clipped(c, x);
    }
  }

  private static void clipped(Clipped quant, float[] x) {
    if (dynamic(quant)) {
      codes(quant, x);
    } else if (Float.isFinite(absMax(x))) {
      clip(quant, x);
      roundTrip(quant.inner(), x);
    } else {
      Arrays.fill(x, Float.NaN);
    }
  }

  private static void codes(ActivationQuant quant, float[] x) {
    int[] codes = new int[x.length];
    float scale = int8(quant, x, codes);
    for (int j = 0; j < x.length; j++) {
      x[j] = codes[j] * scale;
    }
  }

  /** The range of values, 0 included. */
  private record Span(float min, float max) {
    static Span of(float[] x) {
      float min = 0;
      float max = 0;
      for (float value : x) {
        min = Math.min(min, value);
        max = Math.max(max, value);
      }
      return new Span(min, max);
    }
  }

  private static void asymmetric(float[] x) {
    if (!Float.isFinite(absMax(x))) {
      Arrays.fill(x, Float.NaN);
      return;
    }
    Span span = Span.of(x);
    float scale = (span.max() - span.min()) / 255;
    if (scale == 0) {
      Arrays.fill(x, 0);
      return;
    }
    int zero = clamp(Math.rint(-128 - span.min() / scale), 8);
    for (int j = 0; j < x.length; j++) {
      x[j] = (clamp(Math.rint(x[j] / scale) + zero, 8) - zero) * scale;
    }
  }

  /** One group of NVFP4: its scale is itself an E4M3 number, a multiple of the global one. */
  private static void fp4(float[] x, int from, int to, float global) {
    float amax = absMax(x, from, to);
    if (!Float.isFinite(amax)) {
      Arrays.fill(x, from, to, Float.NaN);
      return;
    }
    float local = amax / Codecs.E2M1_MAX / global;
    float scale = Codecs.e4m3ToFloat(Codecs.floatToE4m3(local)) * global;
    for (int j = from; j < to; j++) {
      x[j] = scale == 0 ? 0 : Codecs.e2m1ToFloat(Codecs.floatToE2m1(x[j] / scale)) * scale;
    }
  }

  private static void fp8(float[] x, int from, int to, float scale) {
    if (!Float.isFinite(scale)) {
      Arrays.fill(x, from, to, Float.NaN);
      return;
    }
    for (int j = from; j < to; j++) {
      x[j] = scale == 0 ? 0 : Codecs.e4m3ToFloat(Codecs.floatToE4m3(x[j] / scale)) * scale;
    }
  }

  /** Largest magnitude; NaN if any element is NaN. */
  public static float absMax(float[] x) {
    return absMax(x, 0, x.length);
  }

  static float absMax(float[] x, int from, int to) {
    float max = 0;
    for (int j = from; j < to; j++) {
      max = Math.max(max, Math.abs(x[j]));
    }
    return max;
  }

  private static int clamp(double code, int bits) {
    int half = 1 << bits - 1;
    return (int) Math.max(-half, Math.min(half - 1, code));
  }
}
