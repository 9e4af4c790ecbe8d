package dev.octet.quantize.sensitivity;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.Progress;
import dev.octet.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Measures what units lose in every candidate: each alone in the original, or each in the midst of
 * a mix, where errors of other layers are there already.
 */
public final class UnitLosses implements AutoCloseable {
  private final WeightSource source;
  private final Kernels kernels;
  private final List<Unit> units;
  private final List<Candidate> candidates;
  private final Replay replay;

  /**
   * @param source an unquantized model; stays the caller's, as do the kernels
   * @param sequences token ids of the text to measure on, each of at least 2
   * @param units in the order of their layers
   */
  public UnitLosses(
      WeightSource source,
      Kernels kernels,
      List<int[]> sequences,
      List<Unit> units,
      List<Candidate> candidates) {
    this.source = source;
    this.kernels = kernels;
    this.units = List.copyOf(units);
    this.candidates = List.copyOf(candidates);
    this.replay = new Replay(source, kernels, sequences);
  }

  /** Which candidates of which units are to be measured. */
  @FunctionalInterface
  public interface Wanted {
    boolean wants(int unit, int candidate);
  }

  /** Layers run by {@link #each}, the unit of its progress. */
  private long total(Wanted wanted) {
    long sum = 0;
    for (int u = 0; u < units.size(); u++) {
      sum += cost(u, wanted);
    }
    return Math.max(1, sum);
  }

  private long cost(int unit, Wanted wanted) {
    long count = IntStream.range(0, candidates.size()).filter(c -> wanted.wants(unit, c)).count();
    return count * cost(units.get(unit));
  }

  private long cost(Unit unit) {
    return replay.layers() - unit.layer() + 1L;
  }

  /**
   * The model's divergence from the original if one unit is exchanged.
   *
   * @param mix what the other units are, one a unit; null: the original
   * @return nats, [unit][candidate]; NaN for what is not wanted
   */
  public double[][] each(@Nullable List<Candidate> mix, Wanted wanted, Progress progress) {
    long total = total(wanted);
    double[][] losses = new double[units.size()][];
    List<LayerVariants> background = new ArrayList<>();
    List<Map<Part, Linear>> originals = new ArrayList<>();
    replay.rewind();
    try {
      if (mix != null) {
        for (int l = 0; l < replay.layers(); l++) {
          background.add(new LayerVariants(source, kernels, l));
          originals.add(replay.exchange(l, linears(background.getLast(), l, mix)));
        }
      }
      long done = 0;
      while (replay.layer() < replay.layers()) {
        done = layer(losses, wanted, done);
        progress.update(done, total, "layer " + replay.layer());
        replay.advance();
      }
    } finally {
      for (int l = 0; l < originals.size(); l++) {
        replay.exchange(l, originals.get(l));
      }
      background.forEach(LayerVariants::close);
    }
    return losses;
  }

  private long layer(double[][] losses, Wanted wanted, long begun) {
    long done = begun;
    int layer = replay.layer();
    try (LayerVariants variants = new LayerVariants(source, kernels, layer)) {
      for (int u = 0; u < units.size(); u++) {
        Unit unit = units.get(u);
        if (unit.layer() == layer) {
          losses[u] = unit(u, wanted, variants);
          done += cost(u, wanted);
        }
      }
    }
    return done;
  }

  /** Candidates that come to the same on this unit's columns are measured once. */
  private double[] unit(int index, Wanted wanted, LayerVariants variants) {
    Unit unit = units.get(index);
    Map<List<@Nullable QuantScheme>, Double> known = new HashMap<>();
    double[] losses = new double[candidates.size()];
    for (int c = 0; c < losses.length; c++) {
      if (!wanted.wants(index, c)) {
        losses[c] = Double.NaN;
        continue;
      }
      Candidate candidate = candidates.get(c);
      List<@Nullable QuantScheme> schemes =
          Arrays.asList(
              unit.parts().stream()
                  .map(part -> candidate.on(variants.stored(part).weight().columns()))
                  .toArray(QuantScheme[]::new));
      Double loss = known.get(schemes);
      if (loss == null) {
        loss = replay.with(variants.linears(unit.parts(), candidate)).divergence();
        known.put(schemes, loss);
      }
      losses[c] = loss;
    }
    return losses;
  }

  private Map<Part, Linear> linears(LayerVariants variants, int layer, List<Candidate> mix) {
    Map<Part, Linear> linears = new EnumMap<>(Part.class);
    for (int u = 0; u < units.size(); u++) {
      if (units.get(u).layer() == layer) {
        linears.putAll(variants.linears(units.get(u).parts(), mix.get(u)));
      }
    }
    return linears;
  }

  /**
   * What a whole mix loses.
   *
   * @param mix one a unit
   */
  public Loss of(List<Candidate> mix) {
    replay.rewind();
    while (replay.layer() < replay.layers()) {
      int layer = replay.layer();
      try (LayerVariants variants = new LayerVariants(source, kernels, layer)) {
        Map<Part, Linear> originals = replay.exchange(layer, linears(variants, layer, mix));
        replay.advance();
        replay.exchange(layer, originals);
      }
    }
    return Loss.of(replay.distance());
  }

  @Override
  public void close() {
    replay.close();
  }
}
