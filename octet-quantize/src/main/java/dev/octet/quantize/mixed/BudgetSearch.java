package dev.octet.quantize.mixed;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Picks one choice a unit so that the sum of one figure is small while the sum of another stays
 * within a limit: a multiple-choice knapsack. Greedy along the lower convex hull of every unit's
 * choices, the steepest step first, which is the Lagrangian's optimum wherever it uses up the limit
 * exactly; then single and pairwise exchanges as long as they gain.
 */
final class BudgetSearch {
  /** Exchanges that gain less than this share of the value are rounding. */
  private static final double GAIN = 1e-9;

  private static final int MOST_EXCHANGES = 2000;

  private final List<List<Choice>> units;
  private final ToDoubleFunction<Choice> value;
  private final ToDoubleFunction<Choice> cost;
  private final double limit;
  private final int[] picks;
  private double spent;

  private BudgetSearch(
      List<List<Choice>> units,
      ToDoubleFunction<Choice> value,
      ToDoubleFunction<Choice> cost,
      double limit) {
    this.units = units;
    this.value = value;
    this.cost = cost;
    this.limit = limit + 1e-12 * Math.abs(limit);
    this.picks = new int[units.size()];
  }

  /** The least sum of {@code cost} there is; empty without units. */
  static OptionalDouble least(List<List<Choice>> units, ToDoubleFunction<Choice> cost) {
    return units.isEmpty()
        ? OptionalDouble.empty()
        : OptionalDouble.of(
            units.stream()
                .mapToDouble(unit -> unit.stream().mapToDouble(cost).min().orElseThrow())
                .sum());
  }

  /**
   * Searches.
   *
   * @param value what is to be small
   * @param cost what must not exceed {@code limit} in sum
   * @return an index into its choices a unit; null if even the cheapest exceed the limit
   */
  static int @Nullable [] minimize(
      List<List<Choice>> units,
      ToDoubleFunction<Choice> value,
      ToDoubleFunction<Choice> cost,
      double limit) {
    BudgetSearch search = new BudgetSearch(units, value, cost, limit);
    search.cheapest();
    if (search.spent > search.limit) {
      return null;
    }
    search.climb();
    search.exchange();
    return search.picks;
  }

  private double value(int unit, int choice) {
    return value.applyAsDouble(units.get(unit).get(choice));
  }

  private double cost(int unit, int choice) {
    return cost.applyAsDouble(units.get(unit).get(choice));
  }

  private void pick(int unit, int choice) {
    spent += cost(unit, choice) - cost(unit, picks[unit]);
    picks[unit] = choice;
  }

  private void cheapest() {
    for (int u = 0; u < picks.length; u++) {
      for (int c = 1; c < units.get(u).size(); c++) {
        double less = cost(u, c) - cost(u, picks[u]);
        if (less < 0 || less == 0 && value(u, c) < value(u, picks[u])) {
          picks[u] = c;
        }
      }
      spent += cost(u, picks[u]);
    }
  }

  /** From one corner of a unit's hull to the next. */
  private record Step(int unit, int from, int to, double slope) {}

  private void climb() {
    List<Step> steps = new ArrayList<>();
    for (int u = 0; u < picks.length; u++) {
      hull(u, steps);
    }
    steps.sort(Comparator.comparingDouble(Step::slope).reversed());
    for (Step step : steps) {
      int u = step.unit();
      if (picks[u] == step.from() && spent + cost(u, step.to()) - cost(u, step.from()) <= limit) {
        pick(u, step.to());
      }
    }
  }

  /** From each corner the choice of steepest descent; among equals the farthest. */
  private void hull(int unit, List<Step> steps) {
    int at = picks[unit];
    while (true) {
      int next = -1;
      double best = 0;
      for (int c = 0; c < units.get(unit).size(); c++) {
        double more = cost(unit, c) - cost(unit, at);
        double slope = more > 0 ? (value(unit, at) - value(unit, c)) / more : 0;
        if (slope > best || slope > 0 && slope == best && cost(unit, c) > cost(unit, next)) {
          next = c;
          best = slope;
        }
      }
      if (next < 0) {
        return;
      }
      steps.add(new Step(unit, at, next, best));
      at = next;
    }
  }

  /** One unit's new choice, and another's or none. */
  private record Exchange(int unit, int choice, int other, int otherChoice, double gain) {}

  private void exchange() {
    for (int i = 0; i < MOST_EXCHANGES; i++) {
      Exchange best = bestExchange();
      if (best == null) {
        return;
      }
      pick(best.unit(), best.choice());
      if (best.other() >= 0) {
        pick(best.other(), best.otherChoice());
      }
    }
  }

  private @Nullable Exchange bestExchange() {
    double total = 0;
    for (int u = 0; u < picks.length; u++) {
      total += Math.abs(value(u, picks[u]));
    }
    double least = GAIN * total;
    Exchange best = null;
    for (int u = 0; u < picks.length; u++) {
      for (int c = 0; c < units.get(u).size(); c++) {
        double gain = value(u, picks[u]) - value(u, c);
        double room = limit - spent - cost(u, c) + cost(u, picks[u]);
        if (gain > least && room >= 0) {
          best = new Exchange(u, c, -1, -1, gain);
          least = gain;
        }
        for (int v = u + 1; v < picks.length; v++) {
          for (int d = 0; d < units.get(v).size(); d++) {
            double both = gain + value(v, picks[v]) - value(v, d);
            if (both > least && cost(v, d) - cost(v, picks[v]) <= room) {
              best = new Exchange(u, c, v, d, both);
              least = both;
            }
          }
        }
      }
    }
    return best;
  }
}
