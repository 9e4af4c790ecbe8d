package dev.octet.quantize.mixed;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.quantize.MemorySize;
import dev.octet.quantize.Progress;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Measurements;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Finds a scheme for every unit of a model within a budget. Every candidate of every unit is
 * measured alone in the original: what it does to the model's predictions. These losses do not
 * quite add up, so what the search picks is run as a whole, and corrected by what that shows: under
 * a limit of size or speed every candidate is measured again in the midst of the mix; under a limit
 * of loss the limit moves until what is measured keeps it.
 */
public final class MixedPrecision {
  /** Rounds of measuring again; more have never changed a mix by much. */
  private static final int CORRECTIONS = 2;

  private static final int LOSS_TRIALS = 7;
  private static final int SPEED_TRIALS = 4;
  private static final int FRONTIER = 7;

  private final Workshop shop;
  private final List<List<Candidate>> families;
  private final Budget budget;
  private final Phases phases;
  private final List<String> notes = new ArrayList<>();

  private MixedPrecision(
      Workshop shop, List<List<Candidate>> families, Budget budget, Phases phases) {
    this.shop = shop;
    this.families = families;
    this.budget = budget;
    this.phases = phases;
  }

  /**
   * Plans.
   *
   * @param source an unquantized model; stays the caller's, as do the kernels
   * @param sequences token ids of the text to measure on, each of at least 2
   * @param families what units may become, at least two candidates, and which go together
   * @param measurements what is known already, and what becomes known; stays the caller's
   * @throws IllegalArgumentException if no mix keeps the budget, saying what would be possible
   * @throws dev.octet.checkpoint.CheckpointException if the model is quantized already
   */
  public static Plan plan(
      WeightSource source,
      Kernels kernels,
      List<int[]> sequences,
      Families families,
      Measurements measurements,
      Budget budget,
      Phases phases) {
    List<Candidate> all = families.all();
    if (all.size() < 2) {
      throw new IllegalArgumentException("a choice takes at least two candidates");
    }
    try (Workshop shop = new Workshop(source, kernels, sequences, all, measurements)) {
      return new MixedPrecision(shop, families.sets(), budget, phases).plan();
    }
  }

  /**
   * A mix that the search has found.
   *
   * @param family the candidates it was found among
   * @param value the sum of what was to be small
   */
  private record Found(Mix mix, List<Candidate> family, double value) {}

  /** The best mix of any family; null if none keeps the limit. */
  private @Nullable Found best(
      ToDoubleFunction<Choice> value, ToDoubleFunction<Choice> cost, double limit) {
    @Nullable Found best = null;
    for (List<Candidate> family : families) {
      List<List<Choice>> choices = shop.alone(family);
      int[] picks = BudgetSearch.minimize(choices, value, cost, limit);
      if (picks != null) {
        double sum = 0;
        for (int u = 0; u < picks.length; u++) {
          sum += value.applyAsDouble(choices.get(u).get(picks[u]));
        }
        best =
            best == null || sum < best.value
                ? new Found(shop.mix(choices, picks), family, sum)
                : best;
      }
    }
    return best;
  }

  private long leastBytes() {
    return families.stream().mapToLong(shop::leastBytes).min().orElseThrow();
  }

  private Plan plan() {
    if (budget instanceof Budget.Size(long bytes) && bytes < leastBytes()) {
      throw tooSmall();
    }
    shop.measure(budget instanceof Budget.Speed, phases);
    MixPoint chosen =
        switch (budget) {
          case Budget.Size(long bytes) -> bySize(bytes);
          case Budget.Loss(double change) -> byLoss(change);
          case Budget.Speed(double tokens) -> bySpeed(tokens);
        };
    Progress progress = phases.begin("frontier");
    int total = FRONTIER + shop.candidates().size();
    List<MixPoint> uniform = new ArrayList<>();
    for (Candidate candidate : shop.candidates()) {
      uniform.add(shop.point("all " + candidate, shop.uniform(candidate)));
      progress.update(uniform.size(), total, candidate.label());
    }
    return new Plan(budget, chosen, frontier(chosen, progress, total), uniform, notes);
  }

  private static double sum(List<List<Choice>> units, ToDoubleFunction<Choice> of) {
    return BudgetSearch.least(units, of).orElseThrow();
  }

  private MixPoint bySize(long bytes) {
    double room = (double) bytes - shop.otherBytes();
    Found found = best(Choice::loss, Choice::bytes, room);
    if (found == null) {
      throw tooSmall();
    }
    return corrected(found, Choice::bytes, room);
  }

  private IllegalArgumentException tooSmall() {
    return new IllegalArgumentException(
        "no mix of %s has %s; the smallest takes %s, %s of it the embedding and the head"
            .formatted(
                shop.candidates(),
                budget,
                MemorySize.of(leastBytes()),
                MemorySize.of(shop.otherBytes())));
  }

