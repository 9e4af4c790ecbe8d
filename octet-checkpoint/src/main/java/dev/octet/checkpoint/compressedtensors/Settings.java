package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The {@code quantization_config} of compressed-tensors: which linear layer is stored how. A layer
 * belongs to the group whose target matches it most specifically: name before regular expression
 * before class.
 */
final class Settings {
  private static final Set<String> FORMATS =
      Set.of(
          "int-quantized",
          "pack-quantized",
          "float-quantized",
          "naive-quantized",
          "nvfp4-pack-quantized",
          "mxfp4-pack-quantized",
          "mxfp8-quantized");

  /** One of {@code config_groups}. */
  record Group(
      Fields fields,
      List<Target> targets,
      String format,
      QuantizationArgs weights,
      @Nullable QuantizationArgs inputs) {}

  private final List<Group> groups = new ArrayList<>();
  private final List<Target> ignore;
  private final @Nullable QuantizationArgs cache;
  private final InputTransforms transforms;

  Settings(Fields f) {
    String format = f.text("format").orElse("dense");
    refuseOther(f);
    Fields all =
        f.object("config_groups").orElseThrow(() -> f.problem("config_groups", "is missing"));
    for (String name : all.names()) {
      if (all.has(name)) {
        groups.add(group(all.object(name).orElseThrow(), format, f));
      }
    }
    this.ignore = targets(f, "ignore");
    this.transforms = new InputTransforms(f.object("transform_config").orElse(null));
    this.cache =
        f.isFilled("kv_cache_scheme")
            ? QuantizationArgs.read(f.object("kv_cache_scheme").orElseThrow())
            : null;
  }

  private static void refuseOther(Fields f) {
    if (f.isFilled("sparsity_config")) {
      Fields sparsity = f.object("sparsity_config").orElseThrow();
      String format = sparsity.text("format").orElse("dense");
      if (!format.equals("dense")) {
        throw sparsity.unsupported(
            "format", "is '%s': sparse weights are not supported".formatted(format));
      }
    }
  }

  private static Group group(Fields g, String overall, Fields top) {
    String format = g.text("format").orElse(overall);
    Fields at = g.has("format") ? g : top;
    if (!FORMATS.contains(format)) {
      throw at.unsupported(
          "format",
          "is '%s'; supported are %s, and mixed-precision with one of these a group"
              .formatted(format, String.join(", ", FORMATS.stream().sorted().toList())));
    }
    if (g.isFilled("output_activations")) {
      throw g.unsupported("output_activations", "is set: outputs are never quantized");
    }
    Fields weights = g.object("weights").orElseThrow(() -> g.problem("weights", "is missing"));
    List<Target> targets = targets(g, "targets");
    if (targets.isEmpty()) {
      throw g.problem("targets", "is empty");
    }
    return new Group(
        g,
        targets,
        format,
        QuantizationArgs.read(weights),
        g.object("input_activations").map(QuantizationArgs::read).orElse(null));
  }

  static List<Target> targets(Fields f, String name) {
    return f.texts(name).stream().map(text -> new Target(f, name, text)).toList();
  }

  /** The group a linear layer belongs to; empty if it is not quantized. */
  Optional<Group> groupOf(String module) {
    if (ignore.stream().anyMatch(t -> t.match(module) != Target.Match.NONE)) {
      return Optional.empty();
    }
    Group best = null;
    Target.Match bestMatch = Target.Match.NONE;
    for (Group group : groups) {
      for (Target target : group.targets) {
        Target.Match match = target.match(module);
        if (match.compareTo(bestMatch) > 0) {
          best = group;
          bestMatch = match;
        }
      }
    }
    return Optional.ofNullable(best);
  }

  /** What turns layers' inputs. */
  InputTransforms transforms() {
    return transforms;
  }

  /** What the cache holds by {@code kv_cache_scheme}; empty without stored scales. */
  Optional<DType> cacheType() {
    QuantizationArgs args = cache;
    if (args == null) {
      return Optional.empty();
    }
    if (args.bits() != 8 || !args.symmetric()) {
      throw args.fields()
          .unsupported("num_bits", "and symmetric: only symmetric 8-bit caches are supported");
    }
    switch (args.strategy()) {
      case TENSOR, ATTN_HEAD, CHANNEL, TOKEN -> {}
      case GROUP, BLOCK, TENSOR_GROUP ->
          throw args.fields()
              .unsupported("strategy", "is '%s' for the cache".formatted(args.strategy().label()));
    }
    return args.dynamic()
        ? Optional.empty()
        : Optional.of(args.isFloat() ? DType.F8_E4M3 : DType.I8);
  }
}
