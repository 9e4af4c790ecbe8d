package dev.octet.model;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.StaticQuery;
import dev.octet.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Decides what every layer's keys and values are stored as. What the caller asks for goes first,
 * then what the checkpoint has calibrated scales for. Scales are used only for the type they were
 * made for. A layer without any is what its quantizer left in floating point; if the caller wants
 * it quantized all the same, scales are computed from its data.
 */
final class KvPlan {
  private KvPlan() {}

  static List<LayerAttention> of(WeightSource source, RunOptions options) {
    List<LayerAttention> plan = new ArrayList<>();
    for (int layer = 0; layer < source.config().layers(); layer++) {
      plan.add(layer(source, layer, options));
    }
    requireOneType(plan);
    ScaleReport.of(source).enforce(options.scalePolicy(), plan);
    return List.copyOf(plan);
  }

  private static LayerAttention layer(WeightSource source, int layer, RunOptions options) {
    ModelConfig config = source.config();
    Optional<KvScales> stored = source.kvScales(layer);
    KvType type = options.kvType();
    if (type == null) {
      type = stored.map(s -> typeOf(s.type())).orElse(options.kvDefault());
    }
    StaticKvScales scales = scales(stored, type);
    KvSpec spec = new KvSpec(config.kvHeads(), config.headDim(), config.headDim(), type, scales);
    StaticQuery query = scales == null ? null : query(source, layer);
    return new LayerAttention(spec, options.attentionOn(type), query);
  }

  private static @Nullable StaticKvScales scales(Optional<KvScales> stored, KvType type) {
    return stored
        .filter(s -> typeOf(s.type()) == type)
        .map(s -> new StaticKvScales(s.key(), s.value(), s.keyOffset(), s.valueOffset()))
        .orElse(null);
  }

  /** Queries are rounded where keys are: a caller who wants another cache wants none of it. */
  private static @Nullable StaticQuery query(WeightSource source, int layer) {
    ModelConfig config = source.config();
    return source
        .queryScales(layer)
        .map(
            q ->
                new StaticQuery(
                    typeOf(q.type()), config.heads(), config.headDim(), q.scale(), q.offset()))
        .orElse(null);
  }

  /** The layer that speaks for all: the first with calibrated scales, else the first. */
  static LayerAttention prevailing(List<LayerAttention> plan) {
    return plan.stream()
        .filter(layer -> layer.cache().staticScales() != null)
        .findFirst()
        .orElse(plan.getFirst());
  }

  private static void requireOneType(List<LayerAttention> plan) {
    List<KvType> calibrated =
        plan.stream()
            .filter(layer -> layer.cache().staticScales() != null)
            .map(layer -> layer.cache().type())
            .distinct()
            .toList();
    if (calibrated.size() > 1) {
      throw new IllegalArgumentException(
          "the checkpoint's layers want different KV cache types " + calibrated + "; choose one");
    }
  }

  static KvType typeOf(DType type) {
    return switch (type) {
      case I8 -> KvType.INT8;
      case F8_E4M3 -> KvType.FP8_E4M3;
      default ->
          throw new IllegalArgumentException(
              "KV cache scales for " + type + "; int8 and fp8_e4m3 are supported");
    };
  }
}
