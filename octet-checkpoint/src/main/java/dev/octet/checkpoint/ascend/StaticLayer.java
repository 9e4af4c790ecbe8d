package dev.octet.checkpoint.ascend;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * {@code W8A8}: {@code y = (Σ x_q·W_q + quant_bias)·deq_scale} with {@code x_q = clamp(rint(x /
 * input_scale + input_offset))}. Canonically the weight's scale is {@code deq_scale / input_scale},
 * and the bias {@code (quant_bias + input_offset·ΣW_q)·deq_scale}: the float bias is inside {@code
 * quant_bias} already, so a stored {@code .bias} is not added again.
 */
record StaticLayer(StoredTensors tensors, LinearShape shape) implements Layer {
  private static final Set<DType> DEQUANTIZERS = EnumSet.of(DType.F32, DType.I64);
  private static final Set<DType> NUMBERS =
      EnumSet.of(DType.F32, DType.F16, DType.BF16, DType.I8, DType.I16, DType.I32);

  @Override
  public void check() {
    Int8Layer.codes(tensors, shape);
    StaticInt8 input = input();
    if (tensors.has(name("weight_scale"))) {
      Grid besides = new Grid(tensors, shape, "", 0, 8);
      besides.check();
      besides.requireChannels();
      besides.requireSymmetric();
    }
    for (int i = 0; i < shape.rows(); i++) {
      weightScale(i, input);
    }
    quantBias();
    tensors.vector(name("bias"), DenseFormat.FLOATS, shape.rows());
  }

  @Override
  public LinearWeights read() {
    StaticInt8 input = input();
    Tensor codes = Int8Layer.codes(tensors, shape);
    Tensor scales = Tensor.allocate(Arena.ofAuto(), DType.F32, shape.rows(), 1);
    for (int i = 0; i < shape.rows(); i++) {
      scales.setFloat(i, weightScale(i, input));
    }
    ScaleGrid grid =
        new ScaleGrid(ScaleGranularity.CHANNEL, 1, Math.max(1, shape.columns()), scales, null);
    return new LinearWeights(new Int8Weight(codes, grid), bias(codes, input), input);
  }

  private String name(String suffix) {
    return shape.module() + "." + suffix;
  }

  private StaticInt8 input() {
    Tensor scale = one("input_scale", DenseFormat.FLOATS);
    StoredScales.requirePositive(tensors, name("input_scale"), scale);
    float offset = one("input_offset", NUMBERS).getFloat(0);
    if (!(offset >= -128 && offset <= 127) || offset != Math.rint(offset)) {
      throw tensors.problem(name("input_offset"), "is " + offset + ", which is no int8");
    }
    return new StaticInt8(scale.getFloat(0), (int) offset);
  }

  private Tensor one(String suffix, Set<DType> types) {
    Tensor tensor = tensors.get(name(suffix));
    if (tensor.size() != 1 || !types.contains(tensor.dtype())) {
      throw tensors.problem(name(suffix), "is " + tensor + ", expected one number");
    }
    return tensor;
  }

  private Tensor quantBias() {
    return column("quant_bias", Set.of(DType.I32));
  }

  /** [n], or [n, 1]. */
  private Tensor column(String suffix, Set<DType> types) {
    Tensor stored = tensors.get(name(suffix));
    return stored.hasShape(shape.rows(), 1) && types.contains(stored.dtype())
        ? stored
        : tensors.require(name(suffix), types, shape.rows());
  }

  /**
   * The scale of a row's sums. Models in F16 keep its bits, those of an F32, in the lower half of
   * an I64.
   */
  private float dequantizer(long row) {
    Tensor stored = column("deq_scale", DEQUANTIZERS);
    float scale =
        stored.dtype() == DType.I64
            ? Float.intBitsToFloat((int) stored.getLong(row))
            : stored.getFloat(row);
    if (!StoredScales.isSound(scale)) {
      throw tensors.problem(
          name("deq_scale"),
          "holds the scale %s at index %d; it must be finite and positive".formatted(scale, row));
    }
    return scale;
  }

  private float weightScale(long row, StaticInt8 input) {
    Tensor own = tensors.find(name("weight_scale"));
    boolean exact = own != null && own.dtype() == DType.F32 && own.size() == shape.rows();
    float stored = own != null && exact ? own.getFloat(row) : Float.NaN;
    float scale = weightScale(dequantizer(row), input.scale(), stored);
    if (!StoredScales.isSound(scale)) {
      throw tensors.problem(
          name("deq_scale"),
          "holds %s at index %d, which over the input scale %s is no weight's scale"
              .formatted(dequantizer(row), row, input.scale()));
    }
    return scale;
  }

  /**
   * A weight scale that is stored as F32 is the quotient before it was rounded away; one in the
   * model's type is less exact than the quotient.
   *
   * @param stored as F32; NaN: not
   */
  static float weightScale(float dequantizer, float inputScale, float stored) {
    float scale = dequantizer / inputScale;
    return Math.abs(stored - scale) <= 2 * Math.ulp(scale) ? stored : scale;
  }

  /** The bias in floats; null if it is all 0. */
  private @Nullable Tensor bias(Tensor codes, StaticInt8 input) {
    Tensor quantBias = quantBias();
    Tensor bias = Tensor.allocate(Arena.ofAuto(), DType.F32, shape.rows());
    boolean allZero = true;
    for (long row = 0; row < shape.rows(); row++) {
      long sum = input.offset() == 0 ? 0 : input.offset() * sum(codes, row);
      float value = (float) ((quantBias.getLong(row) + sum) * (double) dequantizer(row));
      if (Float.isInfinite(value)) {
        throw tensors.problem(name("quant_bias"), "makes an infinite bias at index " + row);
      }
      allZero &= value == 0;
      bias.setFloat(row, value);
    }
    return allZero ? null : bias;
  }

  /** {@code ΣW_q} of a row. */
  static long sum(Tensor codes, long row) {
    MemorySegment all = codes.segment();
    long from = row * codes.dim(1);
    long sum = 0;
    for (long i = from; i < from + codes.dim(1); i++) {
      sum += all.get(JAVA_BYTE, i);
    }
    return sum;
  }
}
