package dev.octet.cli;

import dev.octet.bench.conformance.CaseFinder;
import dev.octet.bench.conformance.CaseResult;
import dev.octet.bench.conformance.CaseResult.Status;
import dev.octet.bench.conformance.ConformanceRunner;
import dev.octet.cli.output.Ansi;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.Json;
import dev.octet.kernels.Kernels;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code octet verify}: runs conformance cases, one line a case. */
@Command(
    name = "verify",
    description = {
      "Runs conformance cases: checkpoints, kernel inputs and broken files with known results.",
      "",
      "A line a case: PASS or FAIL with the relative L1 distance and its limit (and tol=NAME where "
          + "another limit than the strict one applies), or what broken input was refused with; "
          + "SKIP for what is not built yet. Broken input must be refused by one line that names the "
          + "file and the problem, within 5 seconds and 64 MiB of heap. Exit status 1 if any case "
          + "fails."
    },
    footer = {
      "  octet verify ../shared/conformance",
      "  octet verify ../shared/conformance --provider reference --filter 'ct_*'",
      "  octet verify mycases/one mycases/two --json"
    })
final class VerifyCommand extends OctetCommand {
  @Parameters(
      arity = "1..*",
      paramLabel = "PATH",
      description =
          "a case (a directory with case.json), or a directory of cases, all or those its "
              + "manifest.json lists")
  List<Path> paths = List.of();

  @Mixin ComputeOptions compute = new ComputeOptions();

  @Option(
      names = "--filter",
      paramLabel = "GLOB",
      split = ",",
      description = "run only cases whose name matches, for instance 'bad_*,ct_*'")
  List<String> filters = List.of();

  @Option(names = "--json", description = "print a JSON object a line")
  boolean json;

  @Override
  public Integer call() {
    List<Path> cases = CaseFinder.find(paths, filters);
    Map<Status, Integer> counts = new EnumMap<>(Status.class);
    long start = System.nanoTime();
    try (Kernels kernels = compute.create()) {
      ConformanceRunner runner = new ConformanceRunner(kernels);
      for (Path directory : cases) {
        CaseResult result = runner.run(directory);
        counts.merge(result.status(), 1, Integer::sum);
        print(result, kernels);
      }
      summarize(counts, kernels, (System.nanoTime() - start) / 1e9);
    }
    return counts.containsKey(Status.FAIL) ? ExitCode.FAILED : ExitCode.OK;
  }

  private void print(CaseResult result, Kernels kernels) {
    PrintStream out = terminal().out();
    if (!json) {
      String line = result.line();
      String status = result.status().name();
      out.println(colour(result.status(), status) + line.substring(status.length()));
      return;
    }
    Json object =
        start(kernels)
            .put("case", result.id())
            .put("kind", result.kind())
            .put("status", result.status());
    result
        .measure()
        .ifPresent(
            m ->
                object
                    .put("relL1", m.relL1())
                    .put("limit", m.limit())
                    .put("tol", m.tolerance() == null ? "logits" : m.tolerance()));
    out.println(object.put("message", result.message()).put("ms", result.millis()));
  }

  private void summarize(Map<Status, Integer> counts, Kernels kernels, double seconds) {
    int passed = counts.getOrDefault(Status.PASS, 0);
    int failed = counts.getOrDefault(Status.FAIL, 0);
    int skipped = counts.getOrDefault(Status.SKIP, 0);
    if (json) {
      terminal()
          .out()
          .println(
              start(kernels)
                  .put("cases", passed + failed + skipped)
                  .put("passed", passed)
                  .put("failed", failed)
                  .put("skipped", skipped)
                  .put("seconds", seconds));
      return;
    }
    terminal()
        .out()
        .printf(
            "%d cases: %d passed, %d failed, %d skipped (%s, %s, %d %s, %s)%n",
            passed + failed + skipped,
            passed,
            failed,
            skipped,
            kernels.name(),
            kernels.isa(),
            kernels.threads(),
            kernels.threads() == 1 ? "thread" : "threads",
            Human.seconds(seconds));
  }

  private static Json start(Kernels kernels) {
    return new Json()
        .put("bench", "verify")
        .put("provider", kernels.name())
        .put("isa", kernels.isa())
        .put("threads", kernels.threads());
  }

  private String colour(Status status, String text) {
    Ansi style = terminal().outStyle();
    return switch (status) {
      case PASS -> style.green(text);
      case FAIL -> style.red(text);
      case SKIP -> style.yellow(text);
    };
  }
}
