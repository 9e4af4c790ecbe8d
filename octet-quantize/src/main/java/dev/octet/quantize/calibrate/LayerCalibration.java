package dev.octet.quantize.calibrate;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.model.LayerRunner;
import dev.octet.model.LayerRunner.Norm;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.LayerQuantizer;
import dev.octet.quantize.method.ClippedRounding;
import dev.octet.quantize.method.FixedInputs;
import dev.octet.quantize.method.Gptq;
import dev.octet.quantize.method.Hqq;
import dev.octet.quantize.method.ScaleSearch;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.observe.CodeGrid;
import dev.octet.quantize.observe.Observer;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.quantize.rotate.HadamardTransform;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Quantizes one decoder layer on the way of the calibration sequences through it. Linear layers are
 * quantized in the order in which the tokens meet them, each on inputs that the quantized ones
 * before it have made: {@code q, k, v → o → gate, up → down}.
 */
final class LayerCalibration implements AutoCloseable {
  /** Takes the layer's parts as they become ready. */
  interface Sink {
    void linear(String module, LinearWeights weights);

    void norm(String name, Tensor weight);

    void scales(KvScales cache, @Nullable QueryScales query);
  }

  /** What a stage of the layer makes of a sequence's residual stream. */
  @FunctionalInterface
  private interface Stage {
    Tensor apply(Tensor hidden, Arena scratch);
  }

  private final WeightSource source;
  private final int layer;
  private final Recipe recipe;
  private final Kernels kernels;
  private final ResidualStream stream;
  private final Sink sink;
  private final LayerRunner runner;
  private final Arena arena = Arena.ofShared();
  private final Map<Part, Tensor> weights = new EnumMap<>(Part.class);
  private final Map<Part, Tensor> biases = new EnumMap<>(Part.class);
  private final int downHadamard;

  LayerCalibration(
      WeightSource source,
      int layer,
      Recipe recipe,
      Kernels kernels,
      ResidualStream stream,
      Sink sink) {
    this.source = source;
    this.layer = layer;
    this.recipe = recipe;
    this.kernels = kernels;
    this.stream = stream;
    this.sink = sink;
    this.runner = new LayerRunner(source, kernels, layer);
    int order = 0;
    for (Part part : Part.values()) {
      LinearWeights linear = source.linear(part.module(layer));
      weights.put(part, dense(part, linear).to(DType.F32, arena));
      Tensor bias = linear.bias();
      if (bias != null) {
        biases.put(part, bias);
      }
      order = Math.max(order, linear.inputHadamard());
    }
    this.downHadamard = order;
  }

  private Tensor dense(Part part, LinearWeights linear) {
    if (linear.weight() instanceof DenseWeight(Tensor values)) {
      return values;
    }
    throw new CheckpointException(
        part.module(layer) + " is quantized already; quantize the original");
  }

  /** Quantizes the layer and moves the residual stream through what became of it. */
  void run() {
    attention();
    feedForward();
  }

  private void attention() {
    Stage input = runner::attentionInput;
    Stage context = (hidden, a) -> runner.attend(runner.project(input.apply(hidden, a), a), a);
    try (Arena a = Arena.ofShared()) {
      InputStats stats = observe(Part.QUERY, input, a);
      smooth(Norm.ATTENTION, stats, input, Part.QUERY, Part.KEY, Part.VALUE);
      quantize(stats, Part.QUERY, Part.KEY, Part.VALUE);
    }
    scaleOperands(input);
    try (Arena a = Arena.ofShared()) {
      quantize(observe(Part.OUTPUT, context, a), Part.OUTPUT);
    }
    forEachSequence(
        (hidden, a) -> {
          runner.addOutput(context.apply(hidden, a), hidden);
          return hidden;
        });
  }

