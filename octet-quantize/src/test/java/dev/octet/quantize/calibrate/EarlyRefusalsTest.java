package dev.octet.quantize.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.quantize.GgufTarget;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a result's values make impossible ends a run at the layer that has them. */
class EarlyRefusalsTest {
  private static final Rounding GPTQ = new Rounding.Compensated(GptqOptions.DEFAULT);

  @TempDir private Path dir;
  private Path model = Path.of("");

  @BeforeEach
  void write() throws IOException {
    model = TinyCheckpoint.write(dir.resolve("model"), 1);
  }

  /** Rewrites the model's tensors. */
  private void change(Consumer<Map<String, Tensor>> change) {
    Path file = model.resolve("model.safetensors");
    Map<String, Tensor> tensors = new TreeMap<>();
    try (SafetensorsFile old = SafetensorsFile.open(file)) {
      old.tensors()
          .forEach(
              (name, tensor) ->
                  tensors.put(name, Tensor.ofFloats(tensor.toFloats(), tensor.shape())));
    }
    change.accept(tensors);
    SafetensorsWriter.write(file, tensors);
  }

  private static Tensor of(Map<String, Tensor> tensors, String name) {
    return Objects.requireNonNull(tensors.get(name));
  }

  /** Nothing is there afterwards, and no layer after {@code last} was begun. */
  private void assertRefused(Recipe recipe, WriteOptions write, int last, String... message) {
    try (Kernels kernels = Providers.create("vector", 1)) {
      assertThatThrownBy(
              () ->
                  CalibratedQuantizer.run(
                      model,
                      dir.resolve("out"),
                      recipe,
                      TinyCheckpoint.sequences(2, 32),
                      kernels,
                      write,
                      (done, total, what) -> assertThat(done).as(what).isLessThanOrEqualTo(last)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContainingAll(message);
    }
    assertThat(dir.toFile().list()).containsExactly("model");
  }

  @Test
  void aBiasThatAscendCannotHoldEndsTheRunAtItsLayer() throws IOException {
    Path config = model.resolve("config.json");
    Files.writeString(
        config, Files.readString(config).replace("{\"arch", "{\"attention_bias\": true, \"arch"));
    change(
        tensors -> {
          for (int layer = 0; layer < 3; layer++) {
            for (String part : new String[] {"q_proj", "k_proj", "v_proj", "o_proj"}) {
              String module = "model.layers." + layer + ".self_attn." + part;
              int rows = part.equals("k_proj") || part.equals("v_proj") ? 32 : 64;
              tensors.put(module + ".bias", Tensor.ofFloats(new float[rows], rows));
            }
          }
          of(tensors, "model.layers.1.self_attn.v_proj.bias").setFloat(5, 3e7f);
        });
    Recipe recipe = new Recipe(null, GPTQ, true, QuantizeOptions.of(QuantScheme.W8A8));
    assertRefused(
        recipe,
        WriteOptions.of(false, false, "").as(WriteFormat.ASCEND),
        1,
        "model.layers.1.self_attn.v_proj: row 5 has the bias 3.0E7",
        "formats that hold this layer: compressed-tensors");
  }

  @Test
  void aScaleThatF16CannotHoldEndsTheRunAtItsLayer() {
    change(
        tensors -> {
          Tensor weight = of(tensors, "model.layers.1.mlp.up_proj.weight");
          for (int i = 0; i < 64; i++) {
            weight.setFloat(3L * 64 + i, weight.getFloat(3L * 64 + i) * 1e9f);
          }
        });
    for (String type : new String[] {"q8_0", "q4_0", "q4_1"}) {
      QuantScheme scheme = GgufTarget.of(type, 0).orElseThrow().scheme();
      assertRefused(
          new Recipe(null, GPTQ, false, QuantizeOptions.of(scheme)),
          WriteOptions.of(false, false, "").forGguf(),
          1,
          "model.layers.1.mlp.up_proj: the scale",
          "more than F16 holds",
          "compressed-tensors has F32");
    }
  }

  @Test
  void aHeadThatCannotBeQuantizedEndsTheRunBeforeItsFirstLayer() {
    change(tensors -> of(tensors, "lm_head.weight").setFloat(7, Float.NaN));
    assertRefused(
        new Recipe(
            null, GPTQ, false, QuantizeOptions.of(QuantScheme.W8A16).withHead(QuantScheme.W8A16)),
        WriteOptions.of(false, false, ""),
        -1,
        "lm_head");
  }
}
