package dev.octet.quantize.rotate;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * The orthogonal map {@code x → H·D·x/√n} with D random signs and H a Hadamard matrix, which
 * spreads every channel over all of them. Where n is no power of two, {@code H = H_m ⊗ H_2^k} with
 * the smallest m that Paley's constructions give.
 */
public final class HadamardTransform {
  private final int base;
  private final int power;
  private final byte[][] small;
  private final double[] factors;

  private HadamardTransform(byte[][] small, int power, double[] factors) {
    this.base = small.length;
    this.small = small;
    this.power = power;
    this.factors = factors;
  }

  /**
   * The transform of vectors of {@code n} channels.
   *
   * @param seed of the signs
   * @throws IllegalArgumentException if no Hadamard matrix of that order is known
   */
  public static HadamardTransform of(int n, long seed) {
    if (n < 1) {
      throw new IllegalArgumentException("a rotation of " + n + " channels");
    }
    for (int power = Integer.lowestOneBit(n); power >= 1; power /= 2) {
      byte[][] small = HadamardMatrix.of(n / power).orElse(null);
      if (small != null) {
        return new HadamardTransform(small, power, factors(n, seed));
      }
    }
    throw new IllegalArgumentException(
        "no Hadamard matrix of order " + n + " is known, so its channels cannot be rotated");
  }

  /** Sylvester's matrix alone, for stretches of a power of two. */
  public static HadamardTransform sylvester(int n) {
    double[] factors = new double[n];
    Arrays.fill(factors, 1 / Math.sqrt(n));
    return new HadamardTransform(new byte[][] {{1}}, n, factors);
  }

  private static double[] factors(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double norm = 1 / Math.sqrt(n);
    double[] factors = new double[n];
    for (int i = 0; i < n; i++) {
      factors[i] = random.nextBoolean() ? norm : -norm;
    }
    return factors;
  }

  /** Channels n. */
  public int size() {
    return factors.length;
  }

  /** How H is made: {@code 256} or {@code 12×64}. */
  public String label() {
    return base == 1 ? String.valueOf(power) : base + "×" + power;
  }

  /** Every row of an F32 tensor, stretch by stretch, in a new one. */
  public Tensor rows(Tensor x, Arena arena) {
    return Folding.inputs(x, null, this, DType.F32, arena);
  }

  /** Transforms {@code x[from .. from+n)} in place. */
  public void apply(double[] x, int from) {
    int n = factors.length;
    for (int i = 0; i < n; i++) {
      x[from + i] *= factors[i];
    }
    for (int half = 1; half < power; half *= 2) {
      for (int at = from; at < from + n; at += 2 * half) {
        for (int i = at; i < at + half; i++) {
          double a = x[i];
          double b = x[i + half];
          x[i] = a + b;
          x[i + half] = a - b;
        }
      }
    }
    if (base > 1) {
      mixRows(x, from);
    }
  }

  /** {@code H_m} over the m stretches of 2^k channels. */
  private void mixRows(double[] x, int from) {
    double[] mixed = new double[factors.length];
    for (int i = 0; i < base; i++) {
      for (int j = 0; j < base; j++) {
        int sign = small[i][j];
        int source = from + j * power;
        for (int c = 0, to = i * power; c < power; c++, to++) {
          mixed[to] += sign * x[source + c];
        }
      }
    }
    System.arraycopy(mixed, 0, x, from, mixed.length);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof HadamardTransform t
        && t.base == base
        && Arrays.equals(t.factors, factors);
  }

  @Override
  public int hashCode() {
    return 31 * base + Arrays.hashCode(factors);
  }
}
