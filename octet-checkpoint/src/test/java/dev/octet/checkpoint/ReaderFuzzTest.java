package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.internal.Trees;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Settings and headers with random damage: a model opens and all its layers are read, or the error
 * is a {@link CheckpointException}. {@code -Doctet.fuzz.seconds=600} makes it long.
 */
class ReaderFuzzTest {
  private static final double SECONDS =
      Double.parseDouble(System.getProperty("octet.fuzz.seconds", "0.5"));

  /** Tries however slow the machine is. */
  private static final int LEAST = 40;

  /** What settings are made of: mutations find more when they speak the language. */
  private static final String[] WORDS = {
    "-1",
    "0",
    "3",
    "8",
    "2147483648",
    "1e400",
    "null",
    "true",
    "[]",
    "{}",
    "\"gptq_v2\"",
    "\"\"",
    "\"awq\"",
    "\"fp8\"",
    "[1,1]",
    "\"static\"",
    "\"-:.*\"",
    "\"re:(\"",
    "16",
    "\"F16\"",
    "\"I32\"",
    "\"U8\"",
    "[64,64]",
    "[0]"
  };

  @TempDir private Path temp;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gptq_w4_act_order",
        "gptq_w3_asym",
        "gptq_w8_skip",
        "awq_gemm",
        "fp8_block",
        "fp8_tensor_static",
        "ct_nvfp4_a16"
      })
  void damageIsAnErrorAndNothingElse(String name) throws IOException {
    Path model = Shared.path("conformance/" + name + "/model");
    byte[] config = Files.readAllBytes(model.resolve("config.json"));
    byte[] weights = Files.readAllBytes(model.resolve("model.safetensors"));
    int header = header(weights);
    long end = System.nanoTime() + (long) (SECONDS * 1e9);
    long seed = SECONDS > 1 ? System.nanoTime() : 1;
    int opened = 0;
    int refused = 0;
    for (long i = seed; i < seed + LEAST || System.nanoTime() < end; i++) {
      Random random = new Random(i);
      Path copy = Files.createDirectories(temp.resolve("m" + i));
      boolean settings = random.nextBoolean();
      Files.write(
          copy.resolve("config.json"),
          settings ? damaged(config, 0, config.length, random) : config);
      Files.write(
          copy.resolve("model.safetensors"),
          settings ? weights : damagedWeights(weights, header, random));
      long start = System.nanoTime();
      try (Checkpoint c = Checkpoints.open(copy)) {
        ModelLayout.linears(c.config(), shape -> c.linear(shape.module()));
        opened++;
      } catch (CheckpointException e) {
        assertThat(e.getMessage()).as("%s seed %d", name, i).isNotBlank().doesNotContain("\n");
        refused++;
      } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
        throw new AssertionError("%s with seed %d".formatted(name, i), e);
      }
      assertThat(Duration.ofNanos(System.nanoTime() - start))
          .as("%s seed %d", name, i)
          .isLessThan(Duration.ofSeconds(5));
      Trees.delete(copy);
    }
    assertThat(refused).isPositive();
    assertThat(opened + refused).isGreaterThanOrEqualTo(LEAST);
  }

  private static int header(byte[] file) {
    return 8
        + (int)
            Tensor.of(
                    dev.octet.tensor.DType.I64,
                    java.lang.foreign.MemorySegment.ofArray(file).asSlice(0, 8),
                    1)
                .getLong(0);
  }

  /** Bits flipped, words put in, stretches lost or doubled. */
  private static byte[] damaged(byte[] file, int from, int to, Random random) {
    byte[] out = file.clone();
    int times = 1 + random.nextInt(3);
    for (int t = 0; t < times; t++) {
      int at = random.nextInt(from, to);
      switch (random.nextInt(3)) {
        case 0 -> out[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> put(out, at, to, WORDS[random.nextInt(WORDS.length)]);
        default -> digit(out, at, to, random);
      }
    }
    return out;
  }

  /** Another value for the next number of the text, of the same length. */
  private static void digit(byte[] out, int at, int to, Random random) {
    for (int i = at; i < to; i++) {
      if (out[i] >= '0' && out[i] <= '9') {
        out[i] = (byte) ('0' + random.nextInt(10));
        return;
      }
    }
  }

  private static void put(byte[] out, int at, int to, String word) {
    for (int i = 0; i < word.length() && at + i < to; i++) {
      out[at + i] = (byte) word.charAt(i);
    }
  }

  /** Damage in the header, or in what is stored: group indices and scales among it. */
  private static byte[] damagedWeights(byte[] file, int header, Random random) {
    if (random.nextBoolean()) {
      return damaged(file, 8, header, random);
    }
    byte[] out = file.clone();
    var segment = java.lang.foreign.MemorySegment.ofArray(out);
    for (int t = 0; t < 20; t++) {
      long at = random.nextLong(header, out.length - 4);
      segment.set(ValueLayout.JAVA_INT_UNALIGNED, at, random.nextInt());
    }
    return out;
  }
}
