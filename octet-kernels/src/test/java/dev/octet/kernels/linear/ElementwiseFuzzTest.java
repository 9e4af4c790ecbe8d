package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Fuzz;
import dev.octet.kernels.GuardPages;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.RotaryTables;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;

/** Norms, rotary embedding, SwiGLU, sums and softmax of random shapes, against the reference. */
class ElementwiseFuzzTest {
  private record Provider(String name, Kernels kernels) {}

  @Test
  void everyOperationMatchesOnShapesNobodyThoughtOf() {
    List<Provider> providers =
        TestKernels.fast().stream()
            .map(name -> new Provider(name, TestKernels.create(name, 2)))
            .toList();
    try (Kernels reference = TestKernels.create("reference", 1)) {
      Fuzz.run(
          ElementwiseFuzzTest.class,
          10,
          (random, fuzz) -> check(random, fuzz, reference, providers));
    } finally {
      providers.forEach(p -> p.kernels().close());
    }
  }

  private static void check(Random random, Fuzz fuzz, Kernels reference, List<Provider> providers) {
    int rows = 1 + random.nextInt(random.nextInt(4) == 0 ? 140 : 6);
    int n = 1 + random.nextInt(random.nextInt(8) == 0 ? 5000 : 300);
    Tensor plain = Weights.gaussian(random, rows, n);
    Tensor other = Weights.gaussian(random, rows, n);
    Tensor weight = Weights.gaussian(random, n);
    Tensor bias = random.nextBoolean() ? Weights.gaussian(random, n) : null;
    Map<String, BiConsumer<Kernels, Tensor>> operations =
        Map.of(
            "norm", (k, x) -> k.rmsNorm(x, weight, bias, 1e-5f, x),
            "swiglu", (k, x) -> k.swiGlu(x, other, x),
            "add", (k, x) -> k.add(x, other),
            "softmax", Kernels::softmax);
    operations.forEach(
        (name, operation) -> checkOne(fuzz, name, plain, operation, reference, providers));
    int dim = 2 * (1 + random.nextInt(70));
    Tensor heads = Weights.gaussian(random, rows, 1 + random.nextInt(5), dim + random.nextInt(3));
    RotaryTable table = RotaryTables.standard(dim, 1e4);
    int[] positions = random.ints(rows, 0, 4000).toArray();
    checkOne(fuzz, "rope", heads, (k, x) -> k.rope(x, positions, table), reference, providers);
  }

  private static void checkOne(
      Fuzz fuzz,
      String name,
      Tensor plain,
      BiConsumer<Kernels, Tensor> operation,
      Kernels reference,
      List<Provider> providers) {
    fuzz.count(name);
    Tensor expected = Tensor.ofFloats(plain.toFloats(), plain.shape());
    operation.accept(reference, expected);
    for (Provider provider : providers) {
      String what = name + ", " + provider.name() + ", " + plain;
      fuzz.tries(what);
      try (GuardPages guard = new GuardPages()) {
        Tensor x = guard.copy(plain);
        operation.accept(provider.kernels(), x);
        for (long i = 0; i < x.size(); i++) {
          double most = 1e-6 * (Math.abs(expected.getFloat(i)) + 1);
          if (!(Math.abs(x.getFloat(i) - expected.getFloat(i)) <= most)) {
            assertThat((double) x.getFloat(i))
                .as("%s, element %d", what, i)
                .isCloseTo(expected.getFloat(i), within(most));
          }
        }
      }
    }
  }
}
