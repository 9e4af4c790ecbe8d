package dev.octet.quantize.mixed;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.quantize.sensitivity.Candidate;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class BudgetSearchTest {
  private static Choice choice(long bytes, double loss) {
    return new Choice(Candidate.NONE, bytes, 0, loss);
  }

  private static double loss(List<List<Choice>> units, int[] picks) {
    double sum = 0;
    for (int u = 0; u < picks.length; u++) {
      sum += units.get(u).get(picks[u]).loss();
    }
    return sum;
  }

  private static long bytes(List<List<Choice>> units, int[] picks) {
    long sum = 0;
    for (int u = 0; u < picks.length; u++) {
      sum += units.get(u).get(picks[u]).bytes();
    }
    return sum;
  }

  /** Like layers: fewer bytes lose more, some units far more than others, with noise. */
  private static List<List<Choice>> random(Random random, int units, int choices) {
    List<List<Choice>> all = new ArrayList<>();
    for (int u = 0; u < units; u++) {
      double weight = Math.exp(2 * random.nextGaussian());
      List<Choice> unit = new ArrayList<>();
      for (int c = 0; c < choices; c++) {
        double bits = 3 + 13 * random.nextDouble();
        double loss = weight * Math.pow(4, -bits / 2) * (0.5 + random.nextDouble());
        unit.add(choice(Math.round(100 * bits), loss));
      }
      all.add(unit);
    }
    return all;
  }

  private static double best(List<List<Choice>> units, int unit, long room) {
    if (unit == units.size()) {
      return 0;
    }
    double least = Double.POSITIVE_INFINITY;
    for (Choice choice : units.get(unit)) {
      if (choice.bytes() <= room) {
        least = Math.min(least, choice.loss() + best(units, unit + 1, room - choice.bytes()));
      }
    }
    return least;
  }

  @Test
  void theLimitHoldsAndTheLossIsNearTheLeastThereIs() {
    Random random = new Random(11);
    double sum = 0;
    int feasible = 0;
    for (int i = 0; i < 200; i++) {
      List<List<Choice>> units = random(random, 6, 4);
      int limit = 6 * 300 + random.nextInt(6 * 1300);
      int[] picks = BudgetSearch.minimize(units, Choice::loss, Choice::bytes, limit);
      double least = best(units, 0, limit);
      assertThat(picks == null).isEqualTo(Double.isInfinite(least));
      if (picks != null) {
        assertThat(bytes(units, picks)).isLessThanOrEqualTo(limit);
        assertThat(loss(units, picks)).isGreaterThanOrEqualTo(least * (1 - 1e-9));
        sum += loss(units, picks) / least;
        feasible++;
      }
    }
    assertThat(feasible).isGreaterThan(100);
    assertThat(sum / feasible).isLessThan(1.05);
  }

  @Property(tries = 30)
  void nothingIsBetterWithOneOrTwoExchanges(@ForAll long seed) {
    List<List<Choice>> units = random(new Random(seed), 12, 5);
    int[] picks = BudgetSearch.minimize(units, Choice::loss, Choice::bytes, 12 * 700);
    if (picks == null) {
      return;
    }
    double found = loss(units, picks);
    for (int u = 0; u < picks.length; u++) {
      for (int v = 0; v < picks.length; v++) {
        for (int c = 0; c < 5; c++) {
          for (int d = 0; d < 5; d++) {
            int[] other = picks.clone();
            other[u] = c;
            other[v] = d;
            if (bytes(units, other) <= 12 * 700) {
              assertThat(loss(units, other)).isGreaterThanOrEqualTo(found * (1 - 1e-8));
            }
          }
        }
      }
    }
  }

  @Test
  void lossesBelowZeroAreGains() {
    List<List<Choice>> units =
        List.of(List.of(choice(4, 0), choice(8, -3)), List.of(choice(4, 0), choice(2, 1)));
    int[] picks = BudgetSearch.minimize(units, Choice::loss, Choice::bytes, 10);
    assertThat(picks).containsExactly(1, 1);
  }

  @Test
  void theSmallestThatKeepsALossIsFoundTheSameWay() {
    List<List<Choice>> units =
        List.of(
            List.of(choice(16, 0), choice(8, 0.1), choice(4, 5)),
            List.of(choice(16, 0), choice(8, 0.1), choice(4, 0.3)));
    int[] picks = BudgetSearch.minimize(units, Choice::bytes, Choice::loss, 0.5);
    assertThat(picks).containsExactly(1, 2);
    assertThat(BudgetSearch.minimize(units, Choice::loss, Choice::bytes, 7)).isNull();
  }
}
