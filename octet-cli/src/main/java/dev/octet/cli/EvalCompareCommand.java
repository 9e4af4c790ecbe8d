package dev.octet.cli;

import dev.octet.bench.demo.SpeedProbe;
import dev.octet.checkpoint.Checkpoint;
import dev.octet.cli.output.ProgressBar;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.quantize.ModulePattern;
import dev.octet.quantize.OuterSchemes;
import dev.octet.quantize.PerplexityOptions;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.StoredScheme;
import dev.octet.quantize.Verdict;
import dev.octet.quantize.compare.Comparison;
import dev.octet.quantize.compare.ModelComparer;
import dev.octet.tensor.QuantScheme;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code octet eval compare}: quantized models beside the one they were made from. */
@Command(
    name = "compare",
    description = {
      "Holds quantized models against the original on the same tokens.",
      "",
      "Perplexity; the Kullback-Leibler divergence of every prediction from the original's (mean "
          + "and 99th percentile, in nats); how often both find the same token the likeliest; the "
          + "layers that add most to the error of the residual stream; size; speed in turns."
    },
    footer = {
      "  octet eval compare DIR DIR-w8a8 DIR-gptq --text book.txt",
      "  octet eval compare DIR w8a8 w4a16 --text book.txt --html report.html",
      "  octet eval compare DIR DIR-w8a8 DIR-w8a8 --text book.txt --attention int8 --json"
    })
final class EvalCompareCommand extends OctetCommand {
  private static final int PROMPT = 256;
  private static final int DECODE = 32;
  private static final int WARM_UP = 2;

  @Parameters(index = "0", paramLabel = "BASE", description = "directory of the original")
  Path base = Path.of("");

  @Parameters(
      index = "1..*",
      arity = "1..*",
      paramLabel = "QUANTIZED",
      description =
          "a directory, DIR@SCHEME, or SCHEME alone for the original quantized so at load")
  List<String> quantized = List.of();

  @ArgGroup(multiplicity = "1")
  EvalText.Source source = new EvalText.Source();

