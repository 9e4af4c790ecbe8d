package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.packing.Codes;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.DynamicInt4;
import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.InputMatrix.Hadamard;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import java.util.Optional;
import tools.jackson.databind.node.ObjectNode;

/**
 * What {@code config_groups} says of a layer: {@code format}, {@code weights} and {@code
 * input_activations}, in the fields of compressed-tensors' {@code QuantizationArgs}.
 */
public final class Scheme {
  private Scheme() {}

  /** In a group, not stored there: the order of the matrices that turn a layer's input. */
  static final String INPUT_HADAMARD = "input_hadamard";

  private static final String FORMAT = "compressed-tensors";

  /** {@code scale_dtype} of scales that are powers of two. */
  private static final String EXPONENTS = "torch.uint8";

  /** The group of a layer without its targets; empty for a dense layer. */
  public static Optional<ObjectNode> of(String module, LinearWeights layer) {
    boolean inputs = layer.activation().quantizes();
    requirePlainInputs(module, layer);
    requireInputs(module, layer.activation());
    return switch (layer.weight()) {
      case DenseWeight _ -> Optional.empty();
      case Int8Weight w -> {
        requirePlain(module, w.grid());
        requireWholeGroups(module, w.grid(), w);
        Codes.requireZeros(module, w.grid(), 8, FORMAT);
        ObjectNode weights = weights(8, "int", w.grid(), w.permutation() != null);
        yield Optional.of(group(integers(inputs), weights, layer));
      }
      case Int4Weight w -> {
        requirePlain(module, w.grid());
        requireWholeGroups(module, w.grid(), w);
        Codes.requireZeros(module, w.grid(), 4, FORMAT);
        ObjectNode weights = weights(4, "int", w.grid(), w.permutation() != null);
        yield Optional.of(group(integers(inputs), weights, layer));
      }
      case Fp8Weight(var codes, ScaleGrid grid) -> {
        if (codes.dtype() != DType.F8_E4M3) {
          throw unsupported(module, layer.weight());
        }
        if (layer.activation() instanceof MxGroup) {
          ObjectNode args = weights(8, "float", grid, false);
          args.put("scale_dtype", EXPONENTS);
          yield Optional.of(group("mxfp8-quantized", args, layer));
        }
        String format = inputs ? "float-quantized" : "naive-quantized";
        yield Optional.of(group(format, weights(8, "float", grid, false), layer));
      }
      case Fp4Weight w -> Optional.of(fp4(module, w, layer));
    };
  }

  /** The {@code kv_cache_scheme} of static scales: one for all, or one a head. */
  static ObjectNode cache(DType type, boolean tensor) {
    String codes = type == DType.I8 ? "int" : "float";
    return args(8, codes, true, tensor ? "tensor" : "attn_head", false);
  }

  private static ObjectNode fp4(String module, Fp4Weight w, LinearWeights layer) {
    boolean nvfp4 = w.scales().dtype() == DType.F8_E4M3 && w.group() == 16;
    boolean mxfp4 = w.scales().dtype() == DType.F8_E8M0 && w.group() == 32 && w.global() == 1;
    boolean mxInputs = layer.activation() instanceof MxGroup;
    if (!nvfp4 && !(mxfp4 && (mxInputs || !layer.activation().quantizes()))) {
      throw unsupported(module, w);
    }
    if (nvfp4) {
      requireDivisor(module, "weight_global_scale", w.global());
    }
    ObjectNode args = args(4, "float", true, nvfp4 ? "tensor_group" : "group", false);
    args.put("group_size", w.group());
    args.put("scale_dtype", nvfp4 ? "torch.float8_e4m3fn" : EXPONENTS);
    return group(nvfp4 ? "nvfp4-pack-quantized" : "mxfp4-pack-quantized", args, layer);
  }

  /** Scales of all are stored as divisors in F32, and divided by when they are read. */
  private static void requireDivisor(String module, String name, double scale) {
    float divisor = (float) (1 / scale);
    if (!StoredScales.isSound(divisor) || Float.isInfinite(1 / divisor)) {
      throw new CheckpointException(
          "%s.%s: the scale %s has no reciprocal in F32".formatted(module, name, scale));
    }
  }

  /** What compressed-tensors cannot say of a layer's input. */
  private static void requirePlainInputs(String module, LinearWeights layer) {
    if (layer.activation() instanceof MxGroup inputs) {
      requireMx(module, layer, inputs);
    }
    if (layer.inputScale() != null) {
      throw new CheckpointException(
          module + ": has an input scale a channel, which compressed-tensors cannot store");
    }
    if (layer.inputMatrix() != null && layer.weight() instanceof DenseWeight) {
      throw new CheckpointException(
          module + ": turns its input but is not quantized, for which there is no form");
    }
    if (layer.activation() instanceof ActivationQuant.DynamicFp8(float bound)
        && bound < Float.POSITIVE_INFINITY) {
      throw new CheckpointException(
          "%s: bounds its dynamic FP8 scales by %s, which compressed-tensors cannot store"
              .formatted(module, bound));
    }
  }

  /** Powers of two for inputs go with those for weights. */
  private static void requireMx(String module, LinearWeights layer, MxGroup inputs) {
    boolean weights =
        switch (layer.weight()) {
          case Fp4Weight w -> w.scales().dtype() == DType.F8_E8M0 && w.group() == MxGroup.GROUP;
          case Fp8Weight w -> isExponents(module, w.grid());
          default -> false;
        };
    if (!weights || !inputs.rounded() || inputs.coarse() > 0) {
      throw new CheckpointException(
          "%s: compressed-tensors has no form for %s with inputs %s computed this way"
              .formatted(module, layer.weight().label(), inputs.label()));
    }
  }

