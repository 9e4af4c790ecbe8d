package dev.octet.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Architecture;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Products;
import dev.octet.model.RunOptions;
import dev.octet.quantize.MemorySize;
import dev.octet.quantize.OuterSchemes;
import dev.octet.tensor.DType;
import dev.octet.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

class ModelBenchTest {
  private static final int VOCABULARY = 96;
  private static final int HIDDEN = 64;
  private static final int MLP = 128;
  private static final int LAYERS = 2;

  /** q, k, v, o of four heads of 16 on two, then gate, up and down. */
  private static final long BODY =
      LAYERS * (2L * HIDDEN * HIDDEN + 2L * HIDDEN * 32 + 3L * HIDDEN * MLP);

  private static final long HEAD = (long) VOCABULARY * HIDDEN;

  @Test
  void aRowSaysWhatTheShapeMakesOfTheTimeItTook() {
    List<BenchResult> rows = new ArrayList<>();
    ModelBench.run(options(shape(false), List.of("bf16", "w4a16"), 5, 3), row -> keep(row, rows));
    assertThat(rows).extracting(BenchResult::input).containsExactly("pp5", "tg3", "pp5", "tg3");
    assertThat(rows.get(2).variant()).isEqualTo("tiny w4a16 attention=int8 kv=int8");
    BenchResult prompt = rows.getFirst();
    double seconds = metric(prompt, "ms") / 1e3;
    assertThat(metric(prompt, "tokens_per_s")).isCloseTo(5 / seconds, tiny());
    assertThat(metric(prompt, "tops") * 1e12 * seconds).isCloseTo(2.0 * (5 * BODY + HEAD), tiny());
    // Norms apart, which are F32: the embedding's table is not read.
    double norms = 4.0 * (2 * LAYERS + 1) * HIDDEN;
    assertThat(metric(prompt, "gb_per_s") * 1e9 * seconds)
        .isCloseTo(2.0 * (BODY + HEAD) + norms, tiny());
    BenchResult token = rows.get(1);
    assertThat(metric(token, "tokens_per_s")).isCloseTo(1e3 / metric(token, "ms"), tiny());
    assertThat(metric(token, "tops") * 1e12 * metric(token, "ms") / 1e3)
        .isCloseTo(2.0 * (BODY + HEAD), tiny());
    assertThat(token.n()).isEqualTo(3);
    assertThat(token.d()).isEqualTo(16);
  }

  /** Without the limits of this machine, which go first. */
  private static void keep(BenchResult row, List<BenchResult> rows) {
    if (row.variant().equals("machine")) {
      assertThat(rows).isEmpty();
    } else {
      assertThat(row.metrics().keySet()).containsAnyOf("of_read", "of_ops");
      rows.add(row);
    }
  }

  @Test
  void aProfileHasAllOfAStep() {
    List<BenchResult> rows = new ArrayList<>();
    List<BenchResult> prompt = new ArrayList<>();
    ModelProfile.run(
        options(shape(false), List.of("w8a8"), 5, 3),
        row -> (row.input().startsWith("pp5 ") ? prompt : rows).add(row));
    assertThat(prompt).extracting(BenchResult::input).endsWith("pp5 step");
    assertThat(calls(prompt, "pp5 embedding")).isEqualTo(1);
    assertThat(calls(prompt, "pp5 norm")).isEqualTo(2 * LAYERS + 1);
    double sum = 0;
    for (BenchResult row : rows.subList(0, rows.size() - 1)) {
      sum += metric(row, "us");
    }
    BenchResult step = rows.getLast();
    assertThat(step.input()).isEqualTo("step");
    assertThat(metric(step, "us")).isPositive().isCloseTo(sum, Percentage.withPercentage(0.1));
    assertThat(rows)
        .extracting(BenchResult::input)
        .contains("norm", "rope", "attention", "linear 64 + 32 + 32 x64", "between kernels");
    assertThat(calls(rows, "embedding")).isEqualTo(1);
    assertThat(calls(rows, "norm")).isEqualTo(2 * LAYERS + 1);
  }