  @Option(
      names = "--context",
      paramLabel = "N",
      defaultValue = "0",
      description = "tokens of a window (default: 2048, or what the model can do)")
  int context;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "0",
      description = "only N windows, spread over the text: a quick check (default: all)")
  int samples;

  @Option(
      names = "--ignore",
      paramLabel = "GLOB",
      split = ",",
      description = "modules to leave unquantized at load besides lm_head")
  List<String> ignore = List.of();

  @Mixin OuterOptions outer = new OuterOptions();

  @Mixin RunModeOptions mode = new RunModeOptions();

  @Mixin ComputeOptions compute = new ComputeOptions();

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "5",
      description = "rounds of the speed measurement, 0 for none (default: 5)")
  int rounds;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "write a report with charts: one file, nothing fetched")
  @Nullable Path html;

  @Option(names = "--json", description = "one JSON object a line instead of a table")
  boolean json;

  @Override
  public Integer call() {
    if (rounds < 0) {
      throw new CliException("--rounds must be at least 0, not " + rounds);
    }
    WrittenFile.require("--html", html);
    ignore.forEach(ModulePattern::of);
    RunOptions options = mode.options();
    List<ComparedModel> models = new ArrayList<>(List.of(ComparedModel.base(base)));
    quantized.forEach(text -> models.add(ComparedModel.of(text, base)));
    try (Kernels kernels = compute.open(terminal());
        LoadedModels loaded = new LoadedModels(kernels)) {
      EvalText text = text(loaded.checkpoint(base));
      QuantizeOptions.unmatched(ignore, loaded.checkpoint(base).config())
          .forEach(pattern -> terminal().note("--ignore " + pattern + ": no layer of this model"));
      for (int m = 0; m < models.size(); m++) {
        // The original runs as it is: what attention and cache cost is part of the change.
        RunOptions how = m == 0 ? RunOptions.auto() : options;
        OuterSchemes outside = m == 0 ? OuterSchemes.NONE : outer.schemes();
        ComparedModel model = models.get(m);
        QuantChoice choice =
            ModelSession.resolve(
                model.choice(),
                loaded.checkpoint(model.directory()),
                outside,
                kernels,
                how,
                terminal());
        models.set(m, new ComparedModel(model.label(), model.directory(), choice));
        loaded.load(models.get(m), ignore, outside, how).notices().forEach(terminal()::note);
      }
      CompareReport report = new CompareReport(measure(models, loaded, text), text, kernels);
      if (json) {
        report.json().forEach(terminal().out()::println);
      } else {
        report.print(terminal());
      }
      if (html != null) {
        new CompareHtml(report).page().write(html);
        terminal().note("report: " + html);
      }
    }
    return ExitCode.OK;
  }

  private EvalText text(Checkpoint checkpoint) {
    EvalText text = EvalText.read(source, base, checkpoint.config());
    TokenIds.requireWithin(text.ids(), checkpoint.config().vocabSize());
    return text;
  }

  private List<ComparedRow> measure(
      List<ComparedModel> models, LoadedModels loaded, EvalText text) {
    PerplexityOptions options = new PerplexityOptions(context, 0, samples, text.bos());
    List<CausalLm> lms = loaded.all();
    List<Comparison> found;
    try (ProgressBar bar = terminal().progress("compare")) {
      found =
          ModelComparer.compare(
              lms.getFirst(), lms.subList(1, lms.size()), text.ids(), options, bar::update);
    }
    List<SpeedProbe.@Nullable Speed> speeds = speeds(lms, text);
    List<ComparedRow> rows = new ArrayList<>();
    double before = found.getFirst().distance().basePerplexity();
    rows.add(row(models.getFirst(), lms.getFirst(), before, null, null, speeds.getFirst()));
    for (int m = 1; m < models.size(); m++) {
      Comparison comparison = found.get(m - 1);
      CausalLm lm = lms.get(m);
      double after = comparison.distance().perplexity();
      QuantScheme scheme = scheme(models.get(m), loaded);
      Verdict verdict = Verdict.of(before, after, scheme, lm.attention(), lm.kvType());
      rows.add(row(models.get(m), lm, after, comparison, verdict, speeds.get(m)));
    }
    return rows;
  }

  private static ComparedRow row(
      ComparedModel model,
      CausalLm lm,
      double perplexity,
      @Nullable Comparison comparison,
      @Nullable Verdict verdict,
      SpeedProbe.@Nullable Speed speed) {
    return new ComparedRow(
        model,
        lm.attention(),
        lm.kvType(),
        lm.weightBytes(),
        perplexity,
        comparison,
        verdict,
        speed);
  }

  private static @Nullable QuantScheme scheme(ComparedModel model, LoadedModels loaded) {
    QuantScheme atLoad = model.choice().scheme();
    return atLoad != null
        ? atLoad
        : StoredScheme.of(loaded.checkpoint(model.directory())).orElse(null);
  }

  /** All in turns, each as warm as the others: they have all read the whole text. */
  private List<SpeedProbe.@Nullable Speed> speeds(List<CausalLm> lms, EvalText text) {
    int room = lms.stream().mapToInt(CausalLm::contextLength).min().orElseThrow() - DECODE;
    int prompt = Math.min(Math.min(PROMPT, text.ids().length), room);
    if (rounds == 0 || prompt < 1) {
      return Collections.nCopies(lms.size(), null);
    }
    SpeedProbe probe = new SpeedProbe(Arrays.copyOf(text.ids(), prompt), DECODE, WARM_UP, rounds);
    try (ProgressBar bar = terminal().progress("speed, in turns")) {
      return List.copyOf(probe.measure(lms, (done, total) -> bar.update(done, total, "")));
    }
  }
}
