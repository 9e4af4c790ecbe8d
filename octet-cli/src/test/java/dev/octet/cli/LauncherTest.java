package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The shell script {@code octet}: finding a JDK and refusing what cannot work; builds nothing. */
class LauncherTest {
  private static final String NO_BUILD = "never";

  @TempDir Path scratch;

  private record Ended(int status, String output) {}

  @BeforeAll
  static void needsAShell() {
    assumeTrue(Files.isExecutable(Path.of("/bin/sh")));
  }

  private static Path launcher() {
    for (Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
      if (Files.exists(p.resolve("mvnw"))) {
        return p.resolve("octet");
      }
    }
    throw new IllegalStateException("not run inside the source tree");
  }

  private Ended run(Path script, Map<String, String> environment, String... args)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("/bin/sh", script.toString()));
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command).directory(scratch.toFile());
    builder.environment().put("OCTET_BUILD", NO_BUILD);
    builder.environment().putAll(environment);
    Path output = Files.createTempFile(scratch, "output", ".txt");
    Process process = builder.redirectErrorStream(true).redirectOutput(output.toFile()).start();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return new Ended(process.exitValue(), Files.readString(output, StandardCharsets.UTF_8));
  }

  /** A directory that looks like the JDK of that version; its java says what it was told. */
  private Path jdk(String version) throws IOException {
    Path home = Files.createDirectories(scratch.resolve("a jdk " + version));
    Files.createDirectories(home.resolve("bin"));
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\nIMPLEMENTOR=x\n");
    for (String tool : List.of("java", "javac")) {
      Path file = home.resolve("bin").resolve(tool);
      Files.writeString(
          file,
          "#!/bin/sh\nfor a; do echo \"<$a>\"; done\necho 'WARNING: Using incubator modules:"
              + " jdk.incubator.vector' >&2\necho 'a real warning' >&2\nexit 7\n");
      assertThat(file.toFile().setExecutable(true)).isTrue();
    }
    return home;
  }

  /** A source tree that counts as built. */
  private Path built() throws IOException {
    Path home = scratch.resolve("a tree");
    Files.createDirectories(home.resolve(".octet/app/lib"));
    Files.writeString(home.resolve(".octet/app/stamp"), "");
    return home;
  }

  @ParameterizedTest
  @ValueSource(strings = {"25.0.3", "25.0.4", "25.0.10", "25.1.0", "25.0.3.1", "25.0.3-ea"})
  void aJdkThatIsNewEnoughIsUsed(String version) throws Exception {
    Path jdk = jdk(version);
    Ended ended =
        run(
            launcher(),
            Map.of("OCTET_JAVA_HOME", jdk.toString(), "OCTET_HOME", built().toString()),
            "generate",
            "--prompt",
            "two  words * \"q\"");
    assertThat(ended.output())
        .contains(
            "<dev.octet.cli/dev.octet.cli.Octet>\n<generate>\n<--prompt>\n<two  words * \"q\">");
    assertThat(ended.status()).as("the status of java is the status of octet").isEqualTo(7);
  }

  @ParameterizedTest
  @ValueSource(strings = {"25", "25.0.2", "25.0.1", "24.0.9", "17.0.15", "26.0.1", "2.5.0.3", ""})
  void anotherJdkIsRefusedWithOneLine(String version) throws Exception {
    Path jdk = jdk(version);
    Ended ended =
        run(
            launcher(),
            Map.of("OCTET_JAVA_HOME", jdk.toString(), "OCTET_HOME", built().toString()));
    assertThat(ended.status()).isEqualTo(2);
    assertThat(ended.output()).startsWith("octet: ").contains("25.0.3").hasLineCount(1);
  }

  @Test
  void theIncubatorNoticeIsDroppedAndNothingElse() throws Exception {
    Ended ended =
        run(
            launcher(),
            Map.of("OCTET_JAVA_HOME", jdk("25.0.3").toString(), "OCTET_HOME", built().toString()));
    // The filter outlives java by a moment.
    assertThat(ended.output()).doesNotContain("incubator");
    for (int i = 0; i < 100 && !outputs().contains("a real warning"); i++) {
      Thread.sleep(50);
    }
    assertThat(outputs()).contains("a real warning").doesNotContain("incubator");
  }

  private String outputs() throws IOException {
    StringBuilder all = new StringBuilder();
    try (var files = Files.newDirectoryStream(scratch, "output*")) {
      for (Path file : files) {
        all.append(Files.readString(file));
      }
    }
    return all.toString();
  }

  @Test
  void aTreeThatIsNotBuiltIsSaidToBeSo() throws Exception {
    Ended ended =
        run(
            launcher(),
            Map.of("OCTET_JAVA_HOME", jdk("25.0.3").toString(), "OCTET_HOME", scratch.toString()));
    assertThat(ended.status()).isEqualTo(2);
    assertThat(ended.output()).startsWith("octet: ").contains("not built").hasLineCount(1);
  }

  @Test
  void theTreeIsFoundThroughSymbolicLinks() throws Exception {
    Path copy = built().resolve("octet");
    Files.copy(launcher(), copy);
    Path inner = Files.createSymbolicLink(scratch.resolve("inner link"), copy);
    Path outer = Files.createSymbolicLink(scratch.resolve("outer"), inner.getFileName());
    Ended ended = run(outer, Map.of("OCTET_JAVA_HOME", jdk("25.0.3").toString()), "doctor");
    assertThat(ended.output()).contains("<-Doctet.home=" + built().toRealPath() + ">", "<doctor>");
  }
}
