package dev.octet.checkpoint.gptq;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.NamePattern;
import dev.octet.tensor.ScaleGrid;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The settings of a GPTQ checkpoint, from {@code quantization_config} of config.json or from
 * quantize_config.json; where both are there they must agree.
 */
final class GptqSettings {
  private static final List<String> BITS = List.of("bits", "w_bit", "wbits");
  private static final List<String> GROUP = List.of("group_size", "q_group_size");
  private static final List<String> FORMAT = List.of("checkpoint_format", "format");

  /**
   * How one layer is quantized.
   *
   * @param bits 2, 3, 4 or 8
   * @param group inputs that share a scale; −1: all; 0: the settings do not say
   * @param actOrder whether {@code g_idx} must tell the groups
   */
  record Layer(int bits, int group, boolean actOrder) {
    /** GPTQModel's own default, where the settings do not say and it makes so many groups. */
    private static final int DEFAULT_GROUP = 128;

    /**
     * Inputs of a group of a layer with k of them.
     *
     * @param stored groups that are stored, which tell where the settings do not
     */
    long columns(long k, long stored) {
      if (group != 0 || stored < 1) {
        return group > 0 ? group : Math.max(1, k);
      }
      if (stored == ScaleGrid.blocks(k, DEFAULT_GROUP)) {
        return Math.min(DEFAULT_GROUP, Math.max(1, k));
      }
      return k % stored == 0 ? k / stored : Math.max(1, k);
    }
  }

  /** A rule of {@code dynamic}: no layer means that it is not quantized. */
  private record Rule(NamePattern pattern, Optional<Layer> layer) {}

  private final Layer overall;
  private final boolean second;
  private final List<Rule> rules;

  /**
   * Reads and checks.
   *
   * @param fields what counts first
   * @param other the other file's settings, which complete the first; null: none
   * @param stored {@code gptq_checkpoint_format} of the weights' own header; null: none
   */
  GptqSettings(Fields fields, @Nullable Fields other, @Nullable String stored) {
    if (other != null) {
      requireSame(fields, other, BITS);
      requireSame(fields, other, GROUP);
      requireSame(fields, other, FORMAT);
    }
    Fields[] sources = other == null ? new Fields[] {fields} : new Fields[] {fields, other};
    Layer given = layer(sources, new Layer(0, 0, false));
    boolean ordered = given.actOrder() && !staticGroups(sources);
    this.overall = new Layer(given.bits(), given.group(), ordered);
    this.second = second(sources, stored);
    this.rules = rules(sources);
  }

  private static void requireSame(Fields fields, Fields other, List<String> names) {
    String one = name(new Fields[] {fields}, names).orElse("");
    String two = name(new Fields[] {other}, names).orElse("");
    if (!one.isEmpty() && !two.isEmpty() && !fields.raw(one).equals(other.raw(two))) {
      throw fields.problem(
          one, "is %s, but %s in quantize_config.json".formatted(fields.raw(one), other.raw(two)));
    }
  }

  private static boolean second(Fields[] sources, @Nullable String stored) {
    Fields where = source(sources, FORMAT).orElse(sources[0]);
    String field = name(sources, FORMAT).orElse(FORMAT.getFirst());
    String format =
        where.text(field).orElse(stored == null ? "gptq" : stored).toLowerCase(Locale.ROOT);
    return switch (format) {
      case "gptq" -> false;
      case "gptq_v2" -> true;
      default ->
          throw where.unsupported(
              field, "is '%s'; supported are gptq and gptq_v2".formatted(format));
    };
  }

  private static Layer layer(Fields[] sources, Layer fallback) {
    return new Layer(
        bits(sources, fallback.bits),
        group(sources, fallback.group),
        actOrder(sources, fallback.actOrder));
  }

  private static int bits(Fields[] sources, int fallback) {
    Optional<Fields> where = source(sources, BITS);
    if (where.isEmpty()) {
      if (fallback == 0) {
        throw sources[0].problem("bits", "is missing");
      }
      return fallback;
    }
    String field = name(sources, BITS).orElseThrow();
    int bits = where.get().requireInteger(field, 1, 32);
    if (!Set.of(2, 3, 4, 8).contains(bits)) {
      throw where.get().problem(field, "is " + bits + ": GPTQ has 2, 3, 4 or 8 bits");
    }
    return bits;
  }

  private static int group(Fields[] sources, int fallback) {
    Optional<Fields> where = source(sources, GROUP);
    if (where.isEmpty()) {
      return fallback;
    }
    String field = name(sources, GROUP).orElseThrow();
    int group = where.get().requireInteger(field, -1, Integer.MAX_VALUE);
    if (group == 0) {
      throw where.get().problem(field, "is 0: it must be -1 or at least 1");
    }
    return group;
  }

  private static boolean actOrder(Fields[] sources, boolean fallback) {
    Optional<Fields> where = source(sources, List.of("desc_act"));
    return where.isPresent() ? where.get().flag("desc_act", fallback) : fallback;
  }

  /** Groups of neighbours although columns were quantized in another order. */
  private static boolean staticGroups(Fields[] sources) {
    for (Fields f : sources) {
      boolean inMeta = f.object("meta").map(m -> m.flag("static_groups", false)).orElse(false);
      if (inMeta || f.flag("static_groups", false)) {
        return true;
      }
    }
    return false;
  }

  private List<Rule> rules(Fields[] sources) {
    List<Rule> list = new ArrayList<>();
    Optional<Fields> where = source(sources, List.of("dynamic"));
    if (where.isEmpty() || !where.get().isFilled("dynamic")) {
      return list;
    }
    Fields dynamic = where.get().object("dynamic").orElseThrow();
    for (String key : dynamic.names()) {
      boolean minus = key.startsWith("-:");
      boolean excluded = minus || dynamic.raw(key).equals("false");
      String regex = minus || key.startsWith("+:") ? key.substring(2) : key;
      Optional<Layer> layer =
          excluded
              ? Optional.empty()
              : Optional.of(
                  dynamic.object(key).map(f -> layer(new Fields[] {f}, overall)).orElse(overall));
      list.add(new Rule(new NamePattern(where.get(), "dynamic", regex), layer));
    }
    return list;
  }

  /** The first of the sources that has one of the fields. */
  private static Optional<Fields> source(Fields[] sources, List<String> names) {
    for (Fields f : sources) {
      if (names.stream().anyMatch(f::has)) {
        return Optional.of(f);
      }
    }
    return Optional.empty();
  }

  private static Optional<String> name(Fields[] sources, List<String> names) {
    return source(sources, names).flatMap(f -> names.stream().filter(f::has).findFirst());
  }

  /** Whether zero points are stored as they are, not less one. */
  boolean second() {
    return second;
  }

  /** How a layer is quantized; empty where a rule leaves it alone. The first rule counts. */
  Optional<Layer> of(String module) {
    for (Rule rule : rules) {
      if (rule.pattern.matches(module)) {
        return rule.layer;
      }
    }
    return Optional.of(overall);
  }
}
