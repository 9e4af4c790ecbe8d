package dev.octet.kernels.linear;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Random shapes against double precision: a second in every build, longer where asked. */
class LinearFuzzTest {
  private static final long SECONDS = Long.getLong("octet.fuzz.seconds", 1);

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#fast")
  void everyFormMatchesOnShapesNobodyThoughtOf(String provider) {
    long end = System.nanoTime() + SECONDS * 1_000_000_000L / TestKernels.fast().size();
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (long seed = 1; System.nanoTime() < end; seed++) {
        Random random = new Random(seed);
        int rows = 1 + random.nextInt(30);
        int n = 1 + random.nextInt(70);
        int k = 1 + random.nextInt(random.nextBoolean() ? 40 : 700);
        Tensor x = Weights.gaussian(random, rows, k);
        List<Map.Entry<String, LinearWeights>> all =
            List.copyOf(Weights.all(n, k, random).entrySet());
        for (int i = 0; i < 6; i++) {
          Map.Entry<String, LinearWeights> one = all.get(random.nextInt(all.size()));
          LinearParityTest.check(kernels, "seed " + seed + ", " + one.getKey(), one.getValue(), x);
        }
      }
    }
  }
}
