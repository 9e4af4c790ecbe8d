package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.cli.output.Terminal;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.quantize.GroupSizes;
import dev.octet.quantize.MemoryEstimate;
import dev.octet.quantize.MemorySize;
import dev.octet.quantize.OuterSchemes;
import dev.octet.quantize.Preflight;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.mixed.Budget;
import dev.octet.quantize.mixed.Families;
import dev.octet.quantize.mixed.MixedPrecision;
import dev.octet.quantize.mixed.Plan;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.MeasuredText;
import dev.octet.quantize.sensitivity.Measurements;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --auto} and its budget: a scheme for every layer, chosen by measurement. */
final class AutoOptions {
  /** Activations, buffers, the runtime: what {@link MemoryEstimate#totalBytes} adds. */
  private static final double SHARE_OF_WEIGHTS = 1 / 1.2;

  private static final int DEFAULT_CONTEXT = 4096;

  @Option(
      names = "--auto",
      description =
          "choose a scheme for every layer by measuring what each loses, within one of --memory, "
              + "--size, --max-loss, --min-speed")
  boolean auto;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      description =
          "auto: memory to run in, as octet inspect counts it: weights, the cache of --context "
              + "tokens, 20 %% more")
  @Nullable String memory;

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "auto: tokens in the cache (default: the model's context, at most 4096)")
  @Nullable Integer context;

  @Option(names = "--size", paramLabel = "SIZE", description = "auto: all weights in memory")
  @Nullable String size;

  @Option(
      names = "--max-loss",
      paramLabel = "PERCENT",
      description = "auto: change of perplexity on the calibration text, for instance 1%%")
  @Nullable String maxLoss;

  @Option(
      names = "--min-speed",
      paramLabel = "TOKENS",
      description = "auto: tokens decoded in a second on this machine")
  @Nullable Double minSpeed;

  @Option(
      names = "--candidates",
      paramLabel = "SCHEME",
      split = ",",
      description =
          "auto: what layers may become, none for as they are (default: 16, 8 and 4 bits, the "
              + "latter in groups of 32 to 256)")
  List<Candidate> candidates = Candidate.usual();

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "auto: write a report with charts, nothing fetched")
  @Nullable Path html;

  /**
   * Plans the schemes of a model's layers.
   *
   * @param sequences to measure on; the first of them
   * @param target what is done to layers, and the format they are stored in
   * @param journal where measurements are kept, beside the result unless it says otherwise
   * @throws CliException if the budget makes no sense
   * @throws IllegalArgumentException if nothing keeps it, saying what would be possible
   */
  AutoReport plan(
      Path model,
      List<int[]> sequences,
      Target target,
      Journal journal,
      ComputeOptions compute,
      Terminal terminal) {
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      ModelConfig config = checkpoint.config();
      Budget budget = budget(config);
      for (Candidate candidate : candidates) {
        if (candidate.scheme() != null) {
          GroupSizes.require(config, candidate.scheme());
        }
      }
      Families families = families(config, target, terminal);
      int count = Math.max(1, MeasuredText.tokens(config) / sequences.getFirst().length);
      List<int[]> some = sequences.subList(0, Math.min(sequences.size(), count));
      return plan(checkpoint, model, some, families, budget, journal, compute, terminal);
    }
  }

  /**
   * What layers are made for.
   *
   * @param method what is done to them under some options
   */
  record Target(Function<QuantizeOptions, ? extends Preflight.Method> method, WriteFormat format) {}

  /** Only what can be written is worth measuring; what somebody has named is not left out. */
  private Families families(ModelConfig config, Target target, Terminal terminal) {
    Families families = Families.of(config, candidates, target.method(), target.format());
    families
        .refused()
        .forEach(
            (candidate, reason) -> {
              String message =
                  "%s in format %s: %s".formatted(candidate, target.format().label(), reason);
              if (!candidates.equals(Candidate.usual())) {
                throw new CliException("--candidates: " + message);
              }
              terminal.note("not a candidate: " + message);
            });
    if (families.all().size() < 2) {
      throw new CliException(
          "--format %s holds no candidates besides %s; name at least two that it holds by --candidates"
              .formatted(target.format().label(), families.all()));
    }
    return families;
  }

  /** Where measurements are kept. */
  record Journal(JournalOptions options, Path beside, boolean resume) {}

  private AutoReport plan(
      Checkpoint checkpoint,
      Path model,
      List<int[]> some,
      Families families,
      Budget budget,
      Journal journal,
      ComputeOptions compute,
      Terminal terminal) {
    Path kept = journal.options.file(journal.beside);
    String choices = "fewer --candidates (now %d)".formatted(candidates.size());
    try (Kernels kernels = compute.open(terminal);
        Measurements measurements =
            journal.options.open(
                journal.beside, journal.resume, checkpoint, some, kernels, terminal);
        ProgressPhases phases =
            new ProgressPhases(
                terminal, f -> JournalOptions.announce(f, choices, kept, terminal))) {
      Plan plan =
          MixedPrecision.plan(checkpoint, kernels, some, families, measurements, budget, phases);
      String name = String.valueOf(model.toAbsolutePath().normalize().getFileName());
      return new AutoReport(plan, name, ComputeOptions.describe(kernels));
    }
  }

  /**
   * The one budget that was given.
   *
   * @throws CliException if it is none or several, or makes no sense
   */
  private Budget budget(ModelConfig config) {
    if (Stream.of(memory, size, maxLoss, minSpeed).filter(o -> o != null).count() != 1) {
      throw new CliException(
          "--auto takes one of --memory 4GiB, --size 3GiB, --max-loss 1%, --min-speed 20");
    }
    if (memory != null) {
      return new Budget.Size(weights(MemorySize.parse(memory), config));
    }
    if (size != null) {
      return new Budget.Size(MemorySize.parse(size).bytes());
    }
    return maxLoss != null ? new Budget.Loss(share(maxLoss)) : new Budget.Speed(speed());
  }

  /** Nothing of it may be given without {@code --auto}. */
  void requireNone() {
    if (Stream.of(memory, size, maxLoss, minSpeed, context, html).anyMatch(o -> o != null)
        || !candidates.equals(Candidate.usual())) {
      throw new CliException(
          "--memory, --size, --max-loss, --min-speed, --context, --candidates and --html belong to"
              + " --auto");
    }
  }

  private long weights(MemorySize all, ModelConfig config) {
    int tokens = context == null ? Math.min(config.maxPositions(), DEFAULT_CONTEXT) : context;
    if (tokens < 1) {
      throw new CliException("--context must be at least 1, not " + tokens);
    }
    long cache =
        MemoryEstimate.of(config, null, tokens, KvType.BF16, null, OuterSchemes.NONE).kvBytes();
    long left = (long) (all.bytes() * SHARE_OF_WEIGHTS) - cache;
    if (left <= 0) {
      throw new CliException(
          "--memory %s: the cache of %d tokens alone takes %s"
              .formatted(memory, tokens, MemorySize.of(cache)));
    }
    return left;
  }

  private static double share(String text) {
    String number = text.strip().replaceAll("\\s*%$", "");
    try {
      double share = Double.parseDouble(number) / 100;
      if (share > 0 && share < 10) {
        return share;
      }
    } catch (NumberFormatException e) {
      throw new CliException("--max-loss " + text + ": a percentage such as 1%", e);
    }
    throw new CliException("--max-loss " + text + ": a percentage above 0, such as 1%");
  }

  private double speed() {
    if (minSpeed == null || !(minSpeed > 0) || minSpeed.isInfinite()) {
      throw new CliException("--min-speed must be positive, not " + minSpeed);
    }
    return minSpeed;
  }
}
