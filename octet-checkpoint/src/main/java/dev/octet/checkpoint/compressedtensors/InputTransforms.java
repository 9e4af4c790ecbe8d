package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code transform_config}: matrices that layers' inputs are multiplied with while the model runs.
 * Of compressed-tensors' kinds those are understood that need no stored matrix to compute: {@code
 * hadamard} of a power of two at {@code input}. What is fused into weights ({@code weight_input},
 * {@code weight_output}) needs nothing any more. The ±1 are stored beside every layer all the same,
 * as {@code <module>.<group>_input.weight}, and are checked.
 */
final class InputTransforms {
  /** The group that is written, as SpinQuant numbers rotations (arXiv 2405.16406). */
  private static final String GROUP = "R4";

  /** What is stored beside a layer. */
  static final String TENSOR = GROUP + "_input.weight";

  private static final Set<String> FUSED = Set.of("weight_input", "weight_output");

  /** One transform at {@code input}. */
  private record Transform(
      Fields fields, String name, List<Target> targets, List<Target> ignore, OptionalInt size) {
    boolean applies(String module) {
      return targets.stream().anyMatch(t -> t.match(module) != Target.Match.NONE)
          && ignore.stream().noneMatch(t -> t.match(module) != Target.Match.NONE);
    }
  }

  private final List<Transform> transforms = new ArrayList<>();

  InputTransforms(@Nullable Fields config) {
    Fields groups = config == null ? null : config.object("config_groups").orElse(null);
    if (groups == null) {
      return;
    }
    for (String name : groups.names()) {
      Fields group = groups.object(name).orElseThrow(() -> groups.problem(name, "is no transform"));
      for (Fields apply : group.objects("apply")) {
        read(name, group, apply);
      }
    }
  }

  private void read(String name, Fields group, Fields apply) {
    String location = apply.requireText("location");
    if (FUSED.contains(location)) {
      return;
    }
    if (!location.equals("input")) {
      throw apply.unsupported(
          "location", "is '%s': of online transforms only inputs'".formatted(location));
    }
    String type = group.requireText("type");
    if (!type.equals("hadamard") || group.flag("randomize", false)) {
      throw group.unsupported(
          "type", "is '%s': of online transforms only hadamard, not random".formatted(type));
    }
    OptionalInt size = group.integer("head_dim", 1, 1 << 20);
    transforms.add(
        new Transform(
            group,
            name,
            Settings.targets(apply, "targets"),
            Settings.targets(apply, "ignore"),
            size));
  }

  /**
   * The order of the matrices that turn a module's input; 0 if it is not turned.
   *
   * @param columns its input features
   */
  int order(StoredTensors tensors, String module, long columns) {
    int order = 0;
    for (Transform t : transforms) {
      if (t.applies(module)) {
        if (order > 0) {
          throw t.fields().unsupported("apply", "turns the input of " + module + " twice");
        }
        order = order(t, module, columns);
        requireSylvester(tensors, module + "." + t.name() + "_input.weight", order);
      }
    }
    return order;
  }

  private static int order(Transform t, String module, long columns) {
    long order = t.size().isPresent() ? t.size().getAsInt() : columns;
    if (Long.bitCount(order) != 1 || columns % order != 0 || order > 1 << 20) {
      throw t.fields()
          .unsupported(
              "head_dim",
              "makes a matrix of order %d for the %d inputs of %s: only powers of two that divide them"
                  .formatted(order, columns, module));
    }
    return (int) order;
  }

  private static void requireSylvester(StoredTensors tensors, String name, int order) {
    if (!tensors.has(name)) {
      return;
    }
    Tensor stored =
        tensors.require(name, Set.of(DType.F32, DType.F16, DType.BF16, DType.F64), order, order);
    for (int r = 0; r < order; r++) {
      for (int c = 0; c < order; c++) {
        if (stored.getFloat((long) r * order + c) != entry(r, c)) {
          throw tensors.problem(name, "is not Sylvester's Hadamard matrix");
        }
      }
    }
  }

  private static float entry(int row, int column) {
    return Integer.bitCount(row & column) % 2 == 0 ? 1 : -1;
  }

  /** Sylvester's matrix, ±1. */
  static Tensor matrix(int order, DType type) {
    Tensor matrix = Tensor.allocate(Arena.ofAuto(), type, order, order);
    for (int r = 0; r < order; r++) {
      for (int c = 0; c < order; c++) {
        matrix.setFloat((long) r * order + c, entry(r, c));
      }
    }
    return matrix;
  }

  /**
   * The field of {@code quantization_config}.
   *
   * @param orders of the matrices by module; all the same
   */
  static ObjectNode config(Map<String, Integer> orders) {
    if (Set.copyOf(orders.values()).size() > 1) {
      throw new IllegalArgumentException("inputs turned by matrices of several orders: " + orders);
    }
    ObjectNode config = Json.MAPPER.createObjectNode();
    ObjectNode group = config.putObject("config_groups").putObject(GROUP);
    group.put("type", "hadamard");
    var apply = group.putArray("apply");
    for (String location : List.of("input", "weight_input")) {
      ObjectNode one = apply.addObject();
      var targets = one.putArray("targets");
      orders.keySet().forEach(targets::add);
      one.put("location", location).put("inverse", location.equals("weight_input"));
      one.putArray("ignore");
    }
    group.put("randomize", false).put("requires_grad", false);
    group.put("head_dim", orders.values().iterator().next()).put("precision", "torch.float64");
    return config;
  }
}
