package dev.octet.quantize.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.quantize.CheckpointQuantizer;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizeOptions.LayerRule;
import dev.octet.quantize.QuantizedSource;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.method.ActOrder;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class CalibratedQuantizerTest {
  private static final List<int[]> TEXT = TinyCheckpoint.sequences(24, 100);
  private static final QuantScheme INT4 = QuantScheme.W4A16.withGroup(32);

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("vector", 2);

  @AfterEach
  void close() {
    kernels.close();
  }

  private static Recipe recipe(Smoothing smoothing, Rounding rounding, QuantScheme scheme) {
    return new Recipe(smoothing, rounding, false, QuantizeOptions.of(scheme));
  }

  private static Recipe nearest(QuantScheme scheme) {
    return new Recipe(null, new Rounding.Nearest(), false, QuantizeOptions.of(scheme));
  }

  private Path quantize(Path in, Recipe recipe, String name) {
    Path out = dir.resolve(name);
    run(in, out, recipe, false, Progress.NONE);
    return out;
  }

  private void run(Path in, Path out, Recipe recipe, boolean resume, Progress progress) {
    WriteOptions write = WriteOptions.of(false, resume, recipe.toString());
    CalibratedQuantizer.run(in, out, recipe, TEXT, kernels, write, progress);
  }

  private double distance(Path model, Path base) {
    return TinyCheckpoint.distance(model, base, kernels);
  }

  @ParameterizedTest
  @EnumSource(ActOrder.class)
  void gptqComesCloserThanRoundingToNearest(ActOrder order) throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 3);
    Rounding gptq = new Rounding.Compensated(new GptqOptions(order, 0.01, Clipping.NONE));
    Path compensated =
        quantize(base, new Recipe(null, gptq, false, QuantizeOptions.of(INT4)), "gptq");
    Path rounded = quantize(base, nearest(INT4), "rtn");
    assertThat(distance(compensated, base)).isLessThan(0.85 * distance(rounded, base));
  }

  @Test
  void awqComesCloserThanRoundingToNearestWhereChannelsDiffer() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 8);
    Path awq =
        quantize(
            base, recipe(new Smoothing.Awq(), new Rounding.Clipped(Clipping.SEARCH), INT4), "awq");
    Path rounded = quantize(base, nearest(INT4), "rtn");
    assertThat(distance(awq, base)).isLessThan(0.8 * distance(rounded, base));
  }

  /** Factors leave norms, value rows and up rows for the columns of what reads them. */
  @Test
  void scalesOfAwqCancelOut() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 8);
    QuantScheme w8a16 = QuantScheme.W8A16;
    Path awq = quantize(base, recipe(new Smoothing.Awq(), new Rounding.Nearest(), w8a16), "awq");
    Path rounded = quantize(base, nearest(w8a16), "rtn");
    assertThat(distance(awq, base)).isLessThan(1.2 * distance(rounded, base));
    String value = "model.layers.1.self_attn.v_proj.weight_scale";
    assertThat(TinyCheckpoint.stored(awq, value))
        .isNotEqualTo(TinyCheckpoint.stored(rounded, value));
  }

  @Test
  void smoothQuantSavesStaticActivationsFromOutliers() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 60);
    QuantizeOptions w8a8 = QuantizeOptions.of(QuantScheme.W8A8);
    Path plain = quantize(base, new Recipe(null, new Rounding.Nearest(), true, w8a8), "plain");
    Path smooth =
        quantize(
            base,
            new Recipe(new Smoothing.SmoothQuant(Double.NaN), new Rounding.Nearest(), true, w8a8),
            "smooth");
    assertThat(distance(smooth, base)).isLessThan(0.25 * distance(plain, base)).isLessThan(0.1);
  }

  /** The norm's weight is stored rounded; what reads it is multiplied by exactly what it lost. */
  @Test
  void smoothingAloneChangesNothing() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 20);
    QuantizeOptions onlyQuery =
        QuantizeOptions.of(QuantScheme.W8A16)
            .ignoring(List.of("*.k_proj", "*.v_proj", "*.o_proj", "*.up_proj", "*.down_proj"));
    Path smooth =
        quantize(
            base,
            new Recipe(new Smoothing.SmoothQuant(0.5), new Rounding.Nearest(), false, onlyQuery),
            "smooth");
    String norm = "model.layers.0.input_layernorm.weight";
    assertThat(TinyCheckpoint.stored(smooth, norm)).isNotEqualTo(TinyCheckpoint.stored(base, norm));
    String key = "model.layers.0.self_attn.k_proj.weight";
    float[] before = TinyCheckpoint.stored(base, norm);
    float[] after = TinyCheckpoint.stored(smooth, norm);
    float[] keyBefore = TinyCheckpoint.stored(base, key);
    float[] keyAfter = TinyCheckpoint.stored(smooth, key);
    for (int i = 0; i < keyBefore.length; i++) {
      int j = i % TinyCheckpoint.HIDDEN;
      assertThat((double) keyAfter[i] * after[j])
          .isCloseTo(
              (double) keyBefore[i] * before[j],
              within(1e-6 * Math.abs(keyBefore[i] * before[j]) + 1e-12));
    }
    assertThat(distance(smooth, base)).isLessThan(0.02);
  }

  @Test
  void anInterruptedRunGoesOnAfterTheLastWholeLayerAndEndsInTheSameFiles() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 3);
    Recipe recipe =
        recipe(
            new Smoothing.SmoothQuant(0.5),
            new Rounding.Compensated(GptqOptions.DEFAULT),
            QuantScheme.W4A8.withGroup(32));
    Path whole = quantize(base, recipe, "whole");
    Path out = dir.resolve("out");
    Progress stop =
        (done, total, what) -> {
          if (done == 2) {
            throw new IllegalStateException("stopped");
          }
        };
    assertThatThrownBy(() -> run(base, out, recipe, false, stop)).hasMessage("stopped");
    assertThat(out).doesNotExist();
    assertThat(dir.resolve("out.partial/calibration.state")).exists();
    Progress second = (done, total, what) -> assertThat(done).as(what).isGreaterThanOrEqualTo(2);
    run(base, out, recipe, true, second);
    for (String file : List.of("model.safetensors", "config.json")) {
      assertThat(out.resolve(file)).hasSameBinaryContentAs(whole.resolve(file));
    }
    try (Stream<Path> files = Files.list(out)) {
      assertThat(files.map(p -> String.valueOf(p.getFileName())))
          .containsExactlyInAnyOrder("config.json", "model.safetensors");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"minmax", "percentile:99.99", "mse", "entropy", "running:0.1"})
  void everyObserverServesStaticInputs(String observer) throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 20);
    Recipe recipe =
        new Recipe(
            new Smoothing.SmoothQuant(Double.NaN),
            new Rounding.Nearest(),
            ObserverSpec.of(observer),
            null,
            QuantizeOptions.of(QuantScheme.W8A8));
    Path out = quantize(base, recipe, "out");
    assertThat(distance(out, base)).isLessThan(observer.equals("entropy") ? 0.3 : 0.12);
    float[] scale = TinyCheckpoint.stored(out, "model.layers.0.self_attn.q_proj.input_scale");
    assertThat(scale).hasSize(1);
    assertThat(scale[0]).isPositive();
  }

  @Test
  void aRuleGivesSomeLayersAnotherScheme() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 1);
    QuantizeOptions options =
        QuantizeOptions.of(INT4)
            .with(
                List.of(
                    new LayerRule(List.of("*.down_proj"), QuantScheme.W8A16),
                    new LayerRule(List.of("*.layers.1.mlp.*"), QuantScheme.FP8)));
    Rounding gptq = new Rounding.Compensated(GptqOptions.DEFAULT);
    Path out = quantize(base, new Recipe(null, gptq, false, options), "out");
    try (Checkpoint c = Checkpoints.open(out)) {
      assertThat(c.linear("model.layers.1.mlp.down_proj").weight()).isInstanceOf(Int8Weight.class);
      assertThat(c.linear("model.layers.1.mlp.up_proj").weight()).isInstanceOf(Fp8Weight.class);
      assertThat(c.linear("model.layers.2.mlp.up_proj").weight()).isInstanceOf(Int4Weight.class);
    }
    assertThat(distance(out, base))
        .isLessThan(
            distance(
                quantize(base, new Recipe(null, gptq, false, QuantizeOptions.of(INT4)), "uniform"),
                base));
  }

  @Test
  void rotationSavesFourBitInputsFromOutliersAndGptqMakesTheMostOfIt() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 30);
    QuantizeOptions w4a4 = QuantizeOptions.of(QuantScheme.W4A4.withGroup(32));
    RotationOptions rotation = new RotationOptions(1);
    Rounding gptq = new Rounding.Compensated(GptqOptions.DEFAULT);
    Path plain = quantize(base, nearest(w4a4.scheme()), "plain");
    Rounding nearest = new Rounding.Nearest();
    Path rotated = quantize(base, new Recipe(rotation, null, nearest, null, null, w4a4), "rotated");
    Path chain = quantize(base, new Recipe(rotation, null, gptq, null, null, w4a4), "chain");
    assertThat(distance(rotated, base)).isLessThan(0.6 * distance(plain, base));
    assertThat(distance(chain, base)).isLessThan(distance(rotated, base));
    Path online =
        quantize(
            base, new Recipe(new RotationOptions(1, true), null, gptq, null, null, w4a4), "online");
    assertThat(distance(online, base)).isLessThan(distance(rotated, base));
  }

  @Test
  void anInterruptedRotationEndsInTheSameFilesToo() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 3);
    Recipe recipe =
        new Recipe(
            new RotationOptions(2),
            null,
            new Rounding.Compensated(GptqOptions.DEFAULT),
            null,
            null,
            QuantizeOptions.of(QuantScheme.W4A4.withGroup(32)));
    Path whole = quantize(base, recipe, "whole");
    Path out = dir.resolve("out");
    Progress stop =
        (done, total, what) -> {
          if (done == 1) {
            throw new IllegalStateException("stopped");
          }
        };
    assertThatThrownBy(() -> run(base, out, recipe, false, stop)).hasMessage("stopped");
    run(base, out, recipe, true, Progress.NONE);
    for (String file : List.of("model.safetensors", "config.json")) {
      assertThat(out.resolve(file)).hasSameBinaryContentAs(whole.resolve(file));
    }
  }

  @Test
  void theHeadIsRoundedToNearestWhereItIsNamed() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 1);
    Recipe head =
        new Recipe(
            null,
            new Rounding.Compensated(GptqOptions.DEFAULT),
            false,
            QuantizeOptions.of(INT4).withHead(QuantScheme.W8A16));
    Path out = quantize(base, head, "head");
    try (Checkpoint source = Checkpoints.open(base);
        Checkpoint written = Checkpoints.open(out)) {
      float[] want = new float[TinyCheckpoint.HIDDEN];
      float[] got = new float[TinyCheckpoint.HIDDEN];
      QuantizedWeight nearest = new QuantizedSource(source, head.options()).lmHead().weight();
      for (int row = 0; row < nearest.rows(); row++) {
        nearest.dequantizeRow(row, want);
        written.lmHead().weight().dequantizeRow(row, got);
        assertThat(got).containsExactly(want);
      }
      assertThat(written.lmHead().weight()).isInstanceOf(Int8Weight.class);
    }
  }

  /** Some tools move offsets of inputs there; what reads them is smoothed under the bias, too. */
  @Test
  void normsKeepTheirBias() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 20);
    Path file = base.resolve("model.safetensors");
    Map<String, Tensor> tensors = new TreeMap<>();
    try (SafetensorsFile old = SafetensorsFile.open(file)) {
      old.tensors().forEach((k, v) -> tensors.put(k, Tensor.ofFloats(v.toFloats(), v.shape())));
    }
    Map<String, Tensor> biases = new TreeMap<>();
    for (String name : tensors.keySet()) {
      if (name.endsWith("norm.weight")) {
        float[] bias = new float[TinyCheckpoint.HIDDEN];
        for (int i = 0; i < bias.length; i++) {
          bias[i] = (float) Math.sin(i + name.length());
        }
        biases.put(ModelLayout.normBias(name), Tensor.ofFloats(bias, bias.length));
      }
    }
    assertThat(biases).hasSize(7);
    tensors.putAll(biases);
    SafetensorsWriter.write(file, tensors);

    Path nearest = dir.resolve("nearest");
    QuantizeOptions w8a16 = QuantizeOptions.of(QuantScheme.W8A16);
    CheckpointQuantizer.run(base, nearest, w8a16, false, false, Progress.NONE);
    assertThat(distance(nearest, base)).isLessThan(0.03);
    Recipe smooth =
        new Recipe(new Smoothing.SmoothQuant(0.5), new Rounding.Nearest(), false, w8a16);
    Path smoothed = quantize(base, smooth, "smoothed");
    assertThat(distance(smoothed, base)).isLessThan(0.03);
    String bias = "model.layers.1.input_layernorm.bias";
    assertThat(TinyCheckpoint.stored(smoothed, bias))
        .isNotEqualTo(TinyCheckpoint.stored(base, bias));
    assertThat(TinyCheckpoint.stored(smoothed, "model.norm.bias"))
        .isEqualTo(TinyCheckpoint.stored(base, "model.norm.bias"));
  }

  /** What it is refused for costs no layers, calibrated or not. */
  @Test
  void theOutputLayerIsRoundedBeforeTheOthers() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 1);
    List<String> order = new ArrayList<>();
    CheckpointQuantizer.run(
        base,
        dir.resolve("out"),
        QuantizeOptions.of(QuantScheme.W8A16),
        false,
        false,
        (done, total, what) -> order.add(what));
    assertThat(order)
        .containsSubsequence(
            ModelLayout.EMBEDDING, ModelLayout.LM_HEAD, "model.layers.0.self_attn.q_proj");
  }

  @Test
  void quantizedModelsAreRefused() throws IOException {
    Path base = TinyCheckpoint.write(dir.resolve("base"), 1);
    Path once = quantize(base, nearest(INT4), "once");
    assertThatThrownBy(() -> quantize(once, nearest(INT4), "twice"))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("quantized already");
  }
}