  /** Whether groups are those of MX; their scales must be its own, too. */
  private static boolean isExponents(String module, ScaleGrid grid) {
    if (grid.granularity() != ScaleGranularity.GROUP || grid.columnBlock() != MxGroup.GROUP) {
      return false;
    }
    for (long i = 0; i < grid.scales().size(); i++) {
      float scale = grid.scales().getFloat(i);
      if (StoredLayer.exponent(scale) < 0) {
        throw new CheckpointException(
            "%s: the scale %s at index %d is no power of two that E8M0 holds, as inputs %s ask for"
                .formatted(module, scale, i, new MxGroup(8, true, 0).label()));
      }
    }
    return true;
  }

  private static void requirePlain(String module, ScaleGrid grid) {
    if (!grid.plain()) {
      throw new CheckpointException(
          "%s: compressed-tensors has no form for scales that are not positive, nor for offsets"
              .formatted(module));
    }
  }

  /** Other readers, and {@link Layer}, refuse a short last group. */
  private static void requireWholeGroups(String module, ScaleGrid grid, QuantizedWeight weight) {
    long group = grid.columnBlock();
    if (grid.granularity() == ScaleGranularity.GROUP
        && weight.columns() > group
        && weight.columns() % group != 0) {
      throw new CheckpointException(
          "%s: groups of %d do not divide %d input features; compressed-tensors stores whole groups"
              .formatted(module, group, weight.columns()));
    }
  }

  /** Whoever reads it computes scales of inputs in its own way. */
  private static void requireInputs(String module, ActivationQuant activation) {
    if (activation instanceof ActivationQuant.Fp4Group(float scale)) {
      requireDivisor(module, "input_global_scale", scale);
    }
    if (activation instanceof DynamicInt4(float steps) && steps != DynamicInt4.HALF_RANGE) {
      throw new CheckpointException(
          "%s: INT4 inputs are scaled by max|x| / %s, in compressed-tensors by max|x| / %s"
              .formatted(module, steps, DynamicInt4.HALF_RANGE));
    }
  }

  private static CheckpointException unsupported(String module, QuantizedWeight weight) {
    return new CheckpointException(
        "%s: compressed-tensors has no form for %s; FP8 must be E4M3, FP4 NVFP4 or MXFP4"
            .formatted(module, weight.label()));
  }

  private static String integers(boolean inputs) {
    return inputs ? "int-quantized" : "pack-quantized";
  }

  private static ObjectNode group(String format, ObjectNode weights, LinearWeights layer) {
    ObjectNode group = Json.MAPPER.createObjectNode();
    group.put("format", format);
    group.set("weights", weights);
    if (layer.inputMatrix() instanceof Hadamard(int order)) {
      group.put(INPUT_HADAMARD, order);
    }
    Optional<ObjectNode> inputs = inputs(layer.activation());
    if (inputs.isPresent()) {
      group.set("input_activations", inputs.get());
    } else {
      group.putNull("input_activations");
    }
    return group.putNull("output_activations");
  }

  private static ObjectNode weights(int bits, String type, ScaleGrid grid, boolean actOrder) {
    ObjectNode args = args(bits, type, grid.symmetric(), grid.granularity().label(), false);
    if (grid.granularity() == ScaleGranularity.GROUP) {
      args.put("group_size", grid.columnBlock());
    }
    if (grid.granularity() == ScaleGranularity.BLOCK) {
      args.putArray("block_structure").add(grid.rowBlock()).add(grid.columnBlock());
    }
    if (actOrder) {
      args.put("actorder", "group");
    }
    return args;
  }

  private static Optional<ObjectNode> inputs(ActivationQuant activation) {
    return switch (activation) {
      case ActivationQuant.None _ -> Optional.empty();
      case ActivationQuant.DynamicInt8 _ -> Optional.of(args(8, "int", true, "token", true));
      case ActivationQuant.AsymmetricInt8 _ -> Optional.of(args(8, "int", false, "token", true));
      case ActivationQuant.DynamicInt4 _ -> Optional.of(args(4, "int", true, "token", true));
      case ActivationQuant.DynamicFp8 _ -> Optional.of(args(8, "float", true, "token", true));
      case ActivationQuant.DynamicFp8Block(int block) -> {
        ObjectNode args = args(8, "float", true, "group", true);
        yield Optional.of(args.put("group_size", block));
      }
      case ActivationQuant.Fp4Group _ -> {
        ObjectNode args = args(4, "float", true, "tensor_group", false);
        args.put("group_size", ActivationQuant.Fp4Group.GROUP).put("dynamic", "local");
        yield Optional.of(args);
      }
      case MxGroup mx -> {
        ObjectNode args = args(mx.bits(), "float", true, "group", true);
        yield Optional.of(args.put("group_size", MxGroup.GROUP).put("scale_dtype", EXPONENTS));
      }
      case ActivationQuant.StaticInt8(_, int offset) ->
          Optional.of(args(8, "int", offset == 0, "tensor", false));
      case ActivationQuant.StaticFp8 _ -> Optional.of(args(8, "float", true, "tensor", false));
      case ActivationQuant.Clipped c -> throw new IllegalArgumentException(c.label());
    };
  }

  private static ObjectNode args(
      int bits, String type, boolean symmetric, String strategy, boolean dynamic) {
    ObjectNode args = Json.MAPPER.createObjectNode();
    args.put("num_bits", bits).put("type", type).put("symmetric", symmetric);
    args.putNull("group_size").put("strategy", strategy).putNull("block_structure");
    args.put("dynamic", dynamic).putNull("actorder");
    if (dynamic) {
      args.putNull("observer");
    } else {
      args.put("observer", "minmax");
    }
    args.putObject("observer_kwargs");
    return args;
  }
}
