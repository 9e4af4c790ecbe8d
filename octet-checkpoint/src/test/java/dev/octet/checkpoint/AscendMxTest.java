package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.Codecs;
import dev.octet.tensor.DType;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Ascend's tags of floats under powers of two. */
class AscendMxTest {
  private static final String DOWN = "model.layers.0.mlp.down_proj";
  private static final int K = TinyModel.INTER; // one group and a short one

  @TempDir private Path dir;

  private static Tensor fp4(LinearShape shape) {
    Random random = new Random(shape.columns());
    return TinyModel.integers(
        DType.U8, new long[] {shape.rows(), shape.columns() / 2}, _ -> random.nextInt(256));
  }

  private static Tensor fp8(LinearShape shape) {
    return TinyModel.floats(new Random(3), DType.F32, shape.rows(), shape.columns())
        .to(DType.F8_E4M3, Arena.ofAuto());
  }

  /** Exponents from −5 to 4. */
  private static Tensor exponents(LinearShape shape) {
    long groups = ScaleGrid.blocks(shape.columns(), 32);
    return TinyModel.integers(DType.U8, new long[] {shape.rows(), groups}, i -> 122 + i * 7 % 10);
  }

  private static Tensor coarse(LinearShape shape) {
    return TinyModel.floats(new Random(9), DType.F32, shape.rows(), 1, 1);
  }

  private static double power(long o, long i) {
    return Math.scalb(1.0, (int) (122 + (o * 2 + i / 32) * 7 % 10) - 127);
  }

  private Path write(String tag, TinyModel.Layer layer) throws IOException {
    Path model = TinyModel.writeFiles(dir.resolve(tag), TinyModel.config(""), layer);
    Map<String, String> tags = new TreeMap<>();
    try (SafetensorsFile file = SafetensorsFile.open(model.resolve("model.safetensors"))) {
      for (String name : file.tensors().keySet()) {
        tags.put(name, name.contains("proj.") ? tag : "FLOAT");
      }
    }
    StringBuilder json = new StringBuilder("{\"version\": \"1.0.0\", \"group_size\": 32");
    tags.forEach((name, t) -> json.append(", \"%s\": \"%s\"".formatted(name, t)));
    Files.writeString(model.resolve("quant_model_description.json"), json.append("}"));
    return model;
  }

  @Test
  void fp8HasAnExponentForThirtyTwoColumns() throws IOException {
    Path model = write("W8A8_MXFP8", s -> Map.of(".weight", fp8(s), ".weight_scale", exponents(s)));
    try (Checkpoint c = Checkpoints.open(model)) {
      var layer = c.linear(DOWN);
      Tensor codes = fp8(new LinearShape(DOWN, 32, K, false));
      TinyModel.requireElements(layer.weight(), (o, i) -> codes.getFloat(o * K + i) * power(o, i));
      assertThat(layer.activation()).isEqualTo(new MxGroup(8, false, 0));
    }
  }

  @Test
  void fp4ComesInPairsUnderInputsOfEitherWidth() throws IOException {
    for (String tag : new String[] {"W4A4_MXFP4", "W4A8_MXFP"}) {
      Path model = write(tag, s -> Map.of(".weight", fp4(s), ".weight_scale", exponents(s)));
      try (Checkpoint c = Checkpoints.open(model)) {
        var layer = c.linear(DOWN);
        Tensor packed = fp4(new LinearShape(DOWN, 32, K, false));
        TinyModel.requireElements(layer.weight(), (o, i) -> element(packed, o, i) * power(o, i));
        assertThat(layer.weight().label()).isEqualTo("mxfp4 g32");
        boolean four = tag.equals("W4A4_MXFP4");
        assertThat(layer.activation()).isEqualTo(four ? new MxGroup(4) : new MxGroup(8, false, 0));
      }
    }
  }

  private static double element(Tensor packed, long o, long i) {
    return Codecs.e2m1ToFloat((int) (packed.getLong(o * K / 2 + i / 2) >>> 4 * (i % 2)));
  }

  @Test
  void aSecondLevelOfScalesMultipliesToo() throws IOException {
    String tag = "W4A4_MXFP4_DUALSCALE";
    Path model =
        write(
            tag,
            s ->
                Map.of(
                    ".weight", fp4(s),
                    ".weight_scale", exponents(s),
                    ".weight_dual_scale", coarse(s)));
    try (Checkpoint c = Checkpoints.open(model)) {
      var layer = c.linear(DOWN);
      LinearShape shape = new LinearShape(DOWN, 32, K, false);
      Tensor packed = fp4(shape);
      Tensor coarse = coarse(shape);
      TinyModel.requireElements(
          layer.weight(), (o, i) -> element(packed, o, i) * power(o, i) * coarse.getFloat(o));
      assertThat(layer.activation()).isEqualTo(new MxGroup(4, true, 512));
    }
    Path lacking = write(tag, s -> Map.of(".weight", fp4(s), ".weight_scale", exponents(s)));
    assertThatThrownBy(() -> Checkpoints.open(lacking))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("weight_dual_scale' is missing");
  }

  @Test
  void anExponentThatIsNotANumberIsRefused() throws IOException {
    Path model =
        write(
            "W8A8_MXFP8",
            s -> {
              Tensor scales = exponents(s);
              scales.setFloat(1, 255);
              return Map.of(".weight", fp8(s), ".weight_scale", scales);
            });
    assertThatThrownBy(() -> Checkpoints.open(model))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("the scale NaN at index 1");
  }
}
