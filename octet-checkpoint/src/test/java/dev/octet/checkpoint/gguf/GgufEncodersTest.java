package dev.octet.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class GgufEncodersTest {
  private static byte[] encode(GgufType type, float[] x) {
    byte[] out = new byte[x.length / type.blockElements() * type.blockBytes()];
    BlockEncoder encoder = BlockEncoder.of(type).orElseThrow();
    for (int b = 0; b < x.length / type.blockElements(); b++) {
      encoder.encode(x, b * type.blockElements(), out, b * type.blockBytes());
    }
    return out;
  }

  private static float[] decode(GgufType type, byte[] blocks) {
    float[] out = new float[blocks.length / type.blockBytes() * type.blockElements()];
    GgufBlocks.decode(type, blocks, out);
    return out;
  }

  private static float[] gaussian(Random random, int count, double factor) {
    float[] x = new float[count];
    for (int i = 0; i < count; i++) {
      x[i] = (float) (random.nextGaussian() * factor);
    }
    return x;
  }

  private static double squaredError(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    }
    return sum;
  }

  /** Bounds are half a step more than what uniform rounding of a Gaussian gives. */
  @ParameterizedTest
  @CsvSource({"Q8_0, 0.007", "Q6_K, 0.02", "Q5_0, 0.05", "Q4_0, 0.10", "Q4_K, 0.08"})
  void gaussianWeightsComeBackWithinTheErrorOfTheirBits(GgufType type, double bound) {
    float[] x = gaussian(new Random(1), 1 << 14, 0.02);
    double size = squaredError(x, new float[x.length]);
    double error = squaredError(x, decode(type, encode(type, x)));
    assertThat(Math.sqrt(error / size)).isBetween(bound / 4, bound);
  }

  @Property(tries = 40)
  void whatABlockHoldsIsHeldExactlyByTheNext(
      @ForAll @IntRange(min = -6, max = 6) int exponent, @ForAll Random random) {
    for (GgufType type : new GgufType[] {GgufType.Q8_0, GgufType.Q4_0, GgufType.Q5_0}) {
      float[] once = decode(type, encode(type, gaussian(random, 32, Math.scalb(1.0, exponent))));
      assertThat(decode(type, encode(type, once))).as(type.name()).containsExactly(once);
    }
  }

  @Property(tries = 40)
  void everyWeightOfAQ8BlockIsWithinHalfAStep(@ForAll Random random) {
    float[] x = gaussian(random, 32, 0.02);
    byte[] block = encode(GgufType.Q8_0, x);
    float[] back = decode(GgufType.Q8_0, block);
    float d = Bytes.f16(block, 0);
    for (int i = 0; i < x.length; i++) {
      // the largest may be clipped by what F16 rounding took from the scale
      assertThat(Math.abs(x[i] - back[i])).isLessThanOrEqualTo(d * (0.5f + 127f / 2048));
    }
  }

  /** The line through minimum and maximum is one of the trials: the search may not be worse. */
  @Property(tries = 40)
  void theSearchedLineIsNoWorseThanMinimumAndMaximum(@ForAll Random random) {
    float[] x = gaussian(random, 32, 1);
    float low = Math.min(0, sorted(x)[0]);
    float high = Math.max(0, sorted(x)[31]);
    ScaleSearch.Line plain = new ScaleSearch.Line((high - low) / 15, low);
    assertThat(lineError(x, ScaleSearch.affine(x, 0, 32, 15)))
        .isLessThanOrEqualTo(lineError(x, plain));
  }

  private static float[] sorted(float[] x) {
    float[] copy = x.clone();
    Arrays.sort(copy);
    return copy;
  }

  private static double lineError(float[] x, ScaleSearch.Line line) {
    float[] back = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      double q = Math.clamp(Math.rint((x[i] - line.offset()) / line.scale()), 0, 15);
      back[i] = (float) (q * line.scale() + line.offset());
    }
    return squaredError(x, back);
  }

  @Property(tries = 40)
  void theSearchedScaleIsNoWorseThanThatOfTheLargest(@ForAll Random random) {
    float[] x = gaussian(random, 16, 1);
    float plain = SmallEncoders.extreme(x, 0, 16) / -32;
    assertThat(scaleError(x, ScaleSearch.symmetric(x, 0, 16, 32)))
        .isLessThanOrEqualTo(scaleError(x, plain) * (1 + 1e-6));
  }

  private static double scaleError(float[] x, float scale) {
    float[] back = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      back[i] = (float) (Math.clamp(Math.rint(x[i] / (double) scale), -32, 31) * scale);
    }
    return squaredError(x, back);
  }

  @ParameterizedTest
  @EnumSource(names = {"Q8_0", "Q4_0", "Q5_0", "Q4_K", "Q6_K"})
  void zerosStayZerosAndOneWeightStandsOut(GgufType type) {
    float[] x = new float[type.blockElements()];
    assertThat(decode(type, encode(type, x))).containsOnly(0f);
    for (float spike : new float[] {3, -3}) {
      x[17] = spike;
      float[] back = decode(type, encode(type, x));
      assertThat(back[17])
          .isBetween(
              Math.min(spike * 0.99f, spike * 1.01f), Math.max(spike * 0.99f, spike * 1.01f));
      back[17] = 0;
      for (float value : back) {
        assertThat(Math.abs(value)).isLessThan(0.2f);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"Q8_0", "Q4_0", "Q5_0", "Q4_K", "Q6_K"})
  void weightsBeyondF16ScalesAreRefused(GgufType type) {
    float[] x = new float[type.blockElements()];
    Arrays.fill(x, 1e12f);
    assertThatThrownBy(() -> encode(type, x))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("F16");
  }

  @Test
  void typesThatAreReadOnlyHaveNoEncoder() {
    assertThat(BlockEncoder.of(GgufType.Q2_K)).isEmpty();
    assertThat(BlockEncoder.of(GgufType.Q5_1)).isEmpty();
  }
}
