package dev.octet.kernels.linear;

import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.Codecs;
import java.util.Arrays;

/** Activations under powers of two: OCP Microscaling Formats 1.0, section 6.3. */
final class Microscaling {
  /** The least exponent that E8M0 has. */
  private static final int LEAST = -127;

  private static final int MANTISSA = 23;

  private Microscaling() {}

  /** Replaces a row by what its quantized form stands for. */
  static void roundTrip(MxGroup mx, float[] x) {
    int stretch = mx.coarse() == 0 ? x.length : mx.coarse();
    for (int from = 0; from < x.length; from += stretch) {
      int to = Math.min(x.length, from + stretch);
      float coarse = mx.coarse() == 0 ? 1 : Activations.absMax(x, from, to) / Codecs.E2M1_MAX;
      if (!Float.isFinite(coarse)) {
        Arrays.fill(x, from, to, Float.NaN);
      } else if (coarse > 0) {
        groups(mx, x, from, to, coarse);
      }
    }
  }

  private static void groups(MxGroup mx, float[] x, int from, int to, float coarse) {
    for (int at = from; at < to; at += MxGroup.GROUP) {
      int end = Math.min(to, at + MxGroup.GROUP);
      for (int j = at; j < end; j++) {
        x[j] /= coarse;
      }
      group(mx, x, at, end);
      for (int j = at; j < end; j++) {
        x[j] *= coarse;
      }
    }
  }

  private static void group(MxGroup mx, float[] x, int from, int to) {
    float amax = Activations.absMax(x, from, to);
    if (!Float.isFinite(amax)) {
      Arrays.fill(x, from, to, Float.NaN);
      return;
    }
    float scale = scale(mx, amax);
    for (int j = from; j < to; j++) {
      float element = x[j] / scale;
      x[j] =
          scale
              * (mx.bits() == 4
                  ? Codecs.e2m1ToFloat(Codecs.floatToE2m1(element))
                  : Codecs.e4m3ToFloat(Codecs.floatToE4m3(element)));
    }
  }

  /** Half of the mantissa's first bit is added to round; a carry raises the exponent. */
  private static float scale(MxGroup mx, float amax) {
    int half = mx.rounded() ? 1 << MANTISSA - 2 : 0;
    int exponent = (Float.floatToRawIntBits(amax) + half >>> MANTISSA) - 127;
    return Math.scalb(1f, Math.max(LEAST, exponent - mx.largest()));
  }
}
