package dev.octet.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import java.util.SequencedMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every reader on bytes that nobody wrote: some damaged seeds in every build, and Jazzer, which
 * sees which branches an input reaches, under {@code -Pfuzz} for {@code octet.fuzz.seconds} each.
 */
class FuzzTest {
  /** Heap of a fuzzed process: an allocation beyond the files' size class ends it. */
  private static final String HEAP = "-Xmx512m";

  @TempDir(factory = MemoryFolder.class)
  private static Path shared;

  private static SequencedMap<String, Path> models = new LinkedHashMap<>();

  @TempDir(factory = MemoryFolder.class)
  Path dir;

  @BeforeAll
  static void writeModels() throws IOException {
    models = FuzzModels.write(shared);
  }

  @ParameterizedTest
  @EnumSource(FuzzReader.class)
  void soundSeedsAreReadAndDamagedOnesRefused(FuzzReader reader) throws IOException {
    List<byte[]> seeds = reader.seeds(models);
    assertThat(seeds).isNotEmpty();
    int refused = 0;
    for (int s = 0; s < seeds.size(); s++) {
      Path sound = Files.createDirectories(dir.resolve("sound" + s));
      assertThat(reader.read(seeds.get(s), models, sound)).as("seed %d", s).isTrue();
      for (int i = 0; i < 12; i++) {
        Path damaged = Files.createDirectories(dir.resolve("damaged" + s + "-" + i));
        refused += reader.read(damaged(seeds.get(s), new Random(i)), models, damaged) ? 0 : 1;
      }
    }
    assertThat(refused).isPositive();
  }

  /** The first byte may choose a format and stays. */
  private static byte[] damaged(byte[] seed, Random random) {
    byte[] out = seed.clone();
    int front = Math.min(out.length, 2048);
    for (int edits = 0; edits < 4; edits++) {
      out[1 + random.nextInt(front - 1)] = (byte) random.nextInt(128);
    }
    return out;
  }

  @Tag("fuzz")
  @ParameterizedTest
  @EnumSource(FuzzReader.class)
  void jazzerFindsNothing(FuzzReader reader) throws IOException, InterruptedException {
    Path corpus = Files.createDirectories(dir.resolve("corpus"));
    List<byte[]> seeds = reader.seeds(models);
    for (int s = 0; s < seeds.size(); s++) {
      Files.write(corpus.resolve("seed" + s), seeds.get(s));
    }
    long seconds = Long.getLong("octet.fuzz.seconds", 600);
    Path log = Files.createDirectories(Path.of("target/fuzz")).resolve(reader + ".log");
    Process process =
        new ProcessBuilder(command(reader, seconds, corpus))
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    boolean ended = process.waitFor(seconds + 120, TimeUnit.SECONDS);
    process.destroyForcibly();
    assertThat(ended).as("%s hangs, see %s", reader, log).isTrue();
    assertThat(process.exitValue()).as("%s, see %s", reader, log).isZero();
    String found = summary(Files.readAllLines(log));
    System.out.println(reader + ": " + found);
    assertThat(found).as("%s got past the first check, see %s", reader, log).contains("cov: ");
  }

  /** The last line of progress, which has coverage, and the one that has the number of runs. */
  private static String summary(List<String> log) {
    String covered = "";
    String done = "";
    for (String line : log) {
      covered =
          line.contains(" cov: ") ? line.replaceAll(".*(cov: \\d+ ft: \\d+).*", "$1") : covered;
      done = line.startsWith("Done ") ? line : done;
    }
    return done + ", " + covered;
  }

  private List<String> command(FuzzReader reader, long seconds, Path corpus) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(HEAP, "--enable-native-access=ALL-UNNAMED"));
    command.addAll(List.of("--add-modules=jdk.incubator.vector", "-Dai.djl.offline=true"));
    command.add("-Doctet.fuzz.reader=" + reader);
    command.add("-Doctet.fuzz.folder=" + dir.resolve("work"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add("com.code_intelligence.jazzer.Jazzer");
    command.add("--target_class=" + FuzzTarget.class.getName());
    command.add("--instrumentation_includes=dev.octet.**");
    // Patterns that begin with "re:" are regular expressions by their format.
    command.add("--disabled_hooks=com.code_intelligence.jazzer.sanitizers.RegexInjection");
    command.addAll(List.of("--keep_going=1", "-timeout=300", "-max_len=65536"));
    command.add("-print_final_stats=1");
    command.addAll(List.of("-max_total_time=" + seconds, "-rss_limit_mb=3000"));
    command.add("--reproducer_path=" + Path.of("target/fuzz").toAbsolutePath());
    command.add("-artifact_prefix=" + Path.of("target/fuzz").toAbsolutePath() + "/");
    command.add(corpus.toString());
    return command;
  }
}
