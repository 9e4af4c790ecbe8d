package dev.octet.quantize.mixed;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.quantize.Preflight;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Unit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * Which candidates may stand side by side in one model: a format may hold each of two schemes, but
 * not both at once, as where all layers have groups of one size.
 *
 * @param sets of candidates each two of which can be written side by side, as large as they get
 * @param refused candidates that the format or the method has no form for at all, with the reason
 */
public record Families(List<List<Candidate>> sets, SequencedMap<Candidate, String> refused) {
  /** Any mix of these. */
  public static Families free(List<Candidate> candidates) {
    return new Families(List.of(candidates.stream().distinct().toList()), new LinkedHashMap<>());
  }

  /**
   * Asks a format.
   *
   * @param config of the model that is to be written
   * @param method what is done to layers under some options; an IllegalArgumentException says that
   *     it is none for them
   */
  public static Families of(
      ModelConfig config,
      List<Candidate> candidates,
      Function<QuantizeOptions, ? extends Preflight.Method> method,
      WriteFormat format) {
    List<Unit> units = Unit.fused(config.layers());
    SequencedMap<Candidate, String> refused = new LinkedHashMap<>();
    List<Candidate> held = new ArrayList<>();
    for (Candidate candidate : candidates.stream().distinct().toList()) {
      problem(config, Mix.uniform(units, candidate), method, format)
          .ifPresentOrElse(reason -> refused.put(candidate, reason), () -> held.add(candidate));
    }
    boolean[][] fit = new boolean[held.size()][held.size()];
    for (int a = 0; a < fit.length; a++) {
      for (int b = 0; b < a; b++) {
        fit[a][b] =
            problem(config, alternating(units, held.get(a), held.get(b)), method, format).isEmpty()
                && problem(config, alternating(units, held.get(b), held.get(a)), method, format)
                    .isEmpty();
        fit[b][a] = fit[a][b];
      }
    }
    List<List<Candidate>> sets = new ArrayList<>();
    grow(List.of(), 0, fit).stream()
        .filter(set -> isWhole(set, fit))
        .forEach(set -> sets.add(set.stream().map(held::get).toList()));
    return new Families(sets, refused);
  }

  /** Every unit beside units of the other candidate. */
  private static Mix alternating(List<Unit> units, Candidate a, Candidate b) {
    List<Candidate> each = new ArrayList<>();
    for (int u = 0; u < units.size(); u++) {
      each.add(u % 2 == 0 ? a : b);
    }
    return new Mix(units, each);
  }

  private static Optional<String> problem(
      ModelConfig config,
      Mix mix,
      Function<QuantizeOptions, ? extends Preflight.Method> method,
      WriteFormat format) {
    if (mix.candidates().stream().allMatch(c -> c.scheme() == null)) {
      return Optional.empty();
    }
    QuantizeOptions options = mix.options();
    try {
      return Preflight.problem(config, options, method.apply(options), format)
          .map(CheckpointException::getMessage);
    } catch (IllegalArgumentException e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  /** All sets of {@code chosen} and of those from {@code next} on in which each fits each. */
  private static List<List<Integer>> grow(List<Integer> chosen, int next, boolean[][] fit) {
    List<List<Integer>> sets = new ArrayList<>();
    if (next == fit.length) {
      sets.add(chosen);
      return sets;
    }
    if (chosen.stream().allMatch(c -> fit[c][next])) {
      List<Integer> more = new ArrayList<>(chosen);
      more.add(next);
      sets.addAll(grow(more, next + 1, fit));
    }
    sets.addAll(grow(chosen, next + 1, fit));
    return sets;
  }

  /** Whether no other candidate fits all of a set. */
  private static boolean isWhole(List<Integer> set, boolean[][] fit) {
    for (int other = 0; other < fit.length; other++) {
      boolean[] fits = fit[other];
      if (!set.contains(other) && set.stream().allMatch(c -> fits[c])) {
        return false;
      }
    }
    return !set.isEmpty();
  }

  /** Every candidate of any set. */
  public List<Candidate> all() {
    return sets.stream().flatMap(List::stream).distinct().toList();
  }
}
