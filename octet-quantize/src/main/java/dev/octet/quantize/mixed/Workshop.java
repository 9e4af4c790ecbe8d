package dev.octet.quantize.mixed;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.quantize.MemoryEstimate;
import dev.octet.quantize.Progress;
import dev.octet.quantize.machine.LayerTimes;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Measurements;
import dev.octet.quantize.sensitivity.Unit;
import dev.octet.quantize.sensitivity.UnitLosses;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** What a search works with: units, candidates, their costs, and a way to measure mixes. */
final class Workshop implements AutoCloseable {
  private static final int TIMING_ROUNDS = 9;

  /** Choices to either side that are measured again within a mix. */
  private static final int NEAR = 2;

  private final WeightSource source;
  private final Kernels kernels;
  private final List<Unit> units;
  private final List<Candidate> candidates;
  private final UnitLosses losses;
  private final long otherBytes;
  private final long elements;
  private List<List<Choice>> alone = List.of();

  Workshop(
      WeightSource source,
      Kernels kernels,
      List<int[]> sequences,
      List<Candidate> candidates,
      Measurements measurements) {
    this.source = source;
    this.kernels = kernels;
    this.units = Unit.fused(source.config().layers());
    this.candidates = List.copyOf(candidates);
    this.losses = new UnitLosses(source, kernels, sequences, units, candidates, measurements);
    this.otherBytes =
        MemoryEstimate.weightBytes(source.config(), null)
            - units.stream().mapToLong(u -> UnitCosts.bytes(source, u, Candidate.NONE)).sum();
    this.elements = units.stream().mapToLong(u -> UnitCosts.elements(source, u)).sum();
  }

  /** Measures every unit alone in the original, and its speed if that matters. */
  void measure(boolean speed, Phases phases) {
    double[][] seconds = new double[units.size()][candidates.size()];
    if (speed) {
      LayerTimes.Times times =
          LayerTimes.measure(source, kernels, candidates, TIMING_ROUNDS, phases.begin("timing"));
      int kinds = times.decode().length;
      for (int u = 0; u < seconds.length; u++) {
        seconds[u] = times.decode()[u % kinds];
      }
    }
    UnitLosses.Wanted wanted = (u, c) -> candidates.get(c).scheme() != null;
    phases.expect(losses.forecast(null, wanted));
    double[][] found = losses.each(null, wanted, phases.begin("sensitivity"));
    List<List<Choice>> all = new ArrayList<>();
    for (int u = 0; u < units.size(); u++) {
      List<Choice> choices = new ArrayList<>();
      for (int c = 0; c < candidates.size(); c++) {
        Candidate candidate = candidates.get(c);
        long bytes = UnitCosts.bytes(source, units.get(u), candidate);
        choices.add(
            new Choice(
                candidate, bytes, seconds[u][c], candidate.scheme() == null ? 0 : found[u][c]));
      }
      all.add(choices);
    }
    alone = all;
  }

  /** Every unit's choices with the losses they have alone. */
  List<List<Choice>> alone() {
    return alone;
  }

  /** The same of some candidates only. */
  List<List<Choice>> alone(List<Candidate> family) {
    return alone.stream()
        .map(unit -> unit.stream().filter(c -> family.contains(c.candidate())).toList())
        .toList();
  }

  /**
   * Every unit's choices near the one it has in a mix, with what they change in the midst of it.
   *
   * @param family what may be chosen
   */
  List<List<Choice>> within(MixPoint mix, List<Candidate> family, Progress progress) {
    List<Set<Integer>> near = new ArrayList<>();
    for (int u = 0; u < units.size(); u++) {
      near.add(near(alone.get(u), candidates.indexOf(mix.mix().candidates().get(u)), family));
    }
    double[][] found =
        losses.each(mix.mix().candidates(), (u, c) -> near.get(u).contains(c), progress);
    double as = mix.measured().divergence();
    List<List<Choice>> all = new ArrayList<>();
    for (int u = 0; u < units.size(); u++) {
      List<Choice> choices = new ArrayList<>();
      int now = candidates.indexOf(mix.mix().candidates().get(u));
      choices.add(alone.get(u).get(now).withLoss(0));
      for (int c : near.get(u)) {
        choices.add(alone.get(u).get(c).withLoss(found[u][c] - as));
      }
      all.add(choices);
    }
    return all;
  }

  /** Of the choices that no other beats in both size and loss, the next ones to either side. */
  private static Set<Integer> near(List<Choice> choices, int now, List<Candidate> family) {
    List<Integer> useful = new ArrayList<>();
    for (int c = 0; c < choices.size(); c++) {
      Choice choice = choices.get(c);
      if (!family.contains(choice.candidate())) {
        continue;
      }
      boolean beaten =
          choices.stream()
              .filter(o -> family.contains(o.candidate()))
              .anyMatch(
                  o ->
                      !o.equals(choice) && o.bytes() <= choice.bytes() && o.loss() < choice.loss());
      if (!beaten || c == now) {
        useful.add(c);
      }
    }
    useful.sort(Comparator.comparingLong(c -> choices.get(c).bytes()));
    int at = useful.indexOf(now);
    Set<Integer> near =
        new TreeSet<>(
            useful.subList(Math.max(0, at - NEAR), Math.min(useful.size(), at + NEAR + 1)));
    near.remove(now);
    return near;
  }

  /** Bytes of embedding, norms and head, which stay as they are. */
  long otherBytes() {
    return otherBytes;
  }

  /** Bytes of the smallest mix of some candidates, all of the model included. */
  long leastBytes(List<Candidate> family) {
    return otherBytes
        + units.stream()
            .mapToLong(
                unit ->
                    family.stream()
                        .mapToLong(c -> UnitCosts.bytes(source, unit, c))
                        .min()
                        .orElseThrow())
            .sum();
  }

  /** What was picked of every unit's choices. */
  Mix mix(List<List<Choice>> choices, int[] picks) {
    List<Candidate> chosen = new ArrayList<>();
    for (int u = 0; u < picks.length; u++) {
      chosen.add(choices.get(u).get(picks[u]).candidate());
    }
    return new Mix(units, chosen);
  }

  Mix uniform(Candidate candidate) {
    return Mix.uniform(units, candidate);
  }

  List<Candidate> candidates() {
    return candidates;
  }

  /** Runs a mix. */
  MixPoint point(String name, Mix mix) {
    long bytes = 0;
    double predicted = 0;
    for (int u = 0; u < units.size(); u++) {
      Choice choice = alone.get(u).get(candidates.indexOf(mix.candidates().get(u)));
      bytes += choice.bytes();
      predicted += choice.loss();
    }
    return new MixPoint(
        name,
        mix,
        otherBytes + bytes,
        8.0 * bytes / elements,
        predicted,
        losses.of(mix.candidates()));
  }

  /** Seconds a token of a whole model in a mix. */
  double seconds(Mix mix) {
    return DecodeTimer.seconds(source, kernels, mix);
  }

  @Override
  public void close() {
    losses.close();
  }
}
