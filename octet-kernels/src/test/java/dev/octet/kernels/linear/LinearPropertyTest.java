package dev.octet.kernels.linear;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;

/** Every form of linear layer, on shapes that nobody thought of. */
class LinearPropertyTest {
  private static final List<Kernels> ALL =
      TestKernels.all().stream().map(name -> TestKernels.create(name, 3)).toList();

  @AfterContainer
  static void close() {
    ALL.forEach(Kernels::close);
  }

  @Property(tries = 25)
  void everyFormMatchesItsDefinition(
      @ForAll @IntRange(min = 1, max = 9) int m,
      @ForAll @IntRange(min = 1, max = 70) int n,
      @ForAll @IntRange(min = 1, max = 700) int k,
      @ForAll @IntRange(min = -30, max = 30) int exponent,
      @ForAll Random random) {
    Tensor x = Weights.gaussian(random, m, k);
    int zeroRow = random.nextInt(2 * m);
    for (long i = 0; i < x.size(); i++) {
      float value = i / k == zeroRow ? 0 : Math.scalb(x.getFloat(i), exponent);
      x.setFloat(i, value);
    }
    Weights.all(n, k, random)
        .forEach(
            (name, weights) ->
                ALL.forEach(kernels -> LinearParityTest.check(kernels, name, weights, x)));
  }
}
