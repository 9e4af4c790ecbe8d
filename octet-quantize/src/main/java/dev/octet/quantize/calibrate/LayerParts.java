package dev.octet.quantize.calibrate;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.WeightSource;
import dev.octet.model.LayerRunner;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.LayerQuantizer;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.linalg.Products;
import dev.octet.quantize.method.ScaleSearch;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.InputMatrix.Hadamard;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The unquantized linear layers of one decoder layer while factors are moved between them: as they
 * are now, and the same in the runner.
 */
final class LayerParts {
  private final WeightSource source;
  private final int layer;
  private final QuantizeOptions options;
  private final LayerRunner runner;
  private final Arena arena;
  private final Map<Part, Tensor> weights = new EnumMap<>(Part.class);
  private final Map<Part, Tensor> biases = new EnumMap<>(Part.class);
  private final int downHadamard;

  /**
   * @param arena owns what changes
   */
  LayerParts(
      WeightSource source, int layer, QuantizeOptions options, LayerRunner runner, Arena arena) {
    this.source = source;
    this.layer = layer;
    this.options = options;
    this.runner = runner;
    this.arena = arena;
    int order = 0;
    for (Part part : Part.values()) {
      LinearWeights linear = source.linear(part.module(layer));
      weights.put(part, stored(part).to(DType.F32, arena));
      Tensor bias = linear.bias();
      if (bias != null) {
        biases.put(part, bias);
      }
      if (linear.inputMatrix() instanceof Hadamard(int own)) {
        order = Math.max(order, own);
      } else if (!linear.plain()) {
        throw new CheckpointException(
            part.module(layer) + ": changes its input while it runs; quantize the original");
      }
    }
    this.downHadamard = order;
  }

  private Tensor stored(Part part) {
    if (source.linear(part.module(layer)).weight() instanceof DenseWeight(Tensor values)) {
      return values;
    }
    throw new CheckpointException(
        part.module(layer) + " is quantized already; quantize the original");
  }

  /** The type that a layer's weight is stored in. */
  DType dtype(Part part) {
    return stored(part).dtype();
  }

  /** F32 [n, k], as it is now. */
  Tensor weight(Part part) {
    return Objects.requireNonNull(weights.get(part));
  }

  @Nullable Tensor bias(Part part) {
    return biases.get(part);
  }

  /** Order of the transform of down's inputs; 0: none. */
  int downHadamard() {
    return downHadamard;
  }

  boolean ignored(Part part) {
    return options.ignores(part.module(layer));
  }

  QuantScheme scheme(Part part) {
    return LayerQuantizer.dividing(options.schemeOf(part.module(layer)), runner.inputs(part));
  }

  /** A layer with another weight. */
  LinearWeights linear(Part part, QuantizedWeight weight, ActivationQuant activation) {
    LinearWeights linear = new LinearWeights(weight, bias(part), activation);
    return part == Part.DOWN ? linear.withInputHadamard(downHadamard) : linear;
  }

  /** A layer with another weight, its inputs as they are. */
  LinearWeights linear(Part part, QuantizedWeight weight) {
    return linear(part, weight, new ActivationQuant.None());
  }

  void multiplyColumns(Part part, float[] factors) {
    exchange(part, ScaleSearch.scaled(weight(part), factors, false, arena));
  }

  void divideRows(Part part, float[] divisors) {
    Tensor weight = weight(part);
    float[] row = new float[Math.toIntExact(weight.columns())];
    Tensor divided = Tensor.allocate(arena, DType.F32, weight.shape());
    for (int r = 0; r < divisors.length; r++) {
      Products.read(weight, r, 0, row, row.length);
      for (int j = 0; j < row.length; j++) {
        row[j] /= divisors[r];
      }
      Products.write(divided, r, 0, row, row.length);
    }
    exchange(part, divided);
  }

  private void exchange(Part part, Tensor weight) {
    weights.put(part, weight);
    runner.set(part, linear(part, new DenseWeight(weight)));
  }
}
