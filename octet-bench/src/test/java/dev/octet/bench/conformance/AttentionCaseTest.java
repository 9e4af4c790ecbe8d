package dev.octet.bench.conformance;

import static dev.octet.bench.conformance.CaseResult.Status.FAIL;
import static dev.octet.bench.conformance.CaseResult.Status.PASS;
import static dev.octet.bench.conformance.CaseResult.Status.SKIP;
import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verifier must find a kernel's result right when it is, and wrong when it is not. */
final class AttentionCaseTest {
  private static final int HEADS = 2;
  private static final int QUERIES = 5;
  private static final int KEYS = 9;
  private static final int DIM = 32;
  private static final String FILE = "attn/expected.safetensors";

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("reference", 1);
  private CaseFiles files;

  @BeforeEach
  void makeCase() {
    files = new CaseFiles(dir);
    describe("\"causal\": true, \"causal_offset\": 3, \"mask\": null");
    Random random = new Random(1);
    Tensor q = random(random, HEADS, QUERIES, DIM);
    Tensor k = random(random, 1, KEYS, DIM);
    Tensor v = random(random, 1, KEYS, DIM);
    Tensor o = Tensor.ofFloats(new float[HEADS * QUERIES * DIM], HEADS, QUERIES, DIM);
    Tensor lse = Tensor.ofFloats(new float[HEADS * QUERIES], HEADS, QUERIES);
    attend(q, k, v, o, lse);
    files.tensors(
        FILE,
        Map.of(
            "q", CaseFiles.as(DType.F16, q),
            "k", CaseFiles.as(DType.F16, k),
            "v", CaseFiles.as(DType.F16, v),
            "o", o,
            "lse", lse));
  }

  @AfterEach
  void close() {
    kernels.close();
  }

  private void describe(String visibility) {
    files.describe(
        "attn",
        """
        {"kind": "attention", "expected": "expected.safetensors", "scale": 0.25, %s,
         "shape": {"heads": 2, "kv_heads": 1, "queries": 5, "keys": 9, "dim": 32, "value_dim": 32},
         "tolerance": {"f32": {"max_rel_l1": 1e-5, "lse_max_abs": 1e-5},
                       "bf16": {"max_rel_l1": 0.01, "lse_max_abs": 0.02},
                       "int8": {"max_rel_l1": 0.03, "lse_max_abs": 0.05}}}
        """
            .formatted(visibility));
  }

  /** Numbers that F16 holds exactly. */
  private static Tensor random(Random random, int... shape) {
    float[] values = new float[shape[0] * shape[1] * shape[2]];
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
    }
    return Tensor.ofFloats(values, shape[0], shape[1], shape[2]);
  }

  /** Textbook attention in F64: query i sees keys 0 to i + 3. */
  private static void attend(Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    for (int row = 0; row < HEADS * QUERIES; row++) {
      int seen = row % QUERIES + 4;
      double[] p = new double[seen];
      double sum = 0;
      for (int j = 0; j < seen; j++) {
        double score = 0;
        for (int d = 0; d < DIM; d++) {
          score += (double) q.getFloat(row * DIM + d) * k.getFloat(j * DIM + d);
        }
        p[j] = Math.exp(score * 0.25);
        sum += p[j];
      }
      lse.setFloat(row, (float) Math.log(sum));
      for (int d = 0; d < DIM; d++) {
        double value = 0;
        for (int j = 0; j < seen; j++) {
          value += p[j] / sum * v.getFloat(j * DIM + d);
        }
        o.setFloat(row * DIM + d, (float) value);
      }
    }
  }

  private CaseResult run() {
    return new ConformanceRunner(kernels).run(dir.resolve("attn"));
  }

  @Test
  void rightResultsPassInEveryKindOfAttention() {
    CaseResult result = run();
    assertThat(result.line()).startsWith("PASS attn relL1=").contains(" limit=").contains("int8");
    assertThat(result.status()).isEqualTo(PASS);
  }

  @Test
  void oneWrongOutputFails() {
    files.change(FILE, t -> CaseFiles.add(t, "o", 17, 0.1f));
    assertThat(run().status()).isEqualTo(FAIL);
  }

  @Test
  void oneWrongLogSumExpFails() {
    files.change(FILE, t -> CaseFiles.add(t, "lse", 3, 1e-3f));
    assertThat(run().line()).startsWith("FAIL attn relL1=").contains("lse");
  }

  @Test
  void anInfiniteLogSumExpMustBeMet() {
    files.change(FILE, t -> CaseFiles.add(t, "lse", 3, Float.NEGATIVE_INFINITY));
    assertThat(run().status()).isEqualTo(FAIL);
  }

  @Test
  void anotherOffsetFails() {
    describe("\"causal\": true, \"causal_offset\": 2, \"mask\": null");
    assertThat(run().status()).isEqualTo(FAIL);
  }

  @Test
  void aMissingTensorFailsWithItsName() {
    files.change(FILE, t -> t.remove("lse"));
    assertThat(run().line()).startsWith("FAIL attn ").contains("'lse' is missing");
  }

  @Test
  void anUnknownFieldOrMaskIsNotGuessedAt() {
    describe("\"causal\": true, \"causal_offset\": 3, \"mask\": null, \"window\": 4");
    assertThat(run().line()).startsWith("SKIP attn ").contains("window");
    describe("\"causal\": true, \"causal_offset\": 3, \"mask\": \"every other key\"");
    assertThat(run().status()).isEqualTo(SKIP);
  }
}
