package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.tensor.DType;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What says that the cache is quantized: {@code kv_cache_scheme}, else the inputs of a group for
 * attention, else, in older releases, the outputs of a group that has some.
 */
final class CacheSettings {
  private final @Nullable QuantizationArgs args;
  private final boolean declared;

  private CacheSettings(@Nullable QuantizationArgs args, boolean declared) {
    this.args = args;
    this.declared = declared;
  }

  static CacheSettings of(Fields f, List<Fields> groups) {
    if (f.isFilled("kv_cache_scheme")) {
      Fields scheme = f.object("kv_cache_scheme").orElseThrow();
      return new CacheSettings(checked(QuantizationArgs.read(scheme)), true);
    }
    for (Fields group : groups) {
      if (isAttention(group) && group.isFilled("input_activations")) {
        return new CacheSettings(checked(args(group, "input_activations")), true);
      }
    }
    for (Fields group : groups) {
      if (group.isFilled("output_activations")) {
        return new CacheSettings(checked(args(group, "output_activations")), false);
      }
    }
    return new CacheSettings(null, false);
  }

  private static QuantizationArgs args(Fields group, String field) {
    return QuantizationArgs.read(group.object(field).orElseThrow());
  }

  /** A group without weights whose targets are attention modules, by class or by name. */
  static boolean isAttention(Fields group) {
    List<String> targets = group.texts("targets");
    return !group.isFilled("weights")
        && !targets.isEmpty()
        && targets.stream().allMatch(t -> t.matches("(?s).*([Aa]ttention|self_attn|attn)\\$?"));
  }

  private static QuantizationArgs checked(QuantizationArgs args) {
    if (args.bits() != 8) {
      throw args.fields()
          .unsupported("num_bits", "is %d: only 8-bit caches are supported".formatted(args.bits()));
    }
    switch (args.strategy()) {
      case TENSOR, ATTN_HEAD, CHANNEL, TOKEN -> {}
      case GROUP, BLOCK, TENSOR_GROUP ->
          throw args.fields()
              .unsupported("strategy", "is '%s' for the cache".formatted(args.strategy().label()));
    }
    return args;
  }

  /** What the cache holds; empty without stored scales. */
  Optional<DType> type() {
    return args == null || args.dynamic()
        ? Optional.empty()
        : Optional.of(args.isFloat() ? DType.F8_E4M3 : DType.I8);
  }

  /** Whether the cache is named, not only what goes into it. */
  boolean declared() {
    return declared && type().isPresent();
  }
}
