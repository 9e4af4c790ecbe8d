package dev.octet.model;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Decides what every layer's keys and values are stored as. What the caller asks for goes first,
 * then what the checkpoint has calibrated scales for. Scales are used only for the type they were
 * made for; a layer without any computes them from its data.
 */
final class KvPlan {
  private KvPlan() {}

  static List<KvSpec> of(WeightSource source, RunOptions options) {
    ModelConfig config = source.config();
    List<Optional<KvScales>> scales =
        IntStream.range(0, config.layers()).mapToObj(source::kvScales).toList();
    KvType type = type(scales, options);
    List<KvSpec> specs = new ArrayList<>();
    for (Optional<KvScales> layer : scales) {
      StaticKvScales fixed =
          layer
              .filter(s -> typeOf(s) == type)
              .map(s -> new StaticKvScales(s.key(), s.value()))
              .orElse(null);
      specs.add(new KvSpec(config.kvHeads(), config.headDim(), config.headDim(), type, fixed));
    }
    return List.copyOf(specs);
  }

  private static KvType type(List<Optional<KvScales>> scales, RunOptions options) {
    if (options.kvType() != null) {
      return options.kvType();
    }
    List<KvType> calibrated =
        scales.stream().flatMap(Optional::stream).map(KvPlan::typeOf).distinct().toList();
    if (calibrated.size() > 1) {
      throw new IllegalArgumentException(
          "the checkpoint's layers want different KV cache types " + calibrated + "; choose one");
    }
    return calibrated.isEmpty() ? options.kvDefault() : calibrated.getFirst();
  }

  private static KvType typeOf(KvScales scales) {
    return switch (scales.type()) {
      case I8 -> KvType.INT8;
      case F8_E4M3 -> KvType.FP8_E4M3;
      default ->
          throw new IllegalArgumentException(
              "KV cache scales for " + scales.type() + "; int8 and fp8_e4m3 are supported");
    };
  }
}
