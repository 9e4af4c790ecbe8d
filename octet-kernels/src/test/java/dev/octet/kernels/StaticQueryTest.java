package dev.octet.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StaticQueryTest {
  private static final float[] NONE = {};

  @Test
  void everyQueryBecomesWhatItsCodeStandsFor() {
    Random random = new Random(1);
    int heads = 3;
    int dim = 8;
    float[] scale = new float[heads * dim];
    float[] offset = {5, -128, 127};
    for (int i = 0; i < scale.length; i++) {
      scale[i] = 0.01f + random.nextFloat() / 10;
    }
    float[] q = new float[4 * heads * dim];
    for (int i = 0; i < q.length; i++) {
      q[i] = (float) (5 * random.nextGaussian());
    }
    Tensor got = Tensor.ofFloats(q, 4, heads, dim);
    new StaticQuery(KvType.INT8, heads, dim, scale, offset).round(got);
    for (int i = 0; i < q.length; i++) {
      float s = scale[i % scale.length];
      float o = offset[i % scale.length / dim];
      double code = Math.clamp(Math.rint(q[i] / s + o), -128.0, 127.0);
      assertThat(got.getFloat(i)).isEqualTo((float) (code - o) * s);
    }
  }

  @Test
  void tiesGoToEven() {
    Tensor q = Tensor.ofFloats(new float[] {0.5f, 1.5f, -0.5f, -2.5f}, 1, 1, 4);
    new StaticQuery(KvType.INT8, 1, 4, new float[] {1}, NONE).round(q);
    assertThat(q.toFloats()).containsExactly(0f, 2f, 0f, -2f);
  }

  @Test
  void fp8SaturatesAndNothingInfiniteTurnsIntoANumber() {
    float[] x = {1000, 1.05f, Float.NaN, Float.POSITIVE_INFINITY};
    Tensor fp8 = Tensor.ofFloats(x, 1, 1, 4);
    new StaticQuery(KvType.FP8_E4M3, 1, 4, new float[] {0.5f}, NONE).round(fp8);
    assertThat(fp8.getFloat(0)).isEqualTo(224);
    assertThat(fp8.getFloat(1)).isEqualTo(1);
    assertThat(fp8.getFloat(2)).isNaN();
    assertThat(fp8.getFloat(3)).isNaN();
    Tensor int8 = Tensor.ofFloats(x, 1, 1, 4);
    new StaticQuery(KvType.INT8, 1, 4, new float[] {0.5f}, NONE).round(int8);
    assertThat(int8.getFloat(0)).isEqualTo(63.5f);
    assertThat(int8.getFloat(2)).isNaN();
    assertThat(int8.getFloat(3)).isNaN();
  }

  @Test
  void scalesThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> new StaticQuery(KvType.INT8, 4, 8, new float[3], NONE))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("query scale 0.0");
    assertThatThrownBy(() -> new StaticQuery(KvType.INT8, 4, 8, new float[] {1, 1, 1}, NONE))
        .hasMessageContaining("3 static scales for 4 heads of 8");
    assertThatThrownBy(() -> new StaticQuery(KvType.BF16, 4, 8, new float[] {1}, NONE))
        .hasMessageContaining("BF16");
    StaticQuery query = new StaticQuery(KvType.INT8, 4, 8, new float[] {1}, NONE);
    assertThatThrownBy(() -> query.round(Tensor.ofFloats(new float[16], 1, 2, 8)))
        .hasMessageContaining("[tokens, 4, 8]");
  }
}
