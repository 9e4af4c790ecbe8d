package dev.octet.quantize.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.LayerRunner;
import dev.octet.model.ScaleReport;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.tensor.DType;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** On a model of 4 query and 2 key/value heads of 16 channels. */
class AttentionScalesTest {
  private static final List<int[]> TEXT = TinyCheckpoint.sequences(12, 80);
  private static final QuantizeOptions NOTHING =
      new QuantizeOptions(QuantScheme.W8A8, List.of("*"));
  private static final int DIM = 16;

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("vector", 2);
  private Path base = Path.of("");

  @BeforeEach
  void write() throws IOException {
    base = TinyCheckpoint.write(dir.resolve("base"), 1);
  }

  @AfterEach
  void close() {
    kernels.close();
  }

  private static Recipe only(AttentionQuant attention) {
    return new Recipe(null, new Rounding.Nearest(), null, attention, NOTHING);
  }

  private Path quantize(Recipe recipe, WriteFormat format, String name) {
    Path out = dir.resolve(name);
    run(out, recipe, format, false, Progress.NONE);
    return out;
  }

  private void run(Path out, Recipe recipe, WriteFormat format, boolean resume, Progress progress) {
    WriteOptions write = WriteOptions.of(false, resume, recipe.toString()).as(format);
    CalibratedQuantizer.run(base, out, recipe, TEXT, kernels, write, progress);
  }

  /** Least and largest value of every column of the first layer's q, k or v over all sequences. */
  private float[][] extremes(int which) {
    try (Checkpoint source = Checkpoints.open(base);
        LayerRunner runner = new LayerRunner(source, kernels, 0);
        Arena arena = Arena.ofShared()) {
      float[] low = new float[0];
      float[] high = new float[0];
      for (int[] ids : TEXT) {
        Tensor x = runner.attentionInput(LayerRunner.embed(source, ids, arena), arena);
        LayerRunner.Operands o = runner.project(x, arena);
        Tensor values = which == 0 ? o.query() : which == 1 ? o.key() : o.value();
        int width = (int) values.columns();
        low = low.length == 0 ? new float[width] : low;
        high = high.length == 0 ? new float[width] : high;
        for (int i = 0; i < values.size(); i++) {
          low[i % width] = Math.min(low[i % width], values.getFloat(i));
          high[i % width] = Math.max(high[i % width], values.getFloat(i));
        }
      }
      return new float[][] {low, high};
    }
  }

  private static float largest(float[][] extremes, int from, int to) {
    float largest = 0;
    for (int j = from; j < to; j++) {
      largest = Math.max(largest, Math.max(-extremes[0][j], extremes[1][j]));
    }
    return largest;
  }

  private static void assertHeads(float[] scales, float[][] extremes, int heads, float codes) {
    assertThat(scales).hasSize(heads);
    for (int h = 0; h < heads; h++) {
      float wanted = largest(extremes, h * DIM, (h + 1) * DIM) / codes;
      assertThat(scales[h]).as("head %d", h).isCloseTo(wanted, within(1e-6f * wanted));
    }
  }

  @Test
  void faQuantScalesOfAHeadAreMadeOfThatHeadInAllSequences() {
    AttentionQuant whole = new AttentionQuant.FaQuant(100, 100, 100);
    try (Checkpoint c = Checkpoints.open(quantize(only(whole), WriteFormat.ASCEND, "fa"))) {
      KvScales cache = c.kvScales(0).orElseThrow();
      QueryScales query = c.queryScales(0).orElseThrow();
      assertThat(cache.type()).isEqualTo(DType.I8);
      assertHeads(query.scale(), extremes(0), 4, 127);
      assertHeads(cache.key(), extremes(1), 2, 127);
      assertHeads(cache.value(), extremes(2), 2, 127);
      assertThat(ScaleReport.of(c).problems()).isEmpty();
      assertThat(ScaleReport.of(c).queries()).hasSize(3);
    }
  }

