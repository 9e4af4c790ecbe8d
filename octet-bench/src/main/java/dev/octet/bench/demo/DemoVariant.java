package dev.octet.bench.demo;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.model.RunOptions;
import dev.octet.tensor.QuantScheme;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One row of the demo's table.
 *
 * @param label its name
 * @param scheme how weights are quantized; null for as they are stored
 * @param attention how attention is computed
 * @param kvType what keys and values are stored as
 */
public record DemoVariant(
    String label, @Nullable QuantScheme scheme, AttentionKind attention, KvType kvType) {

  /**
   * The 16-bit baseline, the three ways to quantize weights, then INT8 attention and the quantized
   * caches on top of the first of them.
   */
  public static List<DemoVariant> standard() {
    return List.of(
        new DemoVariant("BF16", null, AttentionKind.BF16, KvType.BF16),
        new DemoVariant("W8A8", QuantScheme.W8A8, AttentionKind.BF16, KvType.BF16),
        new DemoVariant("W4A16", QuantScheme.W4A16, AttentionKind.BF16, KvType.BF16),
        new DemoVariant("FP8", QuantScheme.FP8, AttentionKind.BF16, KvType.BF16),
        new DemoVariant("W8A8 + INT8 attention", QuantScheme.W8A8, AttentionKind.INT8, KvType.BF16),
        new DemoVariant("  … + INT8 KV cache", QuantScheme.W8A8, AttentionKind.INT8, KvType.INT8),
        new DemoVariant(
            "  … + FP8 KV cache", QuantScheme.W8A8, AttentionKind.INT8, KvType.FP8_E4M3));
  }

  /** How the model runs. */
  public RunOptions options() {
    return new RunOptions(attention, kvType);
  }
}