  /** What comes after it sees attention as it will be computed under these scales. */
  private void scaleOperands(Stage input) {
    if (recipe.attention() == null) {
      return;
    }
    OperandScales seen = new OperandScales(recipe.attention(), source.config());
    try {
      forEachSequence(
          (hidden, a) -> {
            seen.add(runner.project(input.apply(hidden, a), a));
            return hidden;
          });
    } catch (IllegalArgumentException e) {
      throw new CheckpointException("layer " + layer + ": attention: " + e.getMessage(), e);
    }
    KvScales cache = seen.cache();
    QueryScales query = seen.query();
    runner.round(cache, query);
    sink.scales(cache, query);
  }

  private void feedForward() {
    Stage input = runner::feedForwardInput;
    Stage active = (hidden, a) -> runner.activate(input.apply(hidden, a), a);
    try (Arena a = Arena.ofShared()) {
      InputStats stats = observe(Part.GATE, input, a);
      smooth(Norm.FEED_FORWARD, stats, input, Part.GATE, Part.UP);
      if (recipe.smoothing() != null) {
        try (Arena b = Arena.ofShared()) {
          smoothDown(observe(Part.DOWN, active, b, false));
        }
      }
      quantize(stats, Part.GATE, Part.UP);
    }
    try (Arena a = Arena.ofShared()) {
      quantize(observe(Part.DOWN, active, a), Part.DOWN);
    }
    forEachSequence(
        (hidden, a) -> {
          runner.addDown(active.apply(hidden, a), hidden);
          return hidden;
        });
  }

  private InputStats observe(Part reader, Stage stage, Arena to) {
    return observe(reader, stage, to, recipe.needsGram() && !ignored(reader));
  }

  private InputStats observe(Part reader, Stage stage, Arena to, boolean gram) {
    InputStats stats =
        new InputStats(
            runner.inputs(reader), stream.rows(), gram ? kernels : null, observers(reader), to);
    forEachSequence(
        (hidden, a) -> {
          Tensor x = stage.apply(hidden, a);
          if (reader == Part.DOWN && downHadamard > 0) {
            x = HadamardTransform.sylvester(downHadamard).rows(x, a);
          }
          stats.add(x);
          return x;
        });
    return stats;
  }

  /** Extremes are known anyway. */
  private @Nullable Supplier<Observer> observers(Part reader) {
    ObserverSpec spec = recipe.inputs();
    ActivationQuant dynamic = scheme(reader).activation();
    if (spec == null || spec.equals(ObserverSpec.MIN_MAX) || !dynamic.quantizes()) {
      return null;
    }
    CodeGrid grid = FixedInputs.grid(dynamic);
    return () -> spec.create(grid);
  }

  private void forEachSequence(Stage stage) {
    for (int i = 0; i < stream.sequences(); i++) {
      try (Arena scratch = Arena.ofShared()) {
        stage.apply(stream.sequence(i), scratch);
      }
    }
  }

  /** Divides a norm's output and multiplies the columns of all that read it. */
  private void smooth(Norm norm, InputStats stats, Stage input, Part... readers) {
    Smoothing smoothing = recipe.smoothing();
    if (smoothing == null || Arrays.stream(readers).allMatch(this::ignored)) {
      return;
    }
    float[] s = storable(norm, best(smoothing, stats, readers));
    runner.divide(norm, s);
    stats.divide(s);
    for (Part reader : readers) {
      exchange(reader, ScaleSearch.scaled(weight(reader), s, false, arena));
    }
    if (stats.observes()) {
      forEachSequence(
          (hidden, a) -> {
            stats.observe(input.apply(hidden, a));
            return hidden;
          });
    }
    Tensor stored = source.tensor(norm.module(layer) + ".weight");
    sink.norm(norm.module(layer) + ".weight", runner.weight(norm).to(stored.dtype(), arena));
  }

