package dev.octet.bench;

import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Weights made directly in the form they are stored in, so that a model needs no more memory than
 * its quantized size. Their magnitude is that of a trained layer: outputs stay as large as inputs.
 */
final class RandomWeights {
  private final SplittableRandom random;
  private final Arena arena;

  RandomWeights(Arena arena, long seed) {
    this.arena = arena;
    this.random = new SplittableRandom(seed);
  }

  /**
   * A layer [n, k] without bias.
   *
   * @param scheme how it is quantized; null: BF16
   */
  LinearWeights linear(long n, long k, @Nullable QuantScheme scheme) {
    if (scheme == null) {
      return new LinearWeights(
          new DenseWeight(dense(DType.BF16, (float) (1 / Math.sqrt((double) k)), n, k)),
          null,
          new ActivationQuant.None());
    }
    return new LinearWeights(weight(n, k, scheme), null, scheme.activation());
  }

  private QuantizedWeight weight(long n, long k, QuantScheme scheme) {
    double deviation = 1 / Math.sqrt((double) k);
    return switch (scheme.type()) {
      case INT8 -> new Int8Weight(bytes(DType.I8, n, k), grid(n, k, scheme, deviation / 74));
      case INT4 ->
          new Int4Weight(
              bytes(DType.U8, n, ScaleGrid.blocks(k, 2)),
              k,
              grid(n, k, scheme, deviation / 4.6),
              null);
      case FP8_E4M3, FP8_E5M2 -> {
        DType type = DType.valueOf(scheme.type().name().replace("FP8", "F8"));
        yield new Fp8Weight(dense(type, 1, n, k), grid(n, k, scheme, deviation));
      }
    };
  }

  /** Normal-like numbers of that deviation. */
  Tensor dense(DType type, float deviation, long... shape) {
    Tensor tensor = Tensor.allocate(arena, type, shape);
    Tensor pattern = pattern(type, deviation);
    fill(tensor.segment(), pattern.segment());
    return tensor;
  }

  /** F32 ones: norms. */
  Tensor ones(long n) {
    Tensor tensor = Tensor.allocate(arena, DType.F32, n);
    for (long i = 0; i < n; i++) {
      tensor.setFloat(i, 1);
    }
    return tensor;
  }

  private Tensor bytes(DType type, long n, long k) {
    Tensor tensor = Tensor.allocate(arena, type, n, k);
    MemorySegment s = tensor.segment();
    long words = s.byteSize() / 8;
    for (long i = 0; i < words; i++) {
      s.setAtIndex(ValueLayout.JAVA_LONG, i, random.nextLong());
    }
    for (long i = words * 8; i < s.byteSize(); i++) {
      s.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
    }
    return tensor;
  }

  /** An odd number of values, repeated: no two rows of a matrix line up. */
  private Tensor pattern(DType type, float deviation) {
    Tensor pattern = Tensor.allocate(arena, type, (1 << 16) - 1);
    for (long i = 0; i < pattern.size(); i++) {
      pattern.setFloat(i, deviation * (float) random.nextGaussian());
    }
    return pattern;
  }

  private static void fill(MemorySegment to, MemorySegment pattern) {
    for (long at = 0; at < to.byteSize(); at += pattern.byteSize()) {
      long length = Math.min(pattern.byteSize(), to.byteSize() - at);
      MemorySegment.copy(pattern, 0, to, at, length);
    }
  }

  private ScaleGrid grid(long n, long k, QuantScheme scheme, double scale) {
    long rowBlock =
        switch (scheme.granularity()) {
          case TENSOR -> n;
          case CHANNEL, GROUP -> 1;
          case BLOCK -> scheme.group();
        };
    long columnBlock = scheme.group() == 0 ? k : scheme.group();
    long sn = ScaleGrid.blocks(n, rowBlock);
    long sk = ScaleGrid.blocks(k, columnBlock);
    Tensor scales = Tensor.allocate(arena, DType.F32, sn, sk);
    for (long i = 0; i < scales.size(); i++) {
      scales.setFloat(i, (float) (scale * (0.75 + random.nextDouble() / 2)));
    }
    Tensor zeros = scheme.symmetric() ? null : Tensor.allocate(arena, DType.I16, sn, sk);
    return new ScaleGrid(scheme.granularity(), rowBlock, columnBlock, scales, zeros);
  }
}
