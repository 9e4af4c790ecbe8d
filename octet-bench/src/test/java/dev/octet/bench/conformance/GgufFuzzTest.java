package dev.octet.bench.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.gguf.GgufCheckpoint;
import dev.octet.checkpoint.gguf.GgufMetadata;
import dev.octet.checkpoint.gguf.GgufValue;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Damaged GGUF files, opened and read whole: nothing but a {@link CheckpointException}, no hang, no
 * allocation beyond the file's size class. A second in every build, longer where asked.
 */
class GgufFuzzTest {
  private static final long SECONDS = Long.getLong("octet.fuzz.seconds", 1);
  private static final List<String> CASES =
      List.of("gguf_f16", "gguf_q4_0", "gguf_q4_k", "gguf_q6_k", "gguf_q8_0");

  /** Tells a hang from a busy machine. */
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  @TempDir Path dir;

  @Test
  void damageNeverCausesAnythingButACheckpointError() throws IOException {
    Path conformance = Conformance.directory();
    long end = System.nanoTime() + SECONDS * 1_000_000_000L;
    long refused = 0;
    Path file = dir.resolve("m.gguf");
    for (long seed = 0; refused == 0 || System.nanoTime() < end; seed++) {
      Random random = new Random(seed);
      String name = CASES.get(random.nextInt(CASES.size()));
      byte[] good = Files.readAllBytes(conformance.resolve(name).resolve("model/model.gguf"));
      Files.write(file, damaged(good, random));
      Attempt attempt = Attempt.of(() -> readAll(file), PATIENCE);
      String what = "seed " + seed;
      assertThat(attempt.timedOut()).as(what).isFalse();
      assertThat(attempt.allocated()).as(what).isLessThan(MalformedCheck.HEAP_LIMIT);
      Throwable thrown = attempt.thrown();
      if (thrown != null) {
        refused++;
        assertThat(thrown).as(what).isInstanceOf(CheckpointException.class);
        assertThat(thrown.getMessage()).as(what).contains("m.gguf").doesNotContain("\n");
      }
    }
  }

  private static void readAll(Path file) {
    try (Checkpoint c = Checkpoints.open(file)) {
      ModelLayout.linears(c.config(), l -> c.linear(l.module()));
      c.embedding().dequantizeRow(0, new float[(int) c.embedding().columns()]);
      readMetadata(((GgufCheckpoint) c).file().metadata());
    }
  }

  private static void readMetadata(GgufMetadata metadata) {
    metadata
        .values()
        .forEach(
            (key, value) -> {
              if (value instanceof GgufValue.Many(int type, long _, long _)) {
                if (type == 8) {
                  metadata.texts(key);
                } else if (type != 9) {
                  metadata.numbers(key);
                }
              }
            });
  }

  /** Flipped, replaced and removed bytes, and cuts; half of them in front, where lengths are. */
  private static byte[] damaged(byte[] good, Random random) {
    byte[] bytes = good.clone();
    int front = random.nextBoolean() ? Math.min(16_384, bytes.length) : bytes.length;
    for (int edits = random.nextInt(4); edits >= 0; edits--) {
      int at = random.nextInt(Math.min(front, bytes.length));
      switch (random.nextInt(8)) {
        case 0, 1, 2 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 3, 4 -> bytes[at] = (byte) random.nextInt();
        case 5 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 8), (byte) 0xFF);
        case 6 -> bytes = Arrays.copyOf(bytes, Math.max(1, at));
        default -> System.arraycopy(bytes, at, bytes, 0, bytes.length - at);
      }
    }
    return bytes;
  }
}
