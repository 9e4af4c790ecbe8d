package dev.octet.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * Reads {@link TrainOptions} from named text values, as a command line has them.
 *
 * <table>
 * <caption>Names and defaults</caption>
 * <tr><td>text</td><td>files, {@code FILE} or {@code FILE@WEIGHT}; required</td></tr>
 * <tr><td>validation</td><td>files of which the loss is measured; none</td></tr>
 * <tr><td>out</td><td>directory; required</td></tr>
 * <tr><td>tokenizer</td><td>tokenizer.json of an earlier run; a vocabulary is learned</td></tr>
 * <tr><td>vocab-size, hidden, layers</td><td>4096, 256, 5</td></tr>
 * <tr><td>heads, kv-heads</td><td>hidden / 64, half of heads</td></tr>
 * <tr><td>intermediate, context</td><td>3 hidden, 512</td></tr>
 * <tr><td>untied</td><td>false: the output layer is the embedding</td></tr>
 * <tr><td>steps or tokens</td><td>1000 steps</td></tr>
 * <tr><td>batch, micro-batch</td><td>8 windows, half of it if that is whole</td></tr>
 * <tr><td>lr, warmup</td><td>1.5e-3, a twentieth of the steps and at most 200</td></tr>
 * <tr><td>weight-decay, clip, seed</td><td>0.1, 1, 1</td></tr>
 * <tr><td>dtype</td><td>f32</td></tr>
 * <tr><td>checkpoint-every</td><td>120 seconds</td></tr>
 * <tr><td>evaluate-every</td><td>200 steps</td></tr>
 * <tr><td>resume</td><td>false</td></tr>
 * <tr><td>threads</td><td>0: one a core</td></tr>
 * </table>
 */
public final class TrainArguments {
  private static final Set<String> LISTS = Set.of("text", "validation");
  private static final Set<String> NAMES =
      Set.of(
          "text",
          "validation",
          "out",
          "tokenizer",
          "vocab-size",
          "hidden",
          "layers",
          "heads",
          "kv-heads",
          "intermediate",
          "context",
          "untied",
          "steps",
          "tokens",
          "batch",
          "micro-batch",
          "lr",
          "warmup",
          "weight-decay",
          "clip",
          "seed",
          "dtype",
          "checkpoint-every",
          "evaluate-every",
          "resume",
          "threads");

  private final Map<String, List<String>> values;

  private TrainArguments(Map<String, List<String>> values) {
    this.values = values;
  }

  /**
   * Reads options.
   *
   * @throws TrainException if a name is unknown, a value is not what it should be, or a file is not
   *     there
   */
  public static TrainOptions parse(Map<String, List<String>> arguments) {
    for (Map.Entry<String, List<String>> argument : arguments.entrySet()) {
      String name = argument.getKey();
      if (!NAMES.contains(name)) {
        throw new TrainException(
            "--%s is no option of train; there are %s".formatted(name, new TreeSet<>(NAMES)));
      }
      if (argument.getValue().size() != 1 && !LISTS.contains(name)) {
        throw new TrainException("--" + name + " takes one value");
      }
    }
    return new TrainArguments(arguments).options();
  }

  private TrainOptions options() {
    LlamaShape shape = shape();
    int batch = whole("batch", 8);
    int micro = whole("micro-batch", batch % 2 == 0 ? batch / 2 : batch);
    long steps = steps(batch, shape.context());
    return new TrainOptions(
        sources("text"),
        sources("validation"),
        Path.of(required("out")),
        values.containsKey("tokenizer") ? Path.of(required("tokenizer")) : null,
        shape,
        steps,
        batch,
        micro,
        number("lr", 1.5e-3),
        whole("warmup", (int) Math.min(200, steps / 20)),
        number("weight-decay", 0.1),
        number("clip", 1.0),
        one("seed", Long::parseLong, 1L),
        one("dtype", text -> ComputeType.valueOf(text.toUpperCase(Locale.ROOT)), ComputeType.F32),
        whole("checkpoint-every", 120),
        whole("evaluate-every", 200),
        flag("resume"),
        whole("threads", 0));
  }

  private LlamaShape shape() {
    int hidden = whole("hidden", 256);
    int heads = whole("heads", Math.max(1, hidden / 64));
    if (heads < 1 || hidden % heads != 0) {
      throw new TrainException(
          "--hidden (%d) must be a multiple of --heads (%d)".formatted(hidden, heads));
    }
    return new LlamaShape(
        whole("vocab-size", 4096),
        hidden,
        whole("layers", 5),
        heads,
        whole("kv-heads", heads % 2 == 0 ? heads / 2 : heads),
        hidden / heads,
        whole("intermediate", 3 * hidden),
        whole("context", 512),
        10_000,
        1e-5,
        !flag("untied"));
  }

  private long steps(int batch, int context) {
    if (values.containsKey("steps") && values.containsKey("tokens")) {
      throw new TrainException("give --steps or --tokens, not both");
    }
    if (!values.containsKey("tokens")) {
      return one("steps", Long::parseLong, 1000L);
    }
    long tokens = one("tokens", Long::parseLong, 0L);
    if (tokens < 1) {
      throw new TrainException("--tokens must be at least 1, not " + tokens);
    }
    return Math.ceilDiv(tokens, Math.max(1L, (long) batch * context));
  }

  private List<TextSource> sources(String name) {
    List<TextSource> sources =
        values.getOrDefault(name, List.of()).stream().map(TextSource::parse).toList();
    for (TextSource source : sources) {
      if (!Files.isReadable(source.file()) || Files.isDirectory(source.file())) {
        throw new TrainException(
            "--%s: %s is no file that can be read".formatted(name, source.file()));
      }
    }
    return sources;
  }

  private String required(String name) {
    List<String> given = values.get(name);
    if (given == null) {
      throw new TrainException("--" + name + " is required");
    }
    return given.getFirst();
  }

  private int whole(String name, int otherwise) {
    return one(name, Integer::parseInt, otherwise);
  }

  private double number(String name, double otherwise) {
    return one(name, Double::parseDouble, otherwise);
  }

  private boolean flag(String name) {
    return one(name, text -> text.isEmpty() || text.equalsIgnoreCase("true"), false);
  }

  /** A single value; {@code otherwise} where there is none. */
  private <T> T one(String name, Function<String, T> read, T otherwise) {
    List<String> given = values.get(name);
    if (given == null) {
      return otherwise;
    }
    try {
      return read.apply(given.getFirst());
    } catch (IllegalArgumentException e) {
      throw new TrainException(
          "--%s: '%s' is not a value it takes".formatted(name, given.getFirst()), e);
    }
  }
}
