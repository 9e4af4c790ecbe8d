package dev.octet.quantize.calibrate;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.kernels.Kernels;
import dev.octet.model.LayerRunner;
import dev.octet.model.LayerRunner.Norm;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.method.ScaleSearch;
import dev.octet.quantize.method.Smoothing;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Moves factors between what makes the inputs of a decoder layer's linear layers and their columns:
 * from the norms to q, k, v and gate, up; from up's rows to down; with AWQ from v's rows to o.
 */
final class LayerSmoothing {
  /** Tokens on which AWQ's factors are tried. */
  private static final int TRIED_TOKENS = 4096;

  private final Smoothing smoothing;
  private final Recipe recipe;
  private final Kernels kernels;
  private final LayerRunner runner;
  private final LayerParts parts;
  private final ResidualStream stream;

  LayerSmoothing(
      Smoothing smoothing,
      Recipe recipe,
      Kernels kernels,
      LayerRunner runner,
      LayerParts parts,
      ResidualStream stream) {
    this.smoothing = smoothing;
    this.recipe = recipe;
    this.kernels = kernels;
    this.runner = runner;
    this.parts = parts;
    this.stream = stream;
  }

  /**
   * Divides a norm's output and multiplies the columns of all that read it.
   *
   * @param stored the type that the norm's weight is stored in
   * @param input from the residual stream to what the readers are given
   * @return whether anything reads it that is quantized
   */
  boolean ofNorm(Norm norm, DType stored, InputStats stats, Stage input) {
    Part[] readers =
        norm == Norm.ATTENTION
            ? new Part[] {Part.QUERY, Part.KEY, Part.VALUE}
            : new Part[] {Part.GATE, Part.UP};
    if (Arrays.stream(readers).allMatch(parts::ignored)) {
      return false;
    }
    float[] best =
        smoothing instanceof Smoothing.Awq
            ? tried(candidates(stats, readers), input, block(norm), readers)
            : search(stats, readers).best(smoothing, stats.largest(), stats.meanSizes());
    float[] s = storable(runner.weight(norm), stored, best);
    runner.divide(norm, s);
    stats.divide(s);
    for (Part reader : readers) {
      parts.multiplyColumns(reader, s);
    }
    return true;
  }

  private Stage block(Norm norm) {
    return norm == Norm.ATTENTION
        ? (x, a) -> runner.apply(Part.OUTPUT, runner.attend(runner.project(x, a), a), a)
        : (x, a) -> runner.apply(Part.DOWN, runner.activate(x, a), a);
  }

  /** The factors as they are once the norm's weight is rounded to the type it is stored in. */
  private static float[] storable(Tensor weight, DType type, float[] s) {
    try (Arena scratch = Arena.ofShared()) {
      Tensor rounded = Tensor.allocate(scratch, type, s.length);
      float[] out = new float[s.length];
      for (int j = 0; j < s.length; j++) {
        rounded.setFloat(j, weight.getFloat(j) / s[j]);
        float factor = weight.getFloat(j) / rounded.getFloat(j);
        out[j] = Float.isFinite(factor) && factor > 0 ? factor : 1;
      }
      return out;
    }
  }

  /** Down's input is {@code silu(gate)·up}: dividing it means dividing up's rows. */
  void ofDown(InputStats stats, Stage active) {
    if (!movable(Part.UP, Part.DOWN) || parts.downHadamard() > 0) {
      return;
    }
    float[] s =
        smoothing instanceof Smoothing.Awq
            ? tried(candidates(stats, Part.DOWN), active, alone(Part.DOWN), Part.DOWN)
            : search(stats, Part.DOWN).best(smoothing, stats.largest(), stats.meanSizes());
    parts.divideRows(Part.UP, s);
    parts.multiplyColumns(Part.DOWN, s);
  }

  /** Whether the output projection's input is smoothed, too. */
  boolean smoothsOutput() {
    return smoothing instanceof Smoothing.Awq && movable(Part.VALUE, Part.OUTPUT);
  }

  /**
   * The output projection's input is a mean of values: dividing it means dividing the value
   * projection's rows. Where several query heads share a value head, a row feeds a column of each,
   * and all of them have the same factor.
   */
  void ofOutput(InputStats stats, Stage context, ModelConfig config) {
    ValueChannels channels = new ValueChannels(config);
    List<float[]> candidates = candidates(stats, Part.OUTPUT).stream().map(channels::tied).toList();
    float[] s = tried(candidates, context, alone(Part.OUTPUT), Part.OUTPUT);
    parts.divideRows(Part.VALUE, channels.ofValues(s));
    parts.multiplyColumns(Part.OUTPUT, s);
  }

  private boolean movable(Part from, Part to) {
    return !parts.ignored(from) && !parts.ignored(to) && parts.bias(from) == null;
  }

  private Stage alone(Part part) {
    return (x, a) -> runner.apply(part, x, a);
  }

  private List<float[]> candidates(InputStats stats, Part... readers) {
    ScaleSearch search = search(stats, readers);
    List<float[]> all =
        new ArrayList<>(search.candidates(smoothing, stats.largest(), stats.meanSizes()));
    all.addAll(search.balanced(stats.rootMeanSquares()));
    return all;
  }

  private ScaleSearch search(InputStats stats, Part... readers) {
    List<Tensor> read =
        Arrays.stream(readers).filter(r -> !parts.ignored(r)).map(parts::weight).toList();
    QuantScheme scheme = parts.scheme(readers[0]);
    return new ScaleSearch(kernels, read, stats.sample(), scheme, recipe.inputs());
  }

  private float[] tried(List<float[]> candidates, Stage input, Stage block, Part... readers) {
    Map<Part, Tensor> scaled = new EnumMap<>(Part.class);
    for (Part reader : readers) {
      scaled.put(reader, parts.weight(reader));
    }
    try (Arena arena = Arena.ofShared()) {
      List<Tensor> inputs = new ArrayList<>();
      for (int i : stream.some(TRIED_TOKENS)) {
        inputs.add(input.apply(stream.sequence(i), arena));
      }
      return new BlockSearch(runner, kernels, block, scaled, this::quantized, inputs, arena)
          .best(candidates);
    }
  }

  /** A layer as it would be with its weight scaled; static scales of inputs are for later. */
  private LinearWeights quantized(Part part, Tensor scaled, Arena arena) {
    if (parts.ignored(part)) {
      return parts.linear(part, new DenseWeight(scaled));
    }
    QuantScheme scheme = parts.scheme(part);
    ActivationQuant activation =
        recipe.inputs() == null ? scheme.activation() : new ActivationQuant.None();
    return parts.linear(part, RoundToNearest.quantize(scaled, scheme, arena), activation);
  }
}
