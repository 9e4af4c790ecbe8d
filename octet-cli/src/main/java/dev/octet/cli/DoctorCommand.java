package dev.octet.cli;

import dev.octet.cli.doctor.Doctor;
import dev.octet.cli.doctor.Finding;
import dev.octet.cli.output.Ansi;
import dev.octet.cli.output.Json;
import dev.octet.cli.output.Table;
import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code octet doctor}: what is here, what is used and why, and what would help. */
@Command(
    name = "doctor",
    description = {
      "Looks at the JDK, the processor and the parts that Octet is made of.",
      "",
      "Says which kernels are chosen and why. Exit status 1 if something that is needed is missing."
    },
    footer = {"  octet doctor", "  octet doctor --json"})
final class DoctorCommand extends OctetCommand {
  @Option(names = "--json", description = "print a JSON object a line")
  boolean json;

  @Override
  public Integer call() {
    Doctor doctor =
        new Doctor(
            BuildInfo.property("jdk.floor"),
            System.getenv(),
            BundledModel.home().resolve("models"),
            ServiceLoader.load(TrainingProvider.class).findFirst().isPresent());
    List<Finding> findings = doctor.examine();
    if (json) {
      findings.forEach(f -> terminal().out().println(json(f)));
    } else {
      print(findings);
    }
    boolean missing = findings.stream().anyMatch(f -> f.level() == Finding.Level.MISSING);
    return missing ? ExitCode.FAILED : ExitCode.OK;
  }

  private void print(List<Finding> findings) {
    Ansi style = terminal().outStyle();
    Table table = new Table().text("").text("").text("");
    for (Finding f : findings) {
      table.row(mark(f.level(), style), style.bold(f.check()), f.value());
      if (!f.advice().isEmpty()) {
        table.row("", "", style.dim("→ " + f.advice()));
      }
    }
    table.print(terminal().out(), style);
  }

  private static String mark(Finding.Level level, Ansi style) {
    return switch (level) {
      case OK -> style.green("ok");
      case OPTIONAL -> style.yellow("--");
      case MISSING -> style.red("MISSING");
    };
  }

  private static Json json(Finding f) {
    return new Json()
        .put("check", f.check())
        .put("status", f.level().name().toLowerCase(Locale.ROOT))
        .put("value", f.value())
        .put("advice", f.advice());
  }
}
