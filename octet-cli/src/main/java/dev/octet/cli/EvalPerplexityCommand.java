package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.cli.output.ProgressBar;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.quantize.OuterSchemes;
import dev.octet.quantize.Perplexity;
import dev.octet.quantize.PerplexityOptions;
import dev.octet.quantize.PerplexityResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet eval perplexity}: what quantizing costs. */
@Command(
    name = "perplexity",
    description = {
      "Perplexity on a text: how surprised the model is by every token, given those before it.",
      "Several values of --quantization, --attention and --kv-cache-dtype, separated by commas, "
          + "give one table of all their combinations; change is against the first row. Ends with "
          + "status 1 if a limit was passed."
    },
    footer = {
      "  octet eval perplexity --text book.txt",
      "  octet eval perplexity --model DIR --text book.txt --quantization none,w8a8,int4,fp8",
      "  octet eval perplexity --model DIR --text book.txt --quantization w8a8 \\",
      "      --attention bf16,int8 --kv-cache-dtype bf16,int8,fp8_e4m3",
      "  octet eval perplexity --text book.txt --quantization none,w8a8 --samples 100 --json"
    })
final class EvalPerplexityCommand extends OctetCommand {
  @Mixin ModelOptions model = new ModelOptions();

  @ArgGroup(multiplicity = "1")
  EvalText.Source source = new EvalText.Source();

  @Option(
      names = "--context",
      paramLabel = "N",
      defaultValue = "0",
      description = "tokens of a window (default: 2048, or what the model can do)")
  int context;

  @Option(
      names = "--stride",
      paramLabel = "N",
      defaultValue = "0",
      description = "new tokens a window; less than --context overlaps (default: no overlap)")
  int stride;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "0",
      description = "only N windows, spread over the text: a quick check (default: all)")
  int samples;

  @Mixin QuantizationOptions quantization = new QuantizationOptions();

  @Option(
      names = "--attention",
      paramLabel = "KIND",
      split = ",",
      description = "auto, f32, bf16, int8, int8-fast, int8-bf16, int-flash … (default: auto)")
  List<String> attention = List.of("auto");

  @Option(
      names = "--kv-cache-dtype",
      paramLabel = "TYPE",
      split = ",",
      description = "auto, bf16, f16, f32, int8, int4, fp8_e4m3, fp8_e5m2 (default: auto)")
  List<String> kvTypes = List.of("auto");

  @Mixin ScalePolicyOption scales = new ScalePolicyOption();

  @Mixin ComputeOptions compute = new ComputeOptions();

  @Option(
      names = "--max-perplexity",
      paramLabel = "X",
      description = "status 1 if any row is above this")
  @Nullable Double maxPerplexity;

  @Option(
      names = "--max-change",
      paramLabel = "PERCENT",
      description = "status 1 if any row changes by more than this against the first")
  @Nullable Double maxChange;

  @Option(names = "--json", description = "one JSON object a line instead of a table")
  boolean json;

  private static final int FIRST_WARM_UP = 32;
  private static final int LONGEST_WARM_UP = 512;
  private static final long WARM_UP_NANOS = 1_500_000_000L;

  private record Variant(QuantChoice quantization, RunOptions options) {}

  @Override
  public Integer call() {
    List<Variant> variants = variants();
    OuterSchemes outer = quantization.outer.schemes();
    requireNumber("--max-perplexity", maxPerplexity);
    requireNumber("--max-change", maxChange);
    Path directory = model.directory();
    try (Checkpoint checkpoint = Checkpoints.open(directory)) {
      EvalText text = EvalText.read(source, directory, checkpoint.config());
      TokenIds.requireWithin(text.ids(), checkpoint.config().vocabSize());
      PerplexityOptions options = new PerplexityOptions(context, stride, samples, text.bos());
      options.contextOn(CausalLm.contextLength(checkpoint.config()));
      quantization.noteUnmatched(checkpoint.config(), terminal());
      try (Kernels kernels = compute.open(terminal())) {
        PerplexityReport report = new PerplexityReport(terminal(), json, kernels, text.name());
        for (Variant variant : variants) {
          QuantChoice choice =
              ModelSession.resolve(
                  variant.quantization(),
                  checkpoint,
                  outer,
                  kernels,
                  variant.options(),
                  terminal());
          try (CausalLm lm =
              ModelSession.load(
                  checkpoint, choice, quantization.ignore, outer, kernels, variant.options())) {
            lm.notices().forEach(terminal()::note);
            report.add(choice, lm, options, measure(lm, variant, text, options));
          }
        }
        report.finish();
        return withinLimits(report) ? ExitCode.OK : ExitCode.FAILED;
      }
    }
  }

  /** Nothing is above NaN: such a limit would never be passed. */
  private static void requireNumber(String option, @Nullable Double value) {
    if (value != null && value.isNaN()) {
      throw new CliException(option + " must be a number, not " + value);
    }
  }

  private List<Variant> variants() {
    List<Variant> variants = new ArrayList<>();
    for (QuantChoice choice : quantization.choices()) {
      for (String kind : attention) {
        for (String kvType : kvTypes) {
          variants.add(new Variant(choice, RunOptions.of(kind, kvType).with(scales.policy())));
        }
      }
    }
    return variants;
  }

  private PerplexityResult measure(
      CausalLm lm, Variant variant, EvalText text, PerplexityOptions options) {
    warmUp(lm, text.ids(), options);
    String way =
        attention.size() * kvTypes.size() == 1
            ? ""
            : ", " + lm.attention().label() + ", " + lm.kvType().label();
    try (ProgressBar bar = terminal().progress(variant.quantization().label() + way)) {
      return Perplexity.measure(lm, text.ids(), options, bar::update);
    }
  }

  /**
   * Lets the compiler settle, so that the rows' speeds can be compared: passes that grow to the
   * length of those that count, as long as they are quick. A model so large that they are not is
   * slow for other reasons.
   */
  private static void warmUp(CausalLm lm, int[] ids, PerplexityOptions options) {
    int longest = Math.min(LONGEST_WARM_UP, options.contextOn(lm.contextLength()));
    int tokens = Math.min(FIRST_WARM_UP, longest);
    long started = System.nanoTime();
    do {
      try (KvCache cache = lm.newCache()) {
        lm.forward(Arrays.copyOf(ids, Math.min(ids.length, tokens)), cache, false);
      }
      tokens = Math.min(2 * tokens, longest);
    } while (System.nanoTime() - started < WARM_UP_NANOS);
  }

  private boolean withinLimits(PerplexityReport report) {
    boolean within = true;
    if (maxPerplexity != null && report.highest() > maxPerplexity) {
      terminal()
          .note(
              String.format(
                  Locale.ROOT,
                  "perplexity %.4f is above the limit of %s",
                  report.highest(),
                  maxPerplexity));
      within = false;
    }
    if (maxChange != null && report.largestChange() * 100 > maxChange) {
      terminal()
          .note(
              String.format(
                  Locale.ROOT,
                  "a change of %+.3f %% is above the limit of %s %%",
                  report.largestChange() * 100,
                  maxChange));
      within = false;
    }
    return within;
  }
}