  @Test
  void aWindowOfFewerValuesMakesFinerQueriesAndKeysButNotValues() {
    Path narrow =
        quantize(only(new AttentionQuant.FaQuant(90, 90, 100)), WriteFormat.ASCEND, "narrow");
    Path whole =
        quantize(only(new AttentionQuant.FaQuant(100, 100, 100)), WriteFormat.ASCEND, "whole");
    try (Checkpoint n = Checkpoints.open(narrow);
        Checkpoint w = Checkpoints.open(whole)) {
      for (int h = 0; h < 4; h++) {
        assertThat(n.queryScales(0).orElseThrow().scale()[h])
            .isLessThan(0.8f * w.queryScales(0).orElseThrow().scale()[h]);
      }
      assertThat(n.kvScales(0).orElseThrow().value())
          .containsExactly(w.kvScales(0).orElseThrow().value());
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void c8ScalesOfAChannelAreMadeOfThatChannel(boolean offsets) {
    AttentionQuant c8 = new AttentionQuant.C8(ObserverSpec.MIN_MAX, offsets);
    try (Checkpoint c = Checkpoints.open(quantize(only(c8), WriteFormat.ASCEND, "c8"))) {
      KvScales cache = c.kvScales(0).orElseThrow();
      assertThat(c.queryScales(0)).isEmpty();
      float[][] keys = extremes(1);
      assertThat(cache.key()).hasSize(2 * DIM);
      assertThat(cache.keyOffset()).hasSize(offsets ? 2 * DIM : 0);
      for (int j = 0; j < 2 * DIM; j++) {
        float wanted = offsets ? (keys[1][j] - keys[0][j]) / 255 : largest(keys, j, j + 1) / 127;
        assertThat(cache.key()[j]).isCloseTo(wanted, within(1e-6f * wanted));
        if (offsets) {
          double lowest = Math.rint(keys[0][j] / cache.key()[j]) + cache.keyOffset()[j];
          assertThat(lowest).isBetween(-129.0, -127.0);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anFp8CacheHasAScaleALayerOrAHeadAndIsUsedByTheModel(boolean perHead) {
    AttentionQuant fp8 = new AttentionQuant.KvFp8(perHead, ObserverSpec.MIN_MAX);
    Path out = quantize(only(fp8), WriteFormat.COMPRESSED_TENSORS, "fp8");
    try (Checkpoint c = Checkpoints.open(out)) {
      KvScales cache = c.kvScales(0).orElseThrow();
      assertThat(cache.type()).isEqualTo(DType.F8_E4M3);
      float[][] values = extremes(2);
      if (perHead) {
        assertHeads(cache.value(), values, 2, 448);
      } else {
        float wanted = largest(values, 0, 2 * DIM) / 448;
        assertThat(cache.value()).hasSize(1);
        assertThat(cache.value()[0]).isCloseTo(wanted, within(1e-6f * wanted));
      }
    }
    // exact() runs over the cache that the checkpoint's scales prescribe: rounding must show.
    assertThat(TinyCheckpoint.distance(out, base, kernels)).isBetween(1e-4, 0.1);
  }

  @Test
  void chainsGoThroughAttentionScalesAndStayClose() {
    Recipe chain =
        new Recipe(
            new Smoothing.SmoothQuant(Double.NaN),
            new Rounding.Compensated(GptqOptions.DEFAULT),
            ObserverSpec.of("percentile:99.99"),
            AttentionQuant.FaQuant.USUAL,
            QuantizeOptions.of(QuantScheme.W8A8));
    Path out = quantize(chain, WriteFormat.ASCEND, "chain");
    assertThat(TinyCheckpoint.distance(out, base, kernels)).isBetween(1e-4, 0.12);
  }

  @Test
  void anInterruptedRunKeepsTheScalesItHas() throws IOException {
    Recipe recipe = only(AttentionQuant.KvFp8.USUAL);
    Path whole = quantize(recipe, WriteFormat.COMPRESSED_TENSORS, "whole");
    Path out = dir.resolve("out");
    Progress stop =
        (done, total, what) -> {
          if (done == 2) {
            throw new IllegalStateException("stopped");
          }
        };
    assertThatThrownBy(() -> run(out, recipe, WriteFormat.COMPRESSED_TENSORS, false, stop))
        .hasMessage("stopped");
    run(out, recipe, WriteFormat.COMPRESSED_TENSORS, true, Progress.NONE);
    for (String file : List.of("model.safetensors", "config.json")) {
      assertThat(out.resolve(file)).hasSameBinaryContentAs(whole.resolve(file));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "COMPRESSED_TENSORS, faquant, ascend",
    "COMPRESSED_TENSORS, c8, ascend",
    "ASCEND, fp8, INT8",
    "GPTQ, fp8, no place",
    "AWQ, c8, no place",
    "FP8, fp8, no place"
  })
  void aFormatWithoutAFormForScalesIsRefusedBeforeAnythingIsDone(
      WriteFormat format, String what, String message) throws IOException {
    AttentionQuant attention =
        switch (what) {
          case "faquant" -> AttentionQuant.FaQuant.USUAL;
          case "c8" -> AttentionQuant.C8.USUAL;
          default -> AttentionQuant.KvFp8.USUAL;
        };
    assertThatThrownBy(() -> quantize(only(attention), format, "out"))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(message);
    try (Stream<Path> left = Files.list(dir)) {
      assertThat(left).containsExactly(base);
    }
  }
}
