package dev.octet.quantize.method;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.tensor.Clipping;
import dev.octet.tensor.GroupCoder;
import dev.octet.tensor.QuantScheme;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The try that lanes find best is the best of all tried one after another in F64. */
class TrialsTest {
  /** What lanes may lose to F32. */
  private static final double ROUNDING = 1e-4;

  @ParameterizedTest
  @CsvSource({"w4a16,1", "w4a16,7", "w4a16,128", "w4a16-asym,33", "w4a16-asym,128", "w8a16,64"})
  void whatColumnsMakeUpForIsLeast(String scheme, int width) {
    Random random = new Random(width);
    for (int round = 0; round < 20; round++) {
      float[] values = values(width, random);
      float[][] factor = factor(width + 3, random);
      GroupCoder coder = coder(scheme);
      int best = new Trials(coder).compensated(values, 3, factor);
      leastOf(coder, values, best, i -> compensated(coder, i, values, factor));
    }
  }

  @ParameterizedTest
  @CsvSource({"w4a16,1", "w4a16,7", "w4a16,128", "w4a16-asym,33", "w4a16-asym,128", "w8a16,64"})
  void whatAGroupPullsAtTheOutputIsLeast(String scheme, int width) {
    Random random = new Random(width);
    for (int round = 0; round < 20; round++) {
      float[] values = values(width, random);
      float[][] h = gram(width, random);
      float[] outside = values(width, random);
      GroupCoder coder = coder(scheme);
      int best = new Trials(coder).joint(values, h, outside);
      leastOf(coder, values, best, i -> joint(coder, i, values, h, outside));
    }
  }

  @ParameterizedTest
  @CsvSource({"w4a16,300", "w4a16-asym,511", "w8a16,1000"})
  void whatIndependentColumnsLoseIsLeast(String scheme, int width) {
    Random random = new Random(width);
    float[] values = values(width, random);
    float[] h = new float[width];
    for (int j = 0; j < width; j++) {
      h[j] = random.nextFloat();
    }
    GroupCoder coder = coder(scheme);
    int best = new Trials(coder).apart(values, h);
    leastOf(coder, values, best, i -> apart(coder, i, values, h));
  }

  private static void leastOf(
      GroupCoder coder, float[] values, int best, IntToDoubleFunction loss) {
    coder.span(values, 0, values.length);
    double least = Double.POSITIVE_INFINITY;
    double scale = 0;
    for (int i = 0; i < coder.tries(); i++) {
      double tried = loss.applyAsDouble(i);
      least = Math.min(least, tried);
      scale = Math.max(scale, Math.abs(tried));
    }
    assertThat(best).isLessThan(coder.tries());
    assertThat(loss.applyAsDouble(best)).isLessThanOrEqualTo(least + ROUNDING * scale);
  }

  private static GroupCoder coder(String scheme) {
    return new GroupCoder(QuantScheme.of(scheme), Clipping.SEARCH);
  }

  private static float[] values(int count, Random random) {
    float[] values = new float[count];
    for (int j = 0; j < count; j++) {
      values[j] = (float) (random.nextGaussian() * Math.exp(random.nextGaussian()));
    }
    return values;
  }

  private static float[][] factor(int count, Random random) {
    float[][] upper = new float[count][count];
    for (int i = 0; i < count; i++) {
      upper[i][i] = 0.5f + random.nextFloat();
      for (int j = i + 1; j < count; j++) {
        upper[i][j] = (float) random.nextGaussian() * 0.1f;
      }
    }
    return upper;
  }

  private static float[][] gram(int count, Random random) {
    float[][] x = new float[4 * count][];
    for (int t = 0; t < x.length; t++) {
      x[t] = values(count, random);
    }
    float[][] h = new float[count][count];
    for (float[] row : x) {
      for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
          h[i][j] += row[i] * row[j];
        }
      }
    }
    return h;
  }

  private static double change(GroupCoder coder, double value) {
    return coder.decode(coder.encode((float) value)) - value;
  }

  private static double compensated(GroupCoder coder, int i, float[] values, float[][] factor) {
    coder.attempt(i);
    double[] left = new double[values.length];
    for (int j = 0; j < left.length; j++) {
      left[j] = values[j];
    }
    double sum = 0;
    for (int j = 0; j < left.length; j++) {
      float[] along = factor[3 + j];
      double e = -change(coder, left[j]) / along[3 + j];
      sum += e * e;
      for (int c = j + 1; c < left.length; c++) {
        left[c] -= e * along[3 + c];
      }
    }
    return sum;
  }

  private static double joint(
      GroupCoder coder, int i, float[] values, float[][] h, float[] outside) {
    coder.attempt(i);
    double sum = 0;
    for (int a = 0; a < values.length; a++) {
      double d = change(coder, values[a]);
      sum += 2 * d * outside[a];
      for (int b = 0; b < values.length; b++) {
        sum += d * h[a][b] * change(coder, values[b]);
      }
    }
    return sum;
  }

  private static double apart(GroupCoder coder, int i, float[] values, float[] h) {
    coder.attempt(i);
    double sum = 0;
    for (int j = 0; j < values.length; j++) {
      double d = change(coder, values[j]);
      sum += h[j] * d * d;
    }
    return sum;
  }
}