  /** Measures every candidate within the mix and searches again, as long as that gains. */
  private MixPoint corrected(Found first, ToDoubleFunction<Choice> cost, double limit) {
    MixPoint best = shop.point("chosen", first.mix());
    for (int round = 1; round <= CORRECTIONS; round++) {
      List<List<Choice>> choices =
          shop.within(best, first.family(), phases.begin("correction " + round));
      int[] picks = BudgetSearch.minimize(choices, Choice::loss, cost, limit);
      if (picks == null || shop.mix(choices, picks).equals(best.mix())) {
        break;
      }
      MixPoint next = shop.point("chosen", shop.mix(choices, picks));
      if (next.measured().divergence() >= best.measured().divergence()) {
        notes.add("measuring again within the mix found nothing better");
        break;
      }
      notes.add(
          String.format(
              Locale.ROOT,
              "measuring again within the mix: KL %.5f instead of %.5f",
              next.measured().divergence(),
              best.measured().divergence()));
      best = next;
    }
    return best;
  }

  /** The limit on the sum of divergences moves until perplexity, as measured, keeps its own. */
  private MixPoint byLoss(double change) {
    double wanted = Math.log1p(change);
    double limit = wanted;
    double low = 0;
    double high = Double.POSITIVE_INFINITY;
    @Nullable MixPoint best = null;
    Progress progress = phases.begin("search");
    for (int trial = 1; trial <= LOSS_TRIALS; trial++) {
      Found found = best(Choice::bytes, Choice::loss, limit);
      if (found == null) {
        break;
      }
      MixPoint point = shop.point("chosen", found.mix());
      double loss = point.measured().nllChange() + point.measured().standardError();
      if (loss <= wanted) {
        low = limit;
        best = best == null || point.bytes() < best.bytes() ? point : best;
      } else {
        high = limit;
      }
      progress.update(trial, LOSS_TRIALS, point.mix().toString());
      double aim = limit * wanted / Math.max(loss, wanted / 2);
      limit = aim > low && aim < high ? aim : Math.min((low + high) / 2, 2 * limit);
    }
    if (best == null) {
      throw new IllegalArgumentException(
          "no mix of %s was found with %s; add 'none' to --candidates, or more --samples"
              .formatted(shop.candidates(), budget));
    }
    return best;
  }

  private MixPoint bySpeed(double tokensPerSecond) {
    Candidate first = shop.candidates().getFirst();
    double layers = shop.alone().stream().mapToDouble(unit -> unit.getFirst().seconds()).sum();
    double rest = Math.max(0, shop.seconds(shop.uniform(first)) - layers);
    double wanted = 1 / tokensPerSecond;
    double limit = wanted - rest;
    double fastest = sum(shop.alone(), Choice::seconds);
    Progress progress = phases.begin("speed");
    for (int trial = 1; trial <= SPEED_TRIALS; trial++) {
      Found found = best(Choice::loss, Choice::seconds, limit);
      if (found == null) {
        break;
      }
      Mix mix = found.mix();
      double seconds = shop.seconds(mix);
      progress.update(trial, SPEED_TRIALS, mix.toString());
      if (seconds <= wanted) {
        notes.add(String.format(Locale.ROOT, "decodes %.1f tokens/s here", 1 / seconds));
        return shop.point("chosen", mix);
      }
      limit -= (seconds - wanted) * 1.2;
    }
    throw new IllegalArgumentException(
        String.format(
            Locale.ROOT,
            "no mix of %s was found with %s here; the fastest is about %.1f tokens/s",
            shop.candidates(),
            budget,
            1 / (rest + fastest)));
  }

  /** Sizes at even distances between the smallest mix and the largest. */
  private List<MixPoint> frontier(MixPoint chosen, Progress progress, int total) {
    double least = sum(shop.alone(), Choice::bytes);
    double most =
        shop.alone().stream()
            .mapToDouble(unit -> unit.stream().mapToDouble(Choice::bytes).max().orElseThrow())
            .sum();
    List<MixPoint> points = new ArrayList<>(List.of(chosen));
    for (int i = 0; i < FRONTIER; i++) {
      double limit = least * Math.pow(most / least, (double) i / (FRONTIER - 1));
      Found found = best(Choice::loss, Choice::bytes, limit);
      if (found != null) {
        Mix mix = found.mix();
        if (points.stream().noneMatch(p -> p.mix().equals(mix))) {
          points.add(shop.point("mix", mix));
        }
        progress.update(shop.candidates().size() + i + 1L, total, mix.toString());
      }
    }
    points.sort(Comparator.comparingLong(MixPoint::bytes));
    return points;
  }
}
