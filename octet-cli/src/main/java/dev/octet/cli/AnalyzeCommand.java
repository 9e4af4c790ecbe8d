package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.cli.output.ProgressBar;
import dev.octet.kernels.Kernels;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Forecast;
import dev.octet.quantize.sensitivity.Measurements;
import dev.octet.quantize.sensitivity.SensitivityAnalysis;
import dev.octet.quantize.sensitivity.SensitivityReport;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet analyze}: which layers of a model bear being quantized. */
@Command(
    name = "analyze",
    description = {
      "Measures what every linear layer of a model loses by being quantized.",
      "",
      "Of each layer by itself: error of weights and outputs, tails of weights and inputs "
          + "(kurtosis, 3 for a normal distribution), outlier channels. Of the model: how far its "
          + "predictions move when only that layer is quantized. Nothing is written but --html."
    },
    footer = {
      "  octet analyze --model DIR",
      "  octet analyze --model DIR --schemes w8a8,w4a16,w4a16:32 --html layers.html",
      "  octet analyze --model DIR --calibration text.txt --samples 32 --json",
      "  octet analyze --model DIR --no-losses         errors of the layers alone: quick",
      "  octet analyze --model DIR --html layers.html --resume     after an interruption"
    })
final class AnalyzeCommand extends OctetCommand {
  @Mixin ModelOptions model = new ModelOptions();

  @Option(
      names = "--schemes",
      paramLabel = "SCHEME",
      split = ",",
      description =
          "what to try: w8a8, w4a16, fp8-dynamic …; w4a16:32 for groups of 32 (default: "
              + "w8a8,w4a16)")
  List<Candidate> schemes = List.of(Candidate.of("w8a8"), Candidate.of("w4a16"));

  @Mixin TextOptions text = new TextOptions();

  @Option(
      names = "--no-losses",
      description = "do not run the model for every layer: errors of weights and outputs alone")
  boolean noLosses;

  @Option(
      names = "--top",
      paramLabel = "N",
      defaultValue = "10",
      description = "layers in the table, the most sensitive first (default: 10)")
  int top;

  @Mixin ComputeOptions compute = new ComputeOptions();

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "write a report with charts: one file, nothing fetched")
  @Nullable Path html;

  @Mixin JournalOptions journal = new JournalOptions();

  @Option(
      names = "--resume",
      description = "go on with an interrupted analysis of the same model and text")
  boolean resume;

  @Option(names = "--json", description = "one JSON object a line instead of a table")
  boolean json;

  @Override
  public Integer call() {
    WrittenFile.require("--html", html);
    if (top < 0) {
      throw new CliException("--top must be at least 0, not " + top);
    }
    if (resume && journal.file(beside()) == null) {
      throw new CliException(
          "--resume: name the --html or --journal of the analysis to go on with");
    }
    Path directory = model.directory();
    try (Checkpoint checkpoint = Checkpoints.open(directory)) {
      List<int[]> sequences = text.sequences(directory, checkpoint.config());
      try (Kernels kernels = compute.open(terminal())) {
        SensitivityReport found;
        try (Measurements measurements =
                journal.open(beside(), resume, checkpoint, sequences, kernels, terminal());
            ProgressBar bar = terminal().progress("analyze")) {
          found =
              SensitivityAnalysis.run(
                  checkpoint,
                  kernels,
                  sequences,
                  schemes,
                  !noLosses,
                  measurements,
                  this::announce,
                  bar::update);
        }
        show(new AnalyzeReport(found, directory, text.name()), kernels);
        journal.remove(beside());
      }
    }
    return ExitCode.OK;
  }

  /** Where measurements are kept until the report is there; null: nowhere. */
  private @Nullable Path beside() {
    return html == null ? null : html.resolveSibling(html.getFileName() + ".journal");
  }

  private void announce(Forecast forecast) {
    String choices = "--schemes, or --no-losses,";
    JournalOptions.announce(forecast, choices, journal.file(beside()), terminal());
  }

  private void show(AnalyzeReport report, Kernels kernels) {
    if (json) {
      report.json().forEach(terminal().out()::println);
    } else {
      report.print(terminal(), top);
    }
    if (html != null) {
      new AnalyzeHtml(report, ComputeOptions.describe(kernels)).page().write(html);
      terminal().note("report: " + html);
    }
  }
}
