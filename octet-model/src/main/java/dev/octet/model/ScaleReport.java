package dev.octet.model;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.KvType;
import dev.octet.tensor.DType;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;

/**
 * Which layers' caches and queries have calibrated scales, and which of those look as if nobody had
 * measured them.
 *
 * @param layers decoder layers
 * @param calibrated layers whose cache has scales
 * @param queries layers whose queries have
 * @param missing layers without cache scales although others have them
 * @param ones layers of whose scales one kind is all 1.0
 * @param ranges how large the scales are, a kind and type each
 * @param unbacked what the checkpoint declares without scales, a sentence each
 */
public record ScaleReport(
    int layers,
    List<Integer> calibrated,
    List<Integer> queries,
    List<Integer> missing,
    List<Integer> ones,
    List<Range> ranges,
    List<String> unbacked) {

  /**
   * The size of one kind of scales, in all layers together.
   *
   * @param kind {@code cache keys}, {@code cache values}, {@code queries} or {@code inputs}
   * @param type {@code int8}, {@code fp8_e4m3} …
   * @param scales how many
   * @param offsets whether any offset differs from 0
   */
  public record Range(
      String kind, String type, int scales, float min, float median, float max, boolean offsets) {
    static Range of(String kind, String type, List<Float> values, boolean offsets) {
      List<Float> sorted = values.stream().sorted().toList();
      return new Range(
          kind,
          type,
          sorted.size(),
          sorted.getFirst(),
          sorted.get(sorted.size() / 2),
          sorted.getLast(),
          offsets);
    }
  }

  public ScaleReport {
    calibrated = List.copyOf(calibrated);
    queries = List.copyOf(queries);
    missing = List.copyOf(missing);
    ones = List.copyOf(ones);
    ranges = List.copyOf(ranges);
    unbacked = List.copyOf(unbacked);
  }

  /** Looks at all layers. */
  public static ScaleReport of(WeightSource source) {
    int layers = source.config().layers();
    List<Integer> calibrated = new ArrayList<>();
    List<Integer> queries = new ArrayList<>();
    List<Integer> missing = new ArrayList<>();
    List<Integer> ones = new ArrayList<>();
    Ranges ranges = new Ranges();
    for (int i = 0; i < layers; i++) {
      Optional<KvScales> cache = source.kvScales(i);
      Optional<QueryScales> query = source.queryScales(i);
      (cache.isPresent() ? calibrated : missing).add(i);
      cache.ifPresent(ranges::add);
      if (query.isPresent()) {
        queries.add(i);
        ranges.add(query.get());
      }
      boolean cacheOnes = cache.filter(s -> allOnes(s.key()) || allOnes(s.value())).isPresent();
      if (cacheOnes || query.filter(s -> allOnes(s.scale())).isPresent()) {
        ones.add(i);
      }
    }
    return new ScaleReport(
        layers,
        calibrated,
        queries,
        calibrated.isEmpty() ? List.of() : missing,
        ones,
        ranges.list(),
        source.scaleProblems());
  }

  /** Gathers scales by kind and type. */
  private static final class Ranges {
    private final SequencedMap<String, List<Float>> scales = new LinkedHashMap<>();
    private final Set<String> withOffsets = new HashSet<>();

    void add(KvScales s) {
      add("cache keys", s.type(), s.key(), s.keyOffset());
      add("cache values", s.type(), s.value(), s.valueOffset());
    }

    void add(QueryScales s) {
      add("queries", s.type(), s.scale(), s.offset());
    }

    private void add(String kind, DType type, float[] values, float[] offsets) {
      String key = kind + "\n" + KvPlan.typeOf(type).label();
      List<Float> all = scales.computeIfAbsent(key, k -> new ArrayList<>());
      for (float value : values) {
        all.add(value);
      }
      for (float offset : offsets) {
        if (offset != 0) {
          withOffsets.add(key);
        }
      }
    }

    List<Range> list() {
      return scales.entrySet().stream().map(e -> range(e.getKey(), e.getValue())).toList();
    }

    private Range range(String key, List<Float> values) {
      int newline = key.indexOf('\n');
      return Range.of(
          key.substring(0, newline), key.substring(newline + 1), values, withOffsets.contains(key));
    }
  }

  private static boolean allOnes(float[] scales) {
    for (float s : scales) {
      if (s != 1) {
        return false;
      }
    }
    return true;
  }

  /** What is wrong, one line each; empty if nothing is. */
  public List<String> problems() {
    List<String> problems = new ArrayList<>(unbacked);
    if (!missing.isEmpty()) {
      problems.add(
          "%d of %d layers have no calibrated cache scales, first layer %d"
              .formatted(missing.size(), layers, missing.getFirst()));
    }
    if (!ones.isEmpty()) {
      problems.add(
          "cache or attention scales are all 1.0 in %d of %d layers, first layer %d: never calibrated?"
              .formatted(ones.size(), layers, ones.getFirst()));
    }
    return problems;
  }

  /** Under {@link KvScalePolicy#STRICT}, refuses what {@link #problems} finds. */
  void enforce(KvScalePolicy policy, List<LayerAttention> plan) {
    if (policy != KvScalePolicy.STRICT) {
      return;
    }
    List<String> all = new ArrayList<>(problems());
    long computed =
        plan.stream().map(LayerAttention::cache).filter(c -> c.type().bits() == 8).count()
            - plan.stream().filter(l -> l.cache().staticScales() != null).count();
    if (all.isEmpty() && computed > 0) {
      KvType type = KvPlan.prevailing(plan).cache().type();
      all.add("the checkpoint has no calibrated scales for a cache in " + type.label());
    }
    policy.enforce(all);
  }
}
