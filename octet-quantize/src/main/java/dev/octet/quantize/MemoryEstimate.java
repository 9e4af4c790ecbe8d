package dev.octet.quantize;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.kernels.AttentionKind;
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
 * @param kvBytes keys and values of one sequence of the context asked for, and the codes that INT8
 *     attention keeps beside those of another type
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
   * @param attention how attention is computed; null: what fits the cache
   * @param outer the output layer and the embedding in every row
   */
  public static List<MemoryEstimate> table(
      ModelConfig config,
      int context,
      KvType kv,
      @Nullable AttentionKind attention,
      OuterSchemes outer) {
    if (context < 1) {
      throw new IllegalArgumentException("a context of " + context + " tokens");
    }
    List<MemoryEstimate> rows = new ArrayList<>();
    rows.add(of(config, null, context, kv, attention, outer));
    for (QuantScheme scheme : BY_ACCURACY) {
      rows.add(of(config, scheme, context, kv, attention, outer));
    }
    return rows;
  }

  /** One row of it: the weights in that scheme, null for as they are. */
  public static MemoryEstimate of(
      ModelConfig config,
      @Nullable QuantScheme scheme,
      int context,
      KvType kv,
      @Nullable AttentionKind attention,
      OuterSchemes outer) {
    return new MemoryEstimate(
        scheme == null ? config.dtype().label() : scheme.name(),
        scheme,
        weightBytes(config, scheme == null ? null : QuantizeOptions.of(scheme), outer),
        kvBytes(config, context, kv, attention));
  }

  /** The most exact row that fits, if one does. */
  public static Optional<MemoryEstimate> recommend(List<MemoryEstimate> table, MemorySize memory) {
    return table.stream().filter(row -> row.totalBytes() <= memory.bytes()).findFirst();
  }

  /** Bytes of all weights when quantized so; null: not at all. */
  public static long weightBytes(ModelConfig config, @Nullable QuantizeOptions options) {
    return weightBytes(config, options, OuterSchemes.NONE);
  }

  /** The same with the output layer and the embedding quantized, too. */
  public static long weightBytes(
      ModelConfig config, @Nullable QuantizeOptions options, OuterSchemes outer) {
    outer.requireFits(config);
    long elementBits = config.dtype().bits();
    AtomicLong bits = new AtomicLong();
    ModelLayout.plain(
        config,
        shape -> {
          long size = shape.shape().stream().reduce(1L, Math::multiplyExact);
          QuantScheme scheme =
              shape.name().equals(ModelLayout.EMBEDDING) ? outer.table(config) : null;
          double each = scheme == null ? elementBits : scheme.bitsPerWeight(config.hiddenSize());
          add(bits, size * each);
        });
    ModelLayout.linears(
        config,
        shape -> {
          QuantScheme scheme = scheme(shape.module(), options, outer);
          double each = scheme == null ? elementBits : scheme.bitsPerWeight(shape.columns());
          add(bits, each * shape.rows() * shape.columns());
          if (shape.bias()) {
            add(bits, 32.0 * shape.rows());
          }
        });
    return bits.get() / 8;
  }

  private static @Nullable QuantScheme scheme(
      String module, @Nullable QuantizeOptions options, OuterSchemes outer) {
    if (module.equals(ModelLayout.LM_HEAD) && outer.head() != null) {
      return outer.head();
    }
    return options == null || options.ignores(module) ? null : options.schemeOf(module);
  }

  private static void add(AtomicLong sum, double bits) {
    sum.addAndGet((long) Math.ceil(bits));
  }

  /**
   * What the cache allocates: whole blocks. Sliding-window layers keep every token too; the window
   * only limits what is read.
   */
  static long kvBytes(
      ModelConfig config, int context, KvType kv, @Nullable AttentionKind attention) {
    long tokens = ((long) context + KvSpec.BLOCK - 1) / KvSpec.BLOCK * KvSpec.BLOCK;
    long perHead = 2 * rowBytes(config, kv) + codesBeside(config, kv, attention);
    return Math.multiplyExact(tokens * config.layers(), config.kvHeads() * perHead);
  }

  /** A key or value of one head, with its scale if the type has one. */
  private static long rowBytes(ModelConfig config, KvType type) {
    long scale =
        switch (type) {
          case F32, F16, BF16 -> 0;
          case INT8, FP8_E4M3, FP8_E5M2 -> Float.BYTES;
          case INT4 -> Float.BYTES + Byte.BYTES; // and a zero point
        };
    return (long) config.headDim() * type.bits() / 8 + scale;
  }

  /**
   * What an INT8 kind multiplies where the cache holds something else: recoded once and kept for as
   * long as the cache. INT-FlashAttention's copy of one layer at a time does not stay.
   */
  private static long codesBeside(
      ModelConfig config, KvType kv, @Nullable AttentionKind attention) {
    if (attention == null || kv.integer()) {
      return 0;
    }
    return switch (attention) {
      case INT8, INT8_FAST -> 2 * rowBytes(config, KvType.INT8);
      case INT8_BF16 -> rowBytes(config, KvType.INT8) + rowBytes(config, KvType.BF16);
      case F32, BF16, INT_FLASH, INT_FLASH_HALF -> 0;
    };
  }
}
