package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class WindowTest {
  private static final int BOS = 9999;

  @Property(tries = 200)
  void everyTokenIsScoredOnceInOrderWithAllTheContextThatFits(
      @ForAll @IntRange(min = 1, max = 60) int length,
      @ForAll @IntRange(min = 2, max = 20) int context,
      @ForAll @IntRange(max = 25) int stride,
      @ForAll boolean bos) {
    int[] ids = IntStream.range(0, length).toArray();
    PerplexityOptions options = new PerplexityOptions(context, stride, 0, bos ? BOS : -1);
    List<Integer> scored = new ArrayList<>();
    for (Window window : Window.cut(ids, context, options)) {
      int[] in = window.ids();
      assertThat(in.length).isBetween(2, context);
      assertThat(window.scored()).isBetween(1, in.length - 1);
      assertThat(in[0]).isEqualTo(bos ? BOS : window.start());
      for (int i = bos ? 1 : 0; i < in.length; i++) {
        assertThat(in[i]).isEqualTo(window.start() + i - (bos ? 1 : 0));
        if (i >= window.scored()) {
          scored.add(in[i]);
        }
      }
    }
    int payload = context - (bos ? 1 : 0);
    boolean overlap = stride > 0 && stride < payload;
    List<Integer> want =
        IntStream.range(0, length)
            .filter(i -> bos || i % payload != 0 || (overlap && i > 0))
            .boxed()
            .toList();
    assertThat(scored).isEqualTo(want);
  }

  @Test
  void samplesAreSpreadEvenlyAndAlwaysTheSame() {
    int[] ids = IntStream.range(0, 100).toArray();
    PerplexityOptions options = PerplexityOptions.fixed(10, -1).withSamples(4);
    List<Integer> starts = Window.cut(ids, 10, options).stream().map(Window::start).toList();
    assertThat(starts).containsExactly(0, 20, 50, 70);
    assertThat(Window.cut(ids, 10, options.withSamples(50))).hasSize(10);
  }

  @Test
  void logSumExpIsStableAndKeepsNan() {
    assertThat(Perplexity.logSumExp(new float[] {1000, 1000})).isEqualTo(1000 + Math.log(2));
    assertThat(Perplexity.logSumExp(new float[] {-1e30f, 0})).isZero();
    assertThat(Perplexity.logSumExp(new float[] {0, Float.NaN, 1})).isNaN();
    assertThat(Perplexity.logSumExp(new float[] {0, Float.POSITIVE_INFINITY})).isNaN();
  }
}
