package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.packing.GptqPacking;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** GPTQ and ModelOpt settings that are absent, old or of other widths. */
class OldSpellingsTest {
  private static final String UP = "model.layers.0.mlp.up_proj";
  private static final int GROUP = 8;

  @TempDir private Path dir;

  private static Tensor codes(LinearShape shape) {
    Random random = new Random(shape.rows());
    return TinyModel.integers(
        DType.U8, new long[] {shape.rows(), shape.columns()}, _ -> random.nextInt(16));
  }

  private static Map<String, Tensor> gptq(LinearShape shape) {
    long groups = ScaleGrid.blocks(shape.columns(), GROUP);
    Tensor zeros = TinyModel.integers(DType.U8, new long[] {shape.rows(), groups}, i -> i % 15);
    Map<String, Tensor> map = new TreeMap<>();
    map.put(".qweight", GptqPacking.packCodes(codes(shape), 4));
    map.put(".qzeros", GptqPacking.packZeros(zeros, 4));
    map.put(".scales", TinyModel.floats(new Random(2), DType.F16, groups, shape.rows()));
    return map;
  }

  private static String settings(String more) {
    return "{\"quant_method\": \"gptq\", \"bits\": 4, \"desc_act\": false" + more + "}";
  }

  private void requireSame(Path model) {
    Path usual =
        TinyModel.write(
            dir.resolve("usual"), settings(", \"group_size\": " + GROUP), OldSpellingsTest::gptq);
    try (Checkpoint c = Checkpoints.open(model);
        Checkpoint want = Checkpoints.open(usual)) {
      LinearWeights expected = want.linear(UP);
      float[] row = new float[(int) expected.weight().columns()];
      TinyModel.requireElements(
          c.linear(UP).weight(),
          (o, i) -> {
            expected.weight().dequantizeRow(o, row);
            return row[(int) i];
          });
    }
  }

  @Test
  void theNumberOfZeroPointsTellsTheGroups() {
    requireSame(TinyModel.write(dir.resolve("m"), settings(""), OldSpellingsTest::gptq));
    Path whole =
        TinyModel.write(
            dir.resolve("bad"),
            settings(""),
            shape -> {
              Map<String, Tensor> map = gptq(shape);
              map.put(".qzeros", Tensor.allocate(Arena.ofAuto(), DType.I32, 5, shape.rows() / 8));
              return map;
            });
    assertThatThrownBy(() -> Checkpoints.open(whole))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("qzeros");
  }