  /** The factors as they are once the norm's weight is rounded to the type it is stored in. */
  private float[] storable(Norm norm, float[] s) {
    DType type = source.tensor(norm.module(layer) + ".weight").dtype();
    Tensor weight = runner.weight(norm);
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
  private void smoothDown(InputStats stats) {
    if (ignored(Part.DOWN) || ignored(Part.UP) || bias(Part.UP) != null || downHadamard > 0) {
      return;
    }
    float[] s = best(Objects.requireNonNull(recipe.smoothing()), stats, Part.DOWN);
    Tensor up = weight(Part.UP);
    float[] row = new float[Math.toIntExact(up.columns())];
    Tensor divided = Tensor.allocate(arena, DType.F32, up.shape());
    for (int r = 0; r < s.length; r++) {
      up.copyRange((long) r * row.length, row);
      for (int j = 0; j < row.length; j++) {
        divided.setFloat((long) r * row.length + j, row[j] / s[r]);
      }
    }
    exchange(Part.UP, divided);
    exchange(Part.DOWN, ScaleSearch.scaled(weight(Part.DOWN), s, false, arena));
  }

  private float[] best(Smoothing smoothing, InputStats stats, Part... readers) {
    List<Tensor> read = new ArrayList<>();
    for (Part reader : readers) {
      if (!ignored(reader)) {
        read.add(weight(reader));
      }
    }
    QuantScheme scheme = scheme(readers[0]);
    return new ScaleSearch(kernels, read, stats.sample(), scheme, recipe.inputs())
        .best(smoothing, stats.largest(), stats.meanSizes());
  }

  private void exchange(Part part, Tensor weight) {
    weights.put(part, weight);
    runner.set(part, linear(part, new DenseWeight(weight), none()));
  }

  private LinearWeights linear(Part part, QuantizedWeight weight, ActivationQuant activation) {
    LinearWeights linear = new LinearWeights(weight, bias(part), activation);
    return part == Part.DOWN ? linear.withInputHadamard(downHadamard) : linear;
  }

  private static ActivationQuant none() {
    return new ActivationQuant.None();
  }

  private void quantize(InputStats stats, Part... parts) {
    for (Part part : parts) {
      LinearWeights done = ignored(part) ? unquantized(part) : quantized(part, stats);
      runner.set(part, done);
      sink.linear(part.module(layer), done);
    }
  }

  /** In the type it had; its values are other ones if its input was smoothed. */
  private LinearWeights unquantized(Part part) {
    DType type =
        recipe.rotation() == null
            ? dense(part, source.linear(part.module(layer))).dtype()
            : source.config().dtype();
    return linear(part, new DenseWeight(weight(part).to(type, arena)), none());
  }

  private LinearWeights quantized(Part part, InputStats stats) {
    QuantScheme scheme = scheme(part);
    ActivationQuant dynamic = scheme.activation();
    try {
      ActivationQuant activation =
          recipe.inputs() != null && dynamic.quantizes()
              ? FixedInputs.of(dynamic, stats.range())
              : dynamic;
      return linear(part, codes(part, stats, scheme), activation);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(part.module(layer) + ": " + e.getMessage(), e);
    }
  }

  private QuantizedWeight codes(Part part, InputStats stats, QuantScheme scheme) {
    Tensor w = weight(part);
    return switch (recipe.rounding(scheme)) {
      case Recipe.Rounding.Nearest _ -> RoundToNearest.quantize(w, scheme, arena);
      case Recipe.Rounding.Clipped(var clipping) ->
          ClippedRounding.quantize(w, stats.sample(), scheme, clipping, arena);
      case Recipe.Rounding.Compensated(var gptq) ->
          Gptq.quantize(w, stats.gram(), scheme, gptq, kernels, arena);
      case Recipe.Rounding.HalfQuadratic(var hqq) -> Hqq.quantize(w, scheme, hqq, arena);
    };
  }

  private QuantScheme scheme(Part part) {
    return LayerQuantizer.dividing(
        recipe.options().schemeOf(part.module(layer)), runner.inputs(part));
  }

  private boolean ignored(Part part) {
    return recipe.options().ignores(part.module(layer));
  }

  private Tensor weight(Part part) {
    return Objects.requireNonNull(weights.get(part));
  }

  private @Nullable Tensor bias(Part part) {
    return biases.get(part);
  }

  @Override
  public void close() {
    runner.close();
    arena.close();
  }
}
