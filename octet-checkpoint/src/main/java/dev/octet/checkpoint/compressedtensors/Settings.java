package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.internal.Fields;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The {@code quantization_config} of compressed-tensors: which linear layer is stored how. A layer
 * belongs to the group whose target matches it most specifically: name before regular expression
 * before class.
 */
final class Settings {
  /** One of {@code config_groups}. */
  record Group(
      Fields fields,
      List<Target> targets,
      String format,
      QuantizationArgs weights,
      @Nullable QuantizationArgs inputs) {
    Group withFormat(String other) {
      return new Group(fields, targets, other, weights, inputs);
    }
  }

  private final List<Group> groups = new ArrayList<>();
  private final List<Target> ignore;
  private final CacheSettings cache;
  private final InputTransforms transforms;
  private final boolean outputs;

  Settings(Fields f) {
    String format = f.text("format").orElse(Formats.BY_TENSORS);
    refuseOther(f);
    if (!f.has("config_groups") && !f.isFilled("kv_cache_scheme")) {
      throw f.problem("config_groups", "is missing");
    }
    List<Fields> all = new ArrayList<>();
    f.object("config_groups")
        .ifPresent(g -> g.names().forEach(name -> g.object(name).ifPresent(all::add)));
    for (Fields group : all) {
      if (!CacheSettings.isAttention(group)) {
        groups.add(group(group, format, f));
      }
    }
    this.ignore = targets(f, "ignore");
    this.transforms = new InputTransforms(f.object("transform_config").orElse(null));
    this.cache = CacheSettings.of(f, all);
    this.outputs = all.stream().anyMatch(g -> g.isFilled("output_activations"));
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
    if (!Formats.isKnown(format)) {
      throw at.unsupported(
          "format",
          "is '%s'; supported are %s, and mixed-precision with one of these a group"
              .formatted(format, Formats.names()));
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

  /** What the cache is to hold. */
  CacheSettings cache() {
    return cache;
  }

  /** What is computed otherwise than the settings say. */
  List<String> notices() {
    List<String> notices = new ArrayList<>();
    if (groups.stream().anyMatch(g -> g.format.equals(Formats.BY_TENSORS))) {
      notices.add("the settings name no format: each layer's tensors tell it");
    }
    if (groups.stream().anyMatch(g -> g.inputs != null && Activations.isOfBatch(g.inputs))) {
      notices.add(
          "inputs have one scale for all tokens of a batch by the settings: each token gets its own,"
              + " so that results do not depend on the batch");
    }
    if (outputs) {
      notices.add(
          "the settings quantize outputs of layers: only keys and values are, where their scales are"
              + " stored");
    }
    return notices;
  }
}
