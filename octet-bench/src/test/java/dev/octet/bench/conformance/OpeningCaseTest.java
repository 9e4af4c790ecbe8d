package dev.octet.bench.conformance;

import static dev.octet.bench.conformance.CaseResult.Status.FAIL;
import static dev.octet.bench.conformance.CaseResult.Status.PASS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Broken input must be refused and sound input accepted, and the verifier must see when not. */
final class OpeningCaseTest {
  private static final String MALFORMED =
      "{\"kind\": \"malformed\", \"open\": \"model.safetensors\"}";
  private static final String ACCEPT =
      "{\"kind\": \"accept\", \"open\": \"model.safetensors\", \"expected\": \"expected.safetensors\"}";

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("reference", 1);

  @AfterEach
  void close() {
    kernels.close();
  }

  private CaseResult run(String id) {
    return new ConformanceRunner(kernels).run(dir.resolve(id));
  }

  @Test
  void brokenInputThatIsRefusedPassesWithTheMessage() {
    CaseFiles files = new CaseFiles(dir);
    files.describe("bad", MALFORMED);
    files.write("bad/model.safetensors", "no");
    assertThat(run("bad").line()).startsWith("PASS bad refused: ").contains("model.safetensors");
  }

  @Test
  void brokenInputThatIsAcceptedFails() {
    CaseFiles files = new CaseFiles(dir);
    files.describe("bad", MALFORMED);
    files.tensors("bad/model.safetensors", Map.of("a", Tensor.ofFloats(new float[2], 2)));
    assertThat(run("bad").line()).startsWith("FAIL bad accepted");
  }

  @Test
  void aCaseWhoseInputIsAbsentFailsRatherThanBeingRefused() {
    new CaseFiles(dir).describe("bad", MALFORMED);
    assertThat(run("bad").status()).isEqualTo(FAIL);
  }

  @Test
  void anErrorMustNameTheFileAndSayWhatIsWrong() {
    Path file = Path.of("/x/model.safetensors");
    assertThat(Refusal.flaw(file, new CheckpointException(file + ": header of 9 bytes"))).isEmpty();
    assertThat(Refusal.flaw(file, new CheckpointException("header of 9 bytes"))).isPresent();
    assertThat(Refusal.flaw(file, new CheckpointException(file + ": bad"))).isPresent();
    assertThat(Refusal.flaw(file, new CheckpointException(file + ": it is\nbroken"))).isPresent();
    assertThat(Refusal.flaw(file, new IndexOutOfBoundsException(file + ": header of 9 bytes")))
        .isPresent();
    assertThat(Refusal.flaw(file, new StackOverflowError())).isPresent();
  }

  @Test
  void anAttemptThatHangsIsGivenUp() {
    Attempt attempt =
        Attempt.of(
            () -> {
              while (!Thread.currentThread().isInterrupted()) {
                LockSupport.parkNanos(1_000_000);
              }
            },
            Duration.ofMillis(50));
    assertThat(attempt.timedOut()).isTrue();
  }

  @Test
  void anAttemptReportsWhatItThrewAndAllocated() {
    Attempt attempt =
        Attempt.of(
            () -> {
              byte[] large = new byte[80 << 20];
              throw new StackOverflowError("of " + large.length);
            },
            Duration.ofSeconds(5));
    assertThat(attempt.thrown()).isInstanceOf(StackOverflowError.class);
    assertThat(attempt.allocated()).isGreaterThan(MalformedCheck.HEAP_LIMIT);
  }

  @Test
  void acceptedTensorsAreComparedBitByBit() {
    CaseFiles files = new CaseFiles(dir);
    files.describe("ok", ACCEPT);
    Tensor half = CaseFiles.as(DType.F16, Tensor.ofFloats(new float[] {1.5f, -0f}, 2));
    files.tensors("ok/model.safetensors", Map.of("a", half));
    files.tensors(
        "ok/expected.safetensors", Map.of("a", Tensor.ofFloats(new float[] {1.5f, -0f}, 2, 1)));
    assertThat(run("ok").status()).isEqualTo(PASS);
    files.tensors(
        "ok/expected.safetensors", Map.of("a", Tensor.ofFloats(new float[] {1.5f, 0f}, 2)));
    assertThat(run("ok").line()).startsWith("FAIL ok ").contains("'a'");
  }

  @Test
  void aSoundInputThatIsRefusedFails() {
    CaseFiles files = new CaseFiles(dir);
    files.describe("ok", "{\"kind\": \"accept\", \"open\": \"model.safetensors\"}");
    files.write("ok/model.safetensors", "no");
    assertThat(run("ok").status()).isEqualTo(FAIL);
  }
}
