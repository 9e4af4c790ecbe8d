package dev.octet.quantize.sensitivity;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.Progress;
import dev.octet.quantize.compare.DistanceSummary;
import dev.octet.tensor.LinearWeights;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Looks at every linear layer of a model by itself: what quantizing does to its weights, to its
 * outputs, and to the predictions of the model in which nothing else is quantized. The latter runs
 * only the layers that follow, see {@link Replay}.
 */
public final class SensitivityAnalysis {
  private final WeightSource source;
  private final Kernels kernels;
  private final List<Candidate> schemes;
  private final boolean losses;
  private final Replay replay;
  private final Measurements measurements;
  private final Progress progress;
  private final long total;
  private final List<LinearReport> linears = new ArrayList<>();
  private final List<List<Loss>> layers = new ArrayList<>();
  private long done;

  private SensitivityAnalysis(
      WeightSource source,
      Kernels kernels,
      List<Candidate> schemes,
      boolean losses,
      Replay replay,
      Measurements measurements,
      Progress progress) {
    this.source = source;
    this.kernels = kernels;
    this.schemes = schemes;
    this.losses = losses;
    this.replay = replay;
    this.progress = progress;
    this.measurements = measurements;
    long all = 0;
    for (Candidate scheme : schemes) {
      all += measurements.has("all " + scheme) ? 0 : replay.layers();
      for (int l = 0; l < replay.layers(); l++) {
        all += losses ? unknown(l, scheme) * cost(l) : 0;
      }
    }
    this.total = Math.max(1, all + (losses ? 0 : replay.layers()));
  }

  private static List<Unit> units(int layer) {
    List<Unit> units = new ArrayList<>(List.of(Unit.whole(layer)));
    for (Part part : Part.values()) {
      units.add(Unit.of(layer, part));
    }
    return units;
  }

  private static String name(Unit unit, Candidate scheme) {
    return unit + " " + scheme;
  }

  private long unknown(int layer, Candidate scheme) {
    return units(layer).stream().filter(u -> !measurements.has(name(u, scheme))).count();
  }

  private Forecast forecast() {
    double seconds = 0;
    long runs = 0;
    for (Candidate scheme : schemes) {
      for (int l = 0; losses && l < replay.layers(); l++) {
        long unknown = unknown(l, scheme);
        runs += unknown;
        seconds += unknown * replay.seconds(replay.layers() - l);
      }
      seconds += measurements.has("all " + scheme) ? 0 : replay.seconds(replay.layers());
    }
    return new Forecast(seconds, runs, measurements.size(), replay.tokens());
  }

  /**
   * Analyzes.
   *
   * @param source an unquantized model; stays the caller's, as do the kernels
   * @param sequences token ids of the text to measure on, each of at least 2
   * @param schemes at least one; weights as they are are none
   * @param losses whether to run the model for every linear layer; without it only the layers by
   *     themselves are looked at, which takes a fraction of the time
   * @param measurements what is known already, and what becomes known; stays the caller's
   * @param forecast hears what it will take
   * @param progress told in layers run
   * @throws dev.octet.checkpoint.CheckpointException if the model is quantized already
   */
  public static SensitivityReport run(
      WeightSource source,
      Kernels kernels,
      List<int[]> sequences,
      List<Candidate> schemes,
      boolean losses,
      Measurements measurements,
      Consumer<Forecast> forecast,
      Progress progress) {
    if (schemes.isEmpty() || schemes.stream().anyMatch(s -> s.scheme() == null)) {
      throw new IllegalArgumentException("name schemes to look at; 'none' loses nothing");
    }
    try (Replay replay = new Replay(source, kernels, sequences)) {
      SensitivityAnalysis analysis =
          new SensitivityAnalysis(source, kernels, schemes, losses, replay, measurements, progress);
      forecast.accept(analysis.forecast());
      return analysis.run();
    }
  }

  private long cost(int layer) {
    return replay.layers() - layer + 1L;
  }

  private SensitivityReport run() {
    while (replay.layer() < replay.layers()) {
      layer();
      replay.advance();
    }
    DistanceSummary same = replay.distance();
    List<Loss> whole = new ArrayList<>();
    for (Candidate scheme : schemes) {
      whole.add(measurements.loss("all " + scheme, () -> whole(scheme)));
    }
    return new SensitivityReport(
        schemes, linears, layers, whole, same.tokens(), same.basePerplexity());
  }

  private void layer() {
    int layer = replay.layer();
    try (LayerVariants variants = new LayerVariants(source, kernels, layer);
        Arena arena = Arena.ofShared()) {
      LayerInputs inputs = LayerInputs.of(replay.runner(layer), replay.streams(), arena);
      for (Part part : Part.values()) {
        linears.add(linear(part, variants, inputs));
      }
      if (losses) {
        List<Loss> all = new ArrayList<>();
        schemes.forEach(scheme -> all.add(loss(Unit.whole(layer), scheme, variants)));
        layers.add(all);
      } else {
        advance(1, layer + ".all");
      }
    }
  }

  private LinearReport linear(Part part, LayerVariants variants, LayerInputs inputs) {
    Unit unit = Unit.of(replay.layer(), part);
    LinearWeights stored = variants.stored(part);
    List<LinearReport.Effect> effects = new ArrayList<>();
    for (Candidate scheme : schemes) {
      double[] error =
          measurements.of(
              "error of " + name(unit, scheme),
              () -> error(part, variants.get(part, scheme), stored, inputs));
      @Nullable Loss loss = losses ? loss(unit, scheme, variants) : null;
      effects.add(new LinearReport.Effect(new LinearError(error[0], error[1]), loss));
    }
    return new LinearReport(
        unit,
        part.module(unit.layer()),
        stored.weight().rows(),
        stored.weight().columns(),
        Moments.kurtosis(stored.weight()),
        InputProfile.of(inputs.of(part)),
        effects);
  }

  private double[] error(
      Part part, LayerVariants.Variant variant, LinearWeights stored, LayerInputs inputs) {
    return new double[] {
      LinearError.ofWeights(stored.weight(), variant.weights().weight()),
      LinearError.ofOutputs(
          replay.runner(replay.layer()).get(part), variant.linear(), inputs.of(part).sample())
    };
  }

  private Loss loss(Unit unit, Candidate scheme, LayerVariants variants) {
    return measurements.loss(
        name(unit, scheme),
        () -> {
          Loss loss = Loss.of(replay.with(variants.linears(unit.parts(), scheme)));
          advance(cost(unit.layer()), name(unit, scheme));
          return loss;
        });
  }

  private void advance(long units, String what) {
    done += units;
    progress.update(done, total, what);
  }

  /** All layers at once: whether losses add up. */
  private Loss whole(Candidate scheme) {
    replay.rewind();
    while (replay.layer() < replay.layers()) {
      int layer = replay.layer();
      try (LayerVariants variants = new LayerVariants(source, kernels, layer)) {
        Map<Part, Linear> replaced =
            replay.exchange(layer, variants.linears(List.of(Part.values()), scheme));
        replay.advance();
        replay.exchange(layer, replaced);
      }
      advance(1, "all " + scheme);
    }
    return Loss.of(replay.distance());
  }
}