  private static double calls(List<BenchResult> rows, String part) {
    return rows.stream()
        .filter(row -> row.input().equals(part))
        .mapToDouble(row -> metric(row, "calls"))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void aTiedHeadIsReadAsTheWeightItIs() {
    List<BenchResult> rows = new ArrayList<>();
    ModelBench.run(options(shape(true), List.of("bf16"), 2, 1), row -> keep(row, rows));
    double read = metric(rows.getFirst(), "gb_per_s") * 1e6 * metric(rows.getFirst(), "ms");
    assertThat(read).isGreaterThan(2.0 * (BODY + HEAD));
  }

  @Test
  void aQuantizedHeadIsReadInItsOwnType() {
    OuterSchemes outer = new OuterSchemes(QuantScheme.W8A16, null);
    for (boolean tied : new boolean[] {true, false}) {
      List<BenchResult> rows = new ArrayList<>();
      ModelBench.run(options(shape(tied), List.of("bf16"), outer, 2, 1), row -> keep(row, rows));
      assertThat(rows.getFirst().variant()).startsWith("tiny bf16 lm_head=w8a16 ");
      double norms = 4.0 * (2 * LAYERS + 1) * HIDDEN;
      double read = metric(rows.getFirst(), "gb_per_s") * 1e6 * metric(rows.getFirst(), "ms");
      assertThat(read).isCloseTo(2.0 * BODY + HEAD + 4.0 * VOCABULARY + norms, tiny());
      double embedding = tied ? 0 : 2.0 * HEAD;
      assertThat(metric(rows.getFirst(), "gib") * (1L << 30)).isCloseTo(read + embedding, tiny());
    }
  }

  @Test
  void anEmbeddingOfItsOwnTakesWhatItsSchemeTakes() {
    OuterSchemes outer = new OuterSchemes(null, QuantScheme.W8A16);
    List<BenchResult> rows = new ArrayList<>();
    ModelBench.run(options(shape(false), List.of("bf16"), outer, 2, 1), row -> keep(row, rows));
    double read = metric(rows.getFirst(), "gb_per_s") * 1e6 * metric(rows.getFirst(), "ms");
    assertThat(metric(rows.getFirst(), "gib") * (1L << 30))
        .isCloseTo(read + HEAD + 4.0 * VOCABULARY, tiny());
    assertThatThrownBy(() -> options(shape(true), List.of("bf16"), outer, 2, 1))
        .hasMessageContaining("tie_word_embeddings");
  }

  @Test
  void aModelThatDoesNotFitIsRefusedBeforeItIsMade() {
    ModelBench.Options options =
        options(ModelShape.of("llama-3.1-8b"), List.of("w4a16", "bf16"), 512, 32);
    assertThatThrownBy(() -> ModelBench.requireRoom(options, MemorySize.parse("12GiB")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageMatching("llama-3.1-8b in bf16 takes about 15\\.\\d GiB and 12.0 GiB are .*");
    assertThatCode(() -> ModelBench.requireRoom(options, MemorySize.parse("20GiB")))
        .doesNotThrowAnyException();
  }

  @Test
  void whatCannotBeMeasuredIsSaidBeforeAnythingRuns() {
    ModelShape shape = shape(true);
    assertThatThrownBy(() -> options(shape, List.of("w3a3"), 2, 1)).hasMessageContaining("w3a3");
    assertThatThrownBy(() -> options(shape, List.of("w8a8"), 60, 5))
        .hasMessageContaining("context of 64");
    assertThatThrownBy(() -> options(shape, List.of("w8a8"), 0, 5))
        .hasMessageContaining("at least 1");
    assertThatThrownBy(() -> ModelShape.of("llama-9")).hasMessageContaining("llama-3.2-1b");
  }

  private static ModelBench.Options options(
      ModelShape shape, List<String> quantizations, int prompt, int generate) {
    return options(shape, quantizations, OuterSchemes.NONE, prompt, generate);
  }

  private static ModelBench.Options options(
      ModelShape shape, List<String> quantizations, OuterSchemes outer, int prompt, int generate) {
    RunOptions run = new RunOptions(AttentionKind.INT8, KvType.INT8);
    return new ModelBench.Options(
        shape, quantizations, outer, run, "vector", Products.F32, 1, prompt, generate, 1);
  }

  private static ModelShape shape(boolean tied) {
    return new ModelShape(
        "tiny",
        new ModelConfig(
            Architecture.LLAMA,
            VOCABULARY,
            HIDDEN,
            MLP,
            LAYERS,
            4,
            2,
            16,
            1e-5,
            1e4,
            new RopeScaling.Default(),
            64,
            tied,
            false,
            false,
            false,
            false,
            Collections.nCopies(LAYERS, 0),
            -1,
            List.of(),
            DType.BF16));
  }

  private static double metric(BenchResult row, String name) {
    return Objects.requireNonNull(row.metrics().get(name), name);
  }

  private static Percentage tiny() {
    return Percentage.withPercentage(1e-6);
  }
}
