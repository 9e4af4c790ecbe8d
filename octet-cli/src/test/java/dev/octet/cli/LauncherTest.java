package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The shell script {@code octet}: finding a JDK, one build at a time, refusing what cannot work.
 */
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
    return ended(start(script, environment, args));
  }

  private record Started(Process process, Path output) {}

  private Started start(Path script, Map<String, String> environment, String... args)
      throws IOException {
    List<String> command = new ArrayList<>(List.of("/bin/sh", script.toString()));
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command).directory(scratch.toFile());
    builder.environment().put("OCTET_BUILD", NO_BUILD);
    builder.environment().putAll(environment);
    Path output = Files.createTempFile(scratch, "output", ".txt");
    Process process = builder.redirectErrorStream(true).redirectOutput(output.toFile()).start();
    return new Started(process, output);
  }

  private static Ended ended(Started started) throws IOException, InterruptedException {
    Process process = started.process();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return new Ended(
        process.exitValue(), Files.readString(started.output(), StandardCharsets.UTF_8));
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
          "#!/bin/sh\necho \"locale $LC_ALL\"\nfor a; do echo \"<$a>\"; done\necho 'WARNING: Using incubator modules:"
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

  @ParameterizedTest
  @ValueSource(strings = {"--compare", "--compare=libtorch"})
  void comparingNeedsAPartOfItsOwn(String option) throws Exception {
    Path home = built();
    Map<String, String> environment =
        Map.of("OCTET_JAVA_HOME", jdk("25.0.3").toString(), "OCTET_HOME", home.toString());
    Ended without = run(launcher(), environment, "bench", "linear", option);
    assertThat(without.status()).isEqualTo(2);
    assertThat(without.output()).contains("not built").hasLineCount(1);
    Files.createDirectories(home.resolve(".octet/peers"));
    Files.writeString(home.resolve(".octet/peers/stamp"), "");
    assertThat(run(launcher(), environment, "bench", "linear", option).output())
        .contains("/.octet/app/lib:" + home + "/.octet/peers/lib>", "org.bytedeco.dnnl");
    assertThat(run(launcher(), environment, "bench", "linear").output())
        .contains("/.octet/app/lib>")
        .doesNotContain("peers", "bytedeco");
    assertThat(run(launcher(), environment, "bench", "linear", option, "--help").output())
        .as("help needs nothing")
        .doesNotContain("peers/lib");
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

  @Test
  void javaReadsArgumentsAndFileNamesAsUtf8WhateverTheLocale() throws Exception {
    Ended ended =
        run(
            launcher(),
            Map.of(
                "OCTET_JAVA_HOME",
                jdk("25.0.3").toString(),
                "OCTET_HOME",
                built().toString(),
                "LC_ALL",
                "POSIX"));
    assertThat(ended.output()).contains("locale C.UTF-8\n");
  }

  @Test
  void anotherCollectorTakesThePlaceOfTheSerialOne() throws Exception {
    Map<String, String> environment =
        new HashMap<>(
            Map.of("OCTET_JAVA_HOME", jdk("25.0.3").toString(), "OCTET_HOME", built().toString()));
    assertThat(run(launcher(), environment).output()).contains("<-XX:+UseSerialGC>");
    environment.put("OCTET_JAVA_OPTS", "-Xmx1g -XX:+UseG1GC");
    assertThat(run(launcher(), environment).output())
        .contains("<-Xmx1g>\n<-XX:+UseG1GC>")
        .doesNotContain("Serial");
  }

  /** Runs the launcher from a shell script that first does {@code before}. */
  private Ended runAfter(String before) throws Exception {
    Path script = scratch.resolve("caller.sh");
    Files.writeString(script, before + "\nexec /bin/sh \"" + launcher() + "\" generate\n");
    Path jdk = jdk("25.0.3");
    return run(script, Map.of("OCTET_JAVA_HOME", jdk.toString(), "OCTET_HOME", built().toString()));
  }

  @Test
  void aClosedStandardErrorOnlyLosesTheNotes() throws Exception {
    Ended ended = runAfter("exec 2>&-");
    assertThat(ended.output()).contains("<generate>").doesNotContain("a real warning");
    assertThat(ended.status()).isEqualTo(7);
  }

  @Test
  void aDeletedWorkingDirectoryIsRefusedWithOneLine() throws Exception {
    Ended ended = runAfter("mkdir gone && cd gone && rmdir ../gone");
    assertThat(ended.output()).contains("octet: the current directory was deleted");
    assertThat(ended.output()).doesNotContain("<generate>");
    assertThat(ended.status()).isEqualTo(2);
  }

  @Test
  void anUnknownWayToBuildIsRefused() throws Exception {
    Ended ended = run(launcher(), Map.of("OCTET_BUILD", "nevr"));
    assertThat(ended.status()).isEqualTo(2);
    assertThat(ended.output()).contains("nevr", "never", "always").hasLineCount(1);
  }

  @Test
  void aHomeThatIsNoSourceTreeIsRefusedAndLeftAsItWas() throws Exception {
    Path home = Files.createDirectory(scratch.resolve("empty"));
    Ended ended =
        run(
            launcher(),
            Map.of(
                "OCTET_JAVA_HOME",
                jdk("25.0.3").toString(),
                "OCTET_HOME",
                home.toString(),
                "OCTET_BUILD",
                ""));
    assertThat(ended.status()).isEqualTo(2);
    assertThat(ended.output()).contains("no source tree of Octet").hasLineCount(1);
    assertThat(home).isEmptyDirectory();
  }

  /** A source tree whose build is a shell script. */
  private Path tree(String mvnw) throws IOException {
    Path home = Files.createDirectories(scratch.resolve("plätze"));
    Files.createDirectories(home.resolve("octet-cli/target/launcher"));
    Files.writeString(home.resolve("octet-cli/target/launcher/octet-cli-0.jar"), "jar");
    Files.writeString(home.resolve("mvnw"), mvnw);
    return home;
  }

  private Map<String, String> building(Path home) throws IOException {
    return Map.of(
        "OCTET_JAVA_HOME",
        jdk("25.0.3").toString(),
        "OCTET_HOME",
        home.toString(),
        "OCTET_BUILD",
        "");
  }

  @Test
  void ofTwoAtOnceOneBuildsAndTheOtherWaits() throws Exception {
    Path home =
        tree(
            """
            echo run >>builds
            for a; do case $a in -Doctet.app.dir=*) mkdir -p "${a#*=}" ;; esac; done
            sleep 2
            """);
    Map<String, String> environment = building(home);
    Started one = start(launcher(), environment, "one");
    Started two = start(launcher(), environment, "two");
    String both = ended(one).output() + ended(two).output();
    assertThat(both).contains("building (first use)", "waiting for it", "<one>", "<two>");
    assertThat(home.resolve("builds")).hasContent("run");
    assertThat(home.resolve(".octet/app/lib/octet-cli-0.jar")).hasContent("jar");
    assertThat(run(launcher(), environment, "three").output()).doesNotContain("building");
  }

  /** A directory with an npm that is a shell script. */
  private Path npm(String script) throws IOException {
    Path folder = Files.createDirectories(scratch.resolve("npm"));
    Path npm = folder.resolve("npm");
    Files.writeString(npm, "#!/bin/sh\n" + script);
    assertThat(npm.toFile().setExecutable(true)).isTrue();
    return folder;
  }

  private Map<String, String> comparing(Path npm) throws IOException {
    Path home =
        tree(
            """
            for a; do case $a in -Doctet.*.dir=*) mkdir -p "${a#*=}" ;; esac; done
            """);
    Files.createDirectories(home.resolve("octet-bench-peers/target/launcher"));
    Files.writeString(
        home.resolve("octet-bench-peers/target/launcher/octet-bench-peers-0.jar"), "jar");
    Map<String, String> environment = new HashMap<>(building(home));
    environment.put("PATH", npm + ":" + System.getenv("PATH"));
    environment.put("OCTET_LLAMA_CPP", "");
    return environment;
  }

  @Test
  void llamaCppIsUnpackedBesideThePeers() throws Exception {
    Path npm =
        npm(
            """
            mkdir -p package/bins/linux-x64 && echo code >package/bins/linux-x64/libllama.so
            tar czf node-llama-cpp-linux-x64-0.tgz package && rm -r package
            """);
    Map<String, String> environment = comparing(npm);
    Ended ended = run(launcher(), environment, "bench", "model", "--compare");
    assertThat(ended.output()).contains("fetched once").doesNotContain("cannot fetch");
    Path peers = Path.of(environment.get("OCTET_HOME")).resolve(".octet/peers");
    assertThat(peers.resolve("llama.cpp/libllama.so")).hasContent("code\n");
    assertThat(peers.resolve("lib/octet-bench-peers-0.jar")).hasContent("jar");
    assertThat(peers)
        .isDirectoryNotContaining("glob:**/package")
        .isDirectoryNotContaining("glob:**.tgz");
  }

  @Test
  void withoutLlamaCppTheOtherPeersAreThere() throws Exception {
    Map<String, String> environment = comparing(npm("exit 1\n"));
    Ended ended = run(launcher(), environment, "bench", "linear", "--compare");
    assertThat(ended.status()).as("java has been started").isEqualTo(7);
    assertThat(ended.output()).contains("npm cannot fetch llama.cpp", "peers/lib");
    assertThat(run(launcher(), environment, "bench", "linear", "--compare").output())
        .doesNotContain("building");
  }

  @Test
  void aBuildThatFailsSaysWhyAndLeavesNothingHalfMade() throws Exception {
    Path home = tree("echo 'wget: Failed to fetch https://repo.example/maven.zip'\nexit 1\n");
    Ended ended = run(launcher(), building(home));
    assertThat(ended.status()).isEqualTo(2);
    assertThat(ended.output()).contains("wget: Failed to fetch", "octet: the build failed");
    assertThat(home.resolve(".octet"))
        .isDirectoryNotContaining("glob:**/app")
        .isDirectoryNotContaining("glob:**/app.new");
  }
}
