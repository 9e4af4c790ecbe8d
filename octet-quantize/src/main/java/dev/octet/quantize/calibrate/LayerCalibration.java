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

  private final WeightSource source;
  private final int layer;
  private final Recipe recipe;
  private final Kernels kernels;
  private final ResidualStream stream;
  private final Sink sink;
  private final LayerRunner runner;
  private final Arena arena = Arena.ofShared();
  private final LayerParts parts;
  private final @Nullable LayerSmoothing smoothing;

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
    this.parts = new LayerParts(source, layer, recipe.options(), runner, arena);
    this.smoothing =
        recipe.smoothing() == null
            ? null
            : new LayerSmoothing(recipe.smoothing(), recipe, kernels, runner, parts, stream);
  }

  /** Quantizes the layer and moves the residual stream through what became of it. */
  void run() {
    attention();
    feedForward();
  }

  private void attention() {
    Stage input = runner::attentionInput;
    Stage context = (hidden, a) -> runner.attend(runner.project(input.apply(hidden, a), a), a);
    if (smoothing != null && smoothing.smoothsOutput()) {
      try (Arena a = Arena.ofShared()) {
        smoothing.ofOutput(observe(Part.OUTPUT, context, a, false), context, source.config());
      }
    }
    try (Arena a = Arena.ofShared()) {
      InputStats stats = observe(Part.QUERY, input, a);
      smooth(Norm.ATTENTION, stats, input);
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
      throw new CheckpointException(
          "layer " + layer + ": attention: " + LayerQuantizer.reason(e), e);
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
      smooth(Norm.FEED_FORWARD, stats, input);
      if (smoothing != null) {
        try (Arena b = Arena.ofShared()) {
          smoothing.ofDown(observe(Part.DOWN, active, b, false), active);
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
    return observe(reader, stage, to, recipe.needsGram() && !parts.ignored(reader));
  }

  private InputStats observe(Part reader, Stage stage, Arena to, boolean gram) {
    InputStats stats =
        new InputStats(
            runner.inputs(reader), stream.rows(), gram ? kernels : null, observers(reader), to);
    forEachSequence(
        (hidden, a) -> {
          Tensor x = stage.apply(hidden, a);
          if (reader == Part.DOWN && parts.downHadamard() > 0) {
            x = HadamardTransform.sylvester(parts.downHadamard()).rows(x, a);
          }
          stats.add(x);
          return x;
        });
    return stats;
  }

  /** Extremes are known anyway. */
  private @Nullable Supplier<Observer> observers(Part reader) {
    ObserverSpec spec = recipe.inputs();
    ActivationQuant dynamic = parts.scheme(reader).activation();
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

  /** Divides a norm's output, and shows it to the observers again. */
  private void smooth(Norm norm, InputStats stats, Stage input) {
    Tensor stored = source.tensor(norm.module(layer) + ".weight");
    if (smoothing == null || !smoothing.ofNorm(norm, stored.dtype(), stats, input)) {
      return;
    }
    if (stats.observes()) {
      forEachSequence(
          (hidden, a) -> {
            stats.observe(input.apply(hidden, a));
            return hidden;
          });
    }
    sink.norm(norm.module(layer) + ".weight", runner.weight(norm).to(stored.dtype(), arena));
    Tensor bias = runner.bias(norm);
    if (bias != null) {
      sink.norm(norm.module(layer) + ".bias", bias.to(DType.F32, arena));
    }
  }

  private void quantize(InputStats stats, Part... which) {
    for (Part part : which) {
      LinearWeights done = parts.ignored(part) ? unquantized(part) : quantized(part, stats);
      runner.set(part, done);
      sink.linear(part.module(layer), done);
    }
  }

  /** In the type it had; its values are other ones if its input was smoothed. */
  private LinearWeights unquantized(Part part) {
    DType type = recipe.rotation() == null ? parts.dtype(part) : source.config().dtype();
    return parts.linear(part, new DenseWeight(parts.weight(part).to(type, arena)));
  }

  private LinearWeights quantized(Part part, InputStats stats) {
    QuantScheme scheme = parts.scheme(part);
    ActivationQuant dynamic = scheme.activation();
    try {
      ActivationQuant activation =
          recipe.inputs() != null && dynamic.quantizes()
              ? FixedInputs.of(dynamic, stats.range())
              : dynamic;
      return parts.linear(part, codes(part, stats, scheme), activation);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(part.module(layer) + ": " + LayerQuantizer.reason(e), e);
    }
  }

  private QuantizedWeight codes(Part part, InputStats stats, QuantScheme scheme) {
    Tensor w = parts.weight(part);
    return switch (recipe.rounding(scheme)) {
      case Recipe.Rounding.Nearest _ -> RoundToNearest.quantize(w, scheme, arena);
      case Recipe.Rounding.Clipped(var clipping) ->
          clipping.steps() > 0
              ? ClippedRounding.quantize(w, stats.gram(), scheme, clipping, kernels, arena)
              : ClippedRounding.quantize(w, scheme, clipping, arena);
      case Recipe.Rounding.Compensated(var gptq) ->
          Gptq.quantize(w, stats.gram(), scheme, gptq, kernels, arena);
      case Recipe.Rounding.HalfQuadratic(var hqq) -> Hqq.quantize(w, scheme, hqq, arena);
    };
  }

  @Override
  public void close() {
    runner.close();
    arena.close();
  }
}
