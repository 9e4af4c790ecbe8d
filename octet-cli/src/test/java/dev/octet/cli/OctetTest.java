package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import picocli.CommandLine;

class OctetTest {
  @Test
  void versionNamesOctetAndTheJdk() {
    CliRun run = CliRun.of("--version");
    assertThat(run.status()).isZero();
    assertThat(run.out()).matches("octet \\d+\\.\\d+\\.\\d+\\S* \\(JDK 25\\..*\\)\\R");
    assertThat(run.err()).isEmpty();
  }

  @Test
  void withoutArgumentsTheHelpIsPrinted() {
    CliRun run = CliRun.of();
    assertThat(run.status()).isZero();
    assertThat(run.out()).contains("Usage: octet", "Examples:");
  }

  @Test
  void anUnknownCommandIsOneLineAndStatusTwo() {
    CliRun run = CliRun.of("frobnicate");
    assertThat(run.status()).isEqualTo(2);
    assertThat(run.out()).isEmpty();
    assertThat(run.errLines()).hasSize(1);
    assertThat(run.err()).startsWith("octet: ").contains("frobnicate");
  }

  @Test
  void anUnknownOptionIsOneLineAndStatusTwo() {
    CliRun run = CliRun.of("--colour-me-bad");
    assertThat(run.status()).isEqualTo(2);
    assertThat(run.errLines()).hasSize(1);
    assertThat(run.err()).contains("--colour-me-bad");
  }

  @TestFactory
  Stream<DynamicTest> everyCommandHasHelpWithExamples() {
    return commands(Octet.commandLine(CliRun.silent()), List.of()).stream()
        .map(
            path ->
                DynamicTest.dynamicTest(
                    "octet " + String.join(" ", path),
                    () -> {
                      List<String> args = new ArrayList<>(path);
                      args.add("--help");
                      CliRun run = CliRun.of(args.toArray(String[]::new));
                      assertThat(run.status()).isZero();
                      assertThat(run.err()).isEmpty();
                      assertThat(run.out()).contains("Usage: octet", "Examples:", "--help");
                      assertThat(run.outLines())
                          .allSatisfy(l -> assertThat(l.length()).isLessThanOrEqualTo(100));
                    }));
  }

  @Test
  void anExampleIsNeverBrokenIntoLinesThatDoNotWorkByThemselves() {
    CommandLine narrow = Octet.commandLine(CliRun.silent());
    for (List<String> path : commands(narrow, List.of())) {
      CommandLine command = narrow;
      for (String name : path) {
        command = Objects.requireNonNull(command.getSubcommands().get(name), name);
      }
      String help = command.setUsageHelpWidth(60).getUsageMessage();
      List<String> examples = help.substring(help.indexOf("Examples:")).lines().skip(1).toList();
      assertThat(examples).as(help).isNotEmpty();
      for (int i = 0; i < examples.size(); i++) {
        boolean goesOn = i > 0 && examples.get(i - 1).endsWith("\\");
        assertThat(examples.get(i)).as(help).startsWith(goesOn ? "      -" : "  octet ");
      }
    }
  }

  @Test
  void anUnknownCommandIsToldWhichThereAre() {
    assertThat(CliRun.of("help").err()).contains("unknown command 'help'", "generate", "bench");
    assertThat(CliRun.of("inspect", "a", "b").err()).contains("'b' is one argument too many");
  }

  private static List<List<String>> commands(CommandLine line, List<String> path) {
    List<List<String>> all = new ArrayList<>();
    all.add(path);
    line.getSubcommands()
        .forEach(
            (name, sub) -> {
              List<String> longer = new ArrayList<>(path);
              longer.add(name);
              all.addAll(commands(sub, longer));
            });
    return all;
  }
}
