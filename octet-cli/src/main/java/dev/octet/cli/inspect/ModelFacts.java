package dev.octet.cli.inspect;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.RopeScaling;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicLong;

/** A model's config in words. */
final class ModelFacts {
  private ModelFacts() {}

  static SequencedMap<String, String> of(ModelConfig c) {
    SequencedMap<String, String> facts = new LinkedHashMap<>();
    facts.put("architecture", c.architecture().className() + " (" + c.dtype().label() + ")");
    facts.put("parameters", count(parameters(c)));
    facts.put(
        "size",
        "%d layers, hidden %d, feed-forward %d, vocabulary %d%s"
            .formatted(
                c.layers(),
                c.hiddenSize(),
                c.intermediateSize(),
                c.vocabSize(),
                c.tiedEmbeddings() ? " (head tied to the embedding)" : ""));
    facts.put(
        "attention",
        "%d query heads on %d key/value heads of %d%s%s"
            .formatted(
                c.heads(), c.kvHeads(), c.headDim(), c.qkNorm() ? ", normalized" : "", window(c)));
    facts.put(
        "context", c.maxPositions() + " tokens, rotary base " + number(c.ropeTheta()) + rope(c));
    return facts;
  }

  /** Numbers the model has learnt; tied embeddings count once. */
  static long parameters(ModelConfig config) {
    AtomicLong sum = new AtomicLong();
    ModelLayout.plain(
        config, p -> sum.addAndGet(p.shape().stream().reduce(1L, Math::multiplyExact)));
    ModelLayout.linears(
        config,
        l -> sum.addAndGet(Math.multiplyExact(l.rows(), l.columns()) + (l.bias() ? l.rows() : 0)));
    return sum.get();
  }

  private static String window(ModelConfig c) {
    int widest = c.windows().stream().mapToInt(Integer::intValue).max().orElse(0);
    long sliding = c.windows().stream().filter(w -> w > 0).count();
    return sliding == 0
        ? ""
        : ", sliding window of " + widest + " in " + sliding + " of " + c.layers() + " layers";
  }

  private static String rope(ModelConfig c) {
    return switch (c.ropeScaling()) {
      case RopeScaling.Default _ -> "";
      case RopeScaling.LinearScaling s -> ", stretched linearly by " + number(s.factor());
      case RopeScaling.Dynamic s -> ", stretched dynamically (NTK) by " + number(s.factor());
      case RopeScaling.Llama3 s -> ", stretched as Llama 3.1 by " + number(s.factor());
      case RopeScaling.Factors _ -> ", every frequency stretched by a factor of its own";
      case RopeScaling.Yarn s -> ", stretched by YaRN by " + number(s.factor());
    };
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : Double.toString(value);
  }

  /** {@code 6738415616} is {@code 6.74 B}. */
  static String count(long n) {
    if (n < 1000) {
      return Long.toString(n);
    }
    String[] units = {"K", "M", "B", "T"};
    double value = n / 1e3;
    int unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
      value /= 1000;
      unit++;
    }
    return String.format(Locale.ROOT, "%.3g %s", value, units[unit]);
  }
}
