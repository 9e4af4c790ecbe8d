package dev.octet.quantize;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The memory a model takes to run.
 *
 * @param name {@code bf16} (the weights' own type) or a scheme's name
 * @param scheme null for the weights unquantized
 * @param weightBytes embedding, norms and linear layers, scales included
 * @param kvBytes keys and values of one sequence of the context asked for
 */
public record MemoryEstimate(
    String name, @Nullable QuantScheme scheme, long weightBytes, long kvBytes) {
  /** From the most exact to the smallest: the first that fits is what to take. */
  private static final List<QuantScheme> BY_ACCURACY =
      List.of(
          QuantScheme.W8A16,
          QuantScheme.W8A8,
          QuantScheme.FP8_DYNAMIC,
          QuantScheme.W4A16_ASYM,
          QuantScheme.W4A16);

  /** With 20 % for activations, buffers and the runtime. */
  public long totalBytes() {
    return (long) Math.ceil((weightBytes + (double) kvBytes) * 1.2);
  }

  /**
   * One row for the weights as they are and one for each scheme, the most exact first.
   *
   * @param config the model's
   * @param context tokens of one sequence
   * @param kv what keys and values are stored as
   */
  public static List<MemoryEstimate> table(ModelConfig config, int context, KvType kv) {
    if (context < 1) {
      throw new IllegalArgumentException("a context of " + context + " tokens");
    }
    long kvBytes = kvBytes(config, context, kv);
    List<MemoryEstimate> rows = new ArrayList<>();
    rows.add(new MemoryEstimate(config.dtype().label(), null, weightBytes(config, null), kvBytes));
    for (QuantScheme scheme : BY_ACCURACY) {
      QuantizeOptions options = QuantizeOptions.of(scheme);
      rows.add(new MemoryEstimate(scheme.name(), scheme, weightBytes(config, options), kvBytes));
    }
    return rows;
  }

  /** The most exact row that fits, if one does. */
  public static Optional<MemoryEstimate> recommend(List<MemoryEstimate> table, MemorySize memory) {
    return table.stream().filter(row -> row.totalBytes() <= memory.bytes()).findFirst();
  }

  /** Bytes of all weights when quantized so; null: not at all. */
  static long weightBytes(ModelConfig config, @Nullable QuantizeOptions options) {
    long elementBits = config.dtype().bits();
    AtomicLong bits = new AtomicLong();
    ModelLayout.plain(
        config,
        shape -> {
          long size = shape.shape().stream().reduce(1L, Math::multiplyExact);
          add(bits, size * (double) elementBits);
        });
    ModelLayout.linears(
        config,
        shape -> {
          double each =
              options == null || options.ignores(shape.module())
                  ? elementBits
                  : options.scheme().bitsPerWeight(shape.columns());
          add(bits, each * shape.rows() * shape.columns());
          if (shape.bias()) {
            add(bits, 32.0 * shape.rows());
          }
        });
    return bits.get() / 8;
  }

  private static void add(AtomicLong sum, double bits) {
    sum.addAndGet((long) Math.ceil(bits));
  }

  /**
   * What the cache allocates: whole blocks, with a scale for every key and value of an 8-bit type.
   * Sliding-window layers keep every token too; the window only limits what is read.
   */
  private static long kvBytes(ModelConfig config, int context, KvType kv) {
    long tokens = ((long) context + KvSpec.BLOCK - 1) / KvSpec.BLOCK * KvSpec.BLOCK;
    long perHead = 2L * config.headDim() * kv.bits() / 8 + (kv.bits() == 8 ? 2L * Float.BYTES : 0);
    return Math.multiplyExact(tokens * config.layers(), config.kvHeads() * perHead);
  }
}