  /** Words of 64 bits hold two of 32 that stand below each other, or beside. */
  private static Tensor wide(Tensor words, boolean below) {
    long rows = words.dim(0);
    long columns = words.dim(1);
    Tensor out =
        below
            ? Tensor.allocate(Arena.ofAuto(), DType.I64, rows / 2, columns)
            : Tensor.allocate(Arena.ofAuto(), DType.I64, rows, columns / 2);
    MemorySegment to = out.segment();
    for (long r = 0; r < rows; r++) {
      for (long c = 0; c < columns; c++) {
        int word = words.segment().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, r * columns + c);
        long at = below ? (r / 2 * columns + c) * 2 + r % 2 : r * columns + c;
        to.setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, at, word);
      }
    }
    return out;
  }

  @Test
  void wordsMayBeOfSixtyFourBits() {
    TinyModel.Layer layer =
        shape -> {
          Map<String, Tensor> map = gptq(shape);
          boolean fits = shape.rows() % 16 == 0 && shape.columns() % 16 == 0;
          if (fits) {
            map.computeIfPresent(".qweight", (_, t) -> wide(t, true));
            map.computeIfPresent(".qzeros", (_, t) -> wide(t, false));
          }
          return map;
        };
    String settings = settings(", \"group_size\": 8, \"pack_dtype\": \"int64\"");
    String query = "model.layers.0.self_attn.q_proj";
    Path usual = TinyModel.write(dir.resolve("usual"), settings, OldSpellingsTest::gptq);
    try (Checkpoint c = Checkpoints.open(TinyModel.write(dir.resolve("m"), settings, layer));
        Checkpoint want = Checkpoints.open(usual)) {
      assertThat(Objects.requireNonNull(c.tensors().get(query + ".qweight")).dtype())
          .isEqualTo(DType.I64);
      float[] row = new float[TinyModel.HIDDEN];
      TinyModel.requireElements(
          c.linear(query).weight(),
          (o, i) -> {
            want.linear(query).weight().dequantizeRow(o, row);
            return row[(int) i];
          });
    }
  }

  @Test
  void aRuleThatSaysFalseLeavesALayerAlone() {
    String settings = settings(", \"group_size\": 8, \"dynamic\": {\".*up_proj\": false}");
    Path model =
        TinyModel.write(
            dir.resolve("m"),
            settings,
            shape ->
                shape.module().equals(UP)
                    ? Map.of(
                        ".weight",
                        TinyModel.floats(new Random(1), DType.F16, shape.rows(), shape.columns()))
                    : gptq(shape));
    try (Checkpoint c = Checkpoints.open(model)) {
      assertThat(c.linear(UP).weight().label()).isEqualTo("f16");
    }
  }

  @Test
  void aLoneFileOfWeightsMayHaveAnyNameAndTheContextADefault() throws IOException {
    Path model =
        TinyModel.write(dir.resolve("m"), settings(", \"group_size\": 8"), OldSpellingsTest::gptq);
    Path weights = model.resolve("model.safetensors");
    Files.move(weights, model.resolve("gptq_model-4bit-8g.safetensors"));
    Path config = model.resolve("config.json");
    Files.writeString(
        config, Files.readString(config).replace("\"max_position_embeddings\": 64,", ""));
    requireSame(model);
    try (Checkpoint c = Checkpoints.open(model)) {
      assertThat(c.config().maxPositions()).isEqualTo(2048);
    }
    Files.copy(
        model.resolve("gptq_model-4bit-8g.safetensors"), model.resolve("another.safetensors"));
    assertThatThrownBy(() -> Checkpoints.open(model))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("has neither")
        .hasMessageContaining("which of them");
  }

  private static Tensor fp8(LinearShape shape) {
    return TinyModel.floats(new Random(3), DType.F32, shape.rows(), shape.columns())
        .to(DType.F8_E4M3, Arena.ofAuto());
  }

  @Test
  void modelOptHasBlocksAndSettingsWithinSettings() {
    String nested =
        "{\"quant_method\": \"modelopt\", \"quantization\": {\"quant_algo\": \"FP8_PB_WO\"}}";
    Path model =
        TinyModel.write(
            dir.resolve("m"),
            nested,
            shape ->
                Map.of(
                    ".weight", fp8(shape),
                    ".weight_scale", Tensor.ofFloats(new float[] {0.25f}, 1, 1, 1, 1)));
    try (Checkpoint c = Checkpoints.open(model)) {
      LinearWeights layer = c.linear(UP);
      Tensor codes = fp8(new LinearShape(UP, TinyModel.INTER, TinyModel.HIDDEN, false));
      TinyModel.requireElements(
          layer.weight(), (o, i) -> codes.getFloat(o * TinyModel.HIDDEN + i) * 0.25);
      assertThat(layer.activation()).isEqualTo(new ActivationQuant.None());
    }
  }

  private static Map<String, Tensor> dense(LinearShape shape) {
    Map<String, Tensor> map = new TreeMap<>();
    map.put(".weight", TinyModel.floats(new Random(4), DType.F16, shape.rows(), shape.columns()));
    if (shape.module().matches(".*[kv]_proj")) {
      String letter = shape.module().endsWith("k_proj") ? "k" : "v";
      map.put("." + letter + "_scale", Tensor.ofFloats(new float[] {0.5f}, 1));
    }
    return map;
  }

  @Test
  void modelOptMayQuantizeTheCacheAlone() {
    String settings =
        "{\"quant_method\": \"modelopt\", \"quant_algo\": null, \"kv_cache_quant_algo\": \"%s\"}";
    try (Checkpoint c =
        Checkpoints.open(
            TinyModel.write(
                dir.resolve("fp8"), settings.formatted("FP8"), OldSpellingsTest::dense))) {
      assertThat(c.format()).isEqualTo("modelopt (cache only)");
      assertThat(c.kvScales(0).orElseThrow().key()).containsExactly(0.5f);
      assertThat(c.scaleProblems()).isEmpty();
    }
    try (Checkpoint c =
        Checkpoints.open(
            TinyModel.write(
                dir.resolve("nvfp4"), settings.formatted("NVFP4"), OldSpellingsTest::dense))) {
      assertThat(c.kvScales(0)).isEmpty();
      assertThat(c.scaleProblems()).singleElement().asString().contains("NVFP4");
    }
  }
}
