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
      Progress progress) {
    this.source = source;
    this.kernels = kernels;
    this.schemes = schemes;
    this.losses = losses;
    this.replay = replay;
    this.progress = progress;
    long runs = (Part.values().length + 1L) * schemes.size();
    long all = (long) replay.layers() * schemes.size();
    for (int l = 0; l < replay.layers(); l++) {
      all += losses ? runs * cost(l) : 1;
    }
    this.total = all;
  }

  /**
   * Analyzes.
   *
   * @param source an unquantized model; stays the caller's, as do the kernels
   * @param sequences token ids of the text to measure on, each of at least 2
   * @param schemes at least one; weights as they are are none
   * @param losses whether to run the model for every linear layer; without it only the layers by
   *     themselves are looked at, which takes a fraction of the time
   * @param progress told in layers run
   * @throws dev.octet.checkpoint.CheckpointException if the model is quantized already
   */
  public static SensitivityReport run(
      WeightSource source,
      Kernels kernels,
      List<int[]> sequences,
      List<Candidate> schemes,
      boolean losses,
      Progress progress) {
    if (schemes.isEmpty() || schemes.stream().anyMatch(s -> s.scheme() == null)) {
      throw new IllegalArgumentException("name schemes to look at; 'none' loses nothing");
    }
    try (Replay replay = new Replay(source, kernels, sequences)) {
      return new SensitivityAnalysis(source, kernels, schemes, losses, replay, progress).run();
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
      whole.add(whole(scheme));
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
      LayerVariants.Variant variant = variants.get(part, scheme);
      LinearError error =
          new LinearError(
              LinearError.ofWeights(stored.weight(), variant.weights().weight()),
              LinearError.ofOutputs(
                  replay.runner(replay.layer()).get(part),
                  variant.linear(),
                  inputs.of(part).sample()));
      @Nullable Loss loss = losses ? loss(unit, scheme, variants) : null;
      effects.add(new LinearReport.Effect(error, loss));
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

  private Loss loss(Unit unit, Candidate scheme, LayerVariants variants) {
    Loss loss = Loss.of(replay.with(variants.linears(unit.parts(), scheme)));
    advance(cost(unit.layer()), unit + " " + scheme);
    return loss;
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
