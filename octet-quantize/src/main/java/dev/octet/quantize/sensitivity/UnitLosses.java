package dev.octet.quantize.sensitivity;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.Progress;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
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
  private final Measurements measurements;

  /**
   * @param source an unquantized model; stays the caller's, as do the kernels
   * @param sequences token ids of the text to measure on, each of at least 2
   * @param units in the order of their layers
   * @param measurements what is known already, and what becomes known; stays the caller's
   */
  public UnitLosses(
      WeightSource source,
      Kernels kernels,
      List<int[]> sequences,
      List<Unit> units,
      List<Candidate> candidates,
      Measurements measurements) {
    this.source = source;
    this.kernels = kernels;
    this.units = List.copyOf(units);
    this.candidates = List.copyOf(candidates);
    this.measurements = measurements;
    this.replay = new Replay(source, kernels, sequences);
  }

  /** Which candidates of which units are to be measured. */
  @FunctionalInterface
  public interface Wanted {
    boolean wants(int unit, int candidate);
  }

  /** What {@link #each} will take. */
  public Forecast forecast(@Nullable List<Candidate> mix, Wanted wanted) {
    double seconds = 0;
    long runs = 0;
    long known = 0;
    for (int u = 0; u < units.size(); u++) {
      long unknown = runs(context(mix), u, wanted);
      runs += unknown;
      known += names(context(mix), u, wanted).size() - unknown;
      seconds += unknown * replay.seconds(replay.layers() - units.get(u).layer());
    }
    return new Forecast(seconds, runs, known, replay.tokens());
  }

  /** Layers run by {@link #each}, the unit of its progress. */
  private long total(String context, Wanted wanted) {
    long sum = 0;
    for (int u = 0; u < units.size(); u++) {
      sum += cost(context, u, wanted);
    }
    return Math.max(1, sum);
  }

  private long cost(String context, int unit, Wanted wanted) {
    return runs(context, unit, wanted) * (replay.layers() - units.get(unit).layer() + 1L);
  }

  private long runs(String context, int unit, Wanted wanted) {
    return names(context, unit, wanted).stream().filter(n -> !measurements.has(n)).count();
  }

  private Set<String> names(String context, int unit, Wanted wanted) {
    Set<String> names = new HashSet<>();
    for (int c = 0; c < candidates.size(); c++) {
      if (wanted.wants(unit, c)) {
        names.add(name(context, units.get(unit), candidates.get(c)));
      }
    }
    return names;
  }

  /** What a measurement is called: candidates that come to the same on a unit are one. */
  private String name(String context, Unit unit, Candidate candidate) {
    return context + unit + " " + schemes(unit, candidate);
  }

  private String schemes(Unit unit, Candidate candidate) {
    return unit.parts().stream()
        .map(part -> candidate.on(columns(unit.layer(), part)))
        .map(scheme -> scheme == null ? Candidate.NONE.label() : scheme.toString())
        .distinct()
        .collect(Collectors.joining(", "));
  }

  private long columns(int layer, Part part) {
    return source.linear(part.module(layer)).weight().columns();
  }

  /** What precedes the names of measurements in the midst of a mix. */
  private String context(@Nullable List<Candidate> mix) {
    return mix == null ? "" : "in " + digest(mix) + ": ";
  }

  private String digest(List<Candidate> mix) {
    List<String> words = new ArrayList<>();
    for (int u = 0; u < units.size(); u++) {
      words.add(units.get(u) + " " + schemes(units.get(u), mix.get(u)));
    }
    return Measurements.digest(words);
  }

  /**
   * The model's divergence from the original if one unit is exchanged.
   *
   * @param mix what the other units are, one a unit; null: the original
   * @return nats, [unit][candidate]; NaN for what is not wanted
   */
  public double[][] each(@Nullable List<Candidate> mix, Wanted wanted, Progress progress) {
    String context = context(mix);
    long total = total(context, wanted);
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
        done = layer(context, losses, wanted, done);
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

  private long layer(String context, double[][] losses, Wanted wanted, long begun) {
    long done = begun;
    int layer = replay.layer();
    try (LayerVariants variants = new LayerVariants(source, kernels, layer)) {
      for (int u = 0; u < units.size(); u++) {
        Unit unit = units.get(u);
        if (unit.layer() == layer) {
          done += cost(context, u, wanted);
          losses[u] = unit(context, u, wanted, variants);
        }
      }
    }
    return done;
  }

  private double[] unit(String context, int index, Wanted wanted, LayerVariants variants) {
    Unit unit = units.get(index);
    double[] losses = new double[candidates.size()];
    for (int c = 0; c < losses.length; c++) {
      Candidate candidate = candidates.get(c);
      losses[c] =
          wanted.wants(index, c)
              ? measurements
                  .loss(
                      name(context, unit, candidate),
                      () -> Loss.of(replay.with(variants.linears(unit.parts(), candidate))))
                  .divergence()
              : Double.NaN;
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
    return measurements.loss("mix " + digest(mix), () -> measured(mix));
  }

  private Loss measured(List<Candidate> mix) {
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
