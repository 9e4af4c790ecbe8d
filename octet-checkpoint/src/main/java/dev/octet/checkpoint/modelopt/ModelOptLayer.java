package dev.octet.checkpoint.modelopt;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.fp4.StoredFp4;
import dev.octet.checkpoint.fp8.StoredFp8;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One layer in the tensors of its algorithm. */
final class ModelOptLayer {
  /** Rows and columns of a block as the tool makes them unless told otherwise; no setting says. */
  private static final int BLOCK = 128;

  private final StoredTensors tensors;
  private final LinearShape shape;
  private final ModelOptSettings.Layer settings;

  ModelOptLayer(StoredTensors tensors, LinearShape shape, ModelOptSettings.Layer settings) {
    this.tensors = tensors;
    this.shape = shape;
    this.settings = settings;
  }

  void check() {
    if (settings.algorithm() == Algorithm.W4A16_AWQ) {
      pairs();
      scales();
    } else {
      weight(); // codes are views; only scales are copied
    }
    activation();
    inputScale();
    DenseFormat.checkBias(tensors, shape);
  }

  LinearWeights read() {
    return new LinearWeights(
        weight(), DenseFormat.bias(tensors, shape), activation(), inputScale());
  }

  private String name(String suffix) {
    return shape.module() + "." + suffix;
  }

  private QuantizedWeight weight() {
    return switch (settings.algorithm()) {
      case FP8, FP8_PER_CHANNEL_PER_TOKEN -> StoredFp8.read(tensors, shape);
      case FP8_PB_WO -> {
        int side = StoredFp8.side(tensors, shape, BLOCK);
        yield StoredFp8.blocks(tensors, shape, side, side);
      }
      case NVFP4, NVFP4_AWQ, W4A16_NVFP4 -> fp4();
      case W4A16_AWQ -> int4();
    };
  }

  private ActivationQuant activation() {
    return switch (settings.algorithm()) {
      case FP8 -> StoredFp8.input(tensors, shape);
      case FP8_PER_CHANNEL_PER_TOKEN -> new ActivationQuant.DynamicFp8();
      case NVFP4, NVFP4_AWQ ->
          new ActivationQuant.Fp4Group(StoredScales.scalar(tensors, name("input_scale")));
      case FP8_PB_WO, W4A16_NVFP4, W4A16_AWQ -> new ActivationQuant.None();
    };
  }

  /** Here the global scale multiplies. */
  private Fp4Weight fp4() {
    double global = StoredScales.scalar(tensors, name("weight_scale_2"));
    return new StoredFp4(name("weight"), name("weight_scale"), StoredFp4.Kind.NVFP4)
        .read(tensors, shape, global);
  }

  /** Pairs of two's-complement nibbles along the outputs, the even output low. */
  private Int4Weight int4() {
    Tensor nibbles = Packing.outputPairs(pairs(), shape.rows());
    Tensor scales = scales();
    boolean one = scales.dim(1) <= 1;
    long k = shape.columns();
    ScaleGrid grid =
        new ScaleGrid(
            one ? ScaleGranularity.CHANNEL : ScaleGranularity.GROUP,
            1,
            one ? Math.max(1, k) : settings.columns(k),
            scales,
            null);
    return new Int4Weight(nibbles, k, grid, null);
  }

  private Tensor pairs() {
    return tensors.require(
        name("weight"),
        Set.of(DType.U8, DType.I8),
        ScaleGrid.blocks(shape.rows(), 2),
        shape.columns());
  }

  private Tensor scales() {
    long groups = ScaleGrid.blocks(shape.columns(), settings.columns(shape.columns()));
    return StoredScales.matrix(tensors, name("weight_scale"), shape.rows(), groups, true);
  }

  /** What AWQ multiplies the input with where no layer before could. */
  private @Nullable Tensor inputScale() {
    String name = name("pre_quant_scale");
    if (!tensors.has(name)) {
      return null;
    }
    Tensor scale = tensors.require(name, DenseFormat.FLOATS, shape.columns());
    StoredScales.requirePositive(tensors, name, scale);
    return scale.to(DType.F32, Arena.ofAuto());
  }
}
