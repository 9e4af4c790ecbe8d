package dev.octet.checkpoint.ascend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.Shared;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.LowRank;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class AscendReaderTest {
  private static final String ATTENTION = AscendFolder.LAYER + "self_attn.";
  private static final String Q = ATTENTION + "q_proj";
  private static final List<String> TAGS =
      List.of(
          "FLOAT",
          "W16A16S",
          "W8A8",
          "W8A8S",
          "W8A8_DYNAMIC",
          "W8A8_MIX",
          "W8A16",
          "W4A16",
          "W4A8_DYNAMIC",
          "W4A4_DYNAMIC",
          "W8A8_MXFP8",
          "W4A8_MXFP",
          "W4A4_MXFP4");

  @TempDir Path dir;

  private static AscendFolder folder(String tag) {
    return new AscendFolder(7, _ -> tag, 0, true);
  }

  static Stream<Arguments> tagsGroupsAndVersions() {
    return TAGS.stream()
        .flatMap(
            tag ->
                Stream.of(
                    Arguments.of(tag, 0, true),
                    Arguments.of(tag, 0, false),
                    Arguments.of(tag, tag.equals("W8A8_MIX") ? 0 : 5, true),
                    Arguments.of(tag, tag.equals("W8A8_MIX") ? 0 : 16, false)));
  }

  @ParameterizedTest
  @MethodSource("tagsGroupsAndVersions")
  void everyTagStandsForItsFormula(String tag, int group, boolean versioned) {
    for (int seed = 0; seed < 2; seed++) {
      AscendFolder folder = new AscendFolder(seed, _ -> tag, group, versioned);
      try (Checkpoint c = folder.open(dir.resolve("" + seed))) {
        assertThat(c.format()).isEqualTo("ascend");
        folder.expected.forEach(
            (module, e) -> {
              boolean decoding = module.endsWith(":decoding");
              LinearWeights layer = c.linear(module.replace(":decoding", ""));
              requireSame(module, decoding ? decoding(layer) : layer, e);
            });
      }
    }
  }

  /** Formats.md 1.3; the rest is told apart and refused by name. */
  @Test
  void everyTagIsReadBesidesThoseThatNeedOtherArithmetic() {
    List<String> read =
        Stream.of(Tag.values()).filter(t -> t.form() != Tag.Form.UNREAD).map(Tag::label).toList();
    assertThat(read)
        .containsAll(TAGS)
        .contains("W8A8_PDMIX", "WFP8AFP8_DYNAMIC", "C8", "FAQuant", "FAKQuant");
    assertThat(Stream.of(Tag.values()).map(Tag::label).filter(tag -> !read.contains(tag)))
        .containsExactlyInAnyOrder("W8A8SC", "W16A16SC", "NF4", "W8A8_TIMESTEP");
  }

  @Test
  void fourBitInputsAreScaledByTheLargestCode() {
    try (Checkpoint c = folder("W4A4_DYNAMIC").open(dir)) {
      assertThat(c.linear(Q).activation())
          .isEqualTo(new ActivationQuant.DynamicInt4(ActivationQuant.DynamicInt4.CODES));
    }
  }

  private static LinearWeights decoding(LinearWeights layer) {
    return Objects.requireNonNull(layer.decoding());
  }

  private static void requireSame(String module, LinearWeights layer, AscendFolder.Expected e) {
    int k = (int) layer.weight().columns();
    float[] row = new float[k];
    for (int r = 0; r < layer.weight().rows(); r++) {
      layer.weight().dequantizeRow(r, row);
      for (int j = 0; j < k; j++) {
        requireClose(row[j], e.weight()[r * k + j], 3e-7, module);
      }
      double bias = layer.bias() == null ? 0 : layer.bias().getFloat(r);
      requireClose(bias, e.bias() == null ? 0 : e.bias()[r], 1e-6, module + ".bias");
    }
  }

  private static void requireClose(double got, double want, double relative, String what) {
    if (!(Math.abs(got - want) <= relative * Math.abs(want))) {
      throw new AssertionError("%s: %s, expected %s".formatted(what, got, want));
    }
  }

  @Test
  void inputsAreQuantizedAsTheTagSays() {
    assertActivation("W8A8_DYNAMIC", ActivationQuant.DynamicInt8.class);
    assertActivation("W4A8_DYNAMIC", ActivationQuant.DynamicInt8.class);
    assertActivation("W8A16", ActivationQuant.None.class);
    assertActivation("W8A8", ActivationQuant.StaticInt8.class);
    try (Checkpoint c = folder("W8A8_MIX").open(dir.resolve("mix"))) {
      LinearWeights layer = c.linear(Q);
      assertThat(layer.activation()).isInstanceOf(ActivationQuant.DynamicInt8.class);
      assertThat(decoding(layer).activation()).isInstanceOf(ActivationQuant.StaticInt8.class);
    }
  }

  private void assertActivation(String tag, Class<?> type) {
    try (Checkpoint c = folder(tag).open(dir.resolve(tag))) {
      assertThat(c.linear(Q).activation()).isInstanceOf(type);
    }
  }

  @Test
  void modulesOfOneModelMayDifferAndTheHeadlineDecidesNothing() {
    AscendFolder folder =
        new AscendFolder(3, name -> TAGS.get(Math.floorMod(name.hashCode(), TAGS.size())), 0, true);
    folder.tags.put("model_quant_type", "W4A4_DYNAMIC");
    folder.tags.put("some_later_setting", "anything");
    try (Checkpoint c = folder.open(dir)) {
      folder.expected.forEach(
          (module, e) -> {
            if (!module.endsWith(":decoding")) {
              requireSame(module, c.linear(module), e);
            }
          });
    }
  }

  @Test
  void fp8WeightsHaveOneScaleARow() {
    AscendFolder folder = folder("FLOAT");
    Tensor codes = folder.floats(DType.F8_E4M3, 50, AscendFolder.HEADS * AscendFolder.DIM, 18);
    folder.put(Q + ".weight", "WFP8AFP8_DYNAMIC", codes);
    folder.scales(Q + ".weight_scale", "WFP8AFP8_DYNAMIC", codes.dim(0), 1);
    try (Checkpoint c = folder.open(dir)) {
      LinearWeights layer = c.linear(Q);
      assertThat(layer.activation()).isInstanceOf(ActivationQuant.DynamicFp8.class);
      float[] row = new float[18];
      layer.weight().dequantizeRow(4, row);
      float scale = folder.tensor(Q + ".weight_scale").getFloat(4);
      assertThat(row[3]).isEqualTo(codes.getFloat(4 * 18 + 3) * scale);
    }
  }

  @Test
  void twoStagesOfScalesMultiply() {
    AscendFolder folder = folder("W4A8_DYNAMIC");
    Tensor first = folder.tensor(Q + ".weight_scale");
    folder.scales(Q + ".weight_scale_second", "W4A8_DYNAMIC", first.dim(0), 3);
    Tensor second = folder.tensor(Q + ".weight_scale_second");
    try (Checkpoint c = folder.open(dir)) {
      float[] row = new float[18];
      c.linear(Q).weight().dequantizeRow(2, row);
      for (int j = 0; j < 18; j++) {
        double code = folder.expected(Q).weight()[2 * 18 + j] / first.getFloat(2);
        double want = code * first.getFloat(2) * second.getFloat(2 * 3 + j / 6);
        assertThat((double) row[j]).isCloseTo(want, within(1e-6 * Math.abs(want)));
      }
    }
  }

  @Test
  void smoothingThatStaysBesideTheLayerScalesItsInput() {
    AscendFolder folder = folder("W8A8_DYNAMIC");
    for (String suffix : List.of(".weight", ".weight_scale", ".weight_offset", ".bias")) {
      folder.move(Q + suffix, Q + ".linear" + suffix);
    }
    folder.scales(Q + ".div.mul_scale", "FLOAT", AscendFolder.HIDDEN);
    try (Checkpoint c = folder.open(dir)) {
      requireSame(Q, c.linear(Q), folder.expected(Q));
      assertThat(Objects.requireNonNull(c.linear(Q).inputScale()).toFloats())
          .containsExactly(folder.tensor(Q + ".div.mul_scale").toFloats());
    }
  }

  private static void tag(AscendFolder folder, String module, String tag) {
    folder.tags.replaceAll((name, own) -> name.startsWith(module + ".") ? tag : own);
  }

  private static float[] values(AscendFolder folder, String name) {
    return folder.tensor(name).to(DType.F32, Arena.ofAuto()).toFloats();
  }

  /** Any tag may have the addition, wherever the tools put it, and biases have had it, too. */
  @ParameterizedTest
  @CsvSource({
    "W4A4_DYNAMIC,W4A4_FLATQUANT_DYNAMIC",
    "W8A8_DYNAMIC,W8A8_FLATQUANT_DYNAMIC",
    "W4A8_DYNAMIC,W4A8_FLATQUANT_DYNAMIC",
    "W4A4_MXFP4,W4A4_MXFP4_FLATQUANT",
    "W8A8,W8A8_FLATQUANT",
    "W8A8_MIX,W8A8_MIX_FLATQUANT",
    "FLOAT,FLOAT_FLATQUANT"
  })
  void flatQuantTurnsInputsAndClipsThem(String tag, String stored) {
    AscendFolder folder = folder(tag);
    folder.put(Q + ".left_trans", "", folder.floats(DType.BF16, 1, 3, 3));
    folder.put(Q + ".right_trans", "", folder.floats(DType.F32, 1, 6, 6));
    folder.put(Q + ".clip_ratio", "", Tensor.ofFloats(new float[] {0.875f}, 1));
    tag(folder, Q, stored);
    ActivationQuant plain;
    try (Checkpoint c = folder(tag).open(dir.resolve("plain"))) {
      plain = c.linear(Q).activation();
    }
    try (Checkpoint c = folder.open(dir.resolve("flat"))) {
      LinearWeights layer = c.linear(Q);
      requireSame(Q, layer, folder.expected(Q));
      assertThat(layer.activation()).isEqualTo(new ActivationQuant.Clipped(plain, 0.875f));
      Kronecker matrix = (Kronecker) Objects.requireNonNull(layer.inputMatrix());
      assertThat(Objects.requireNonNull(matrix.left()).toFloats())
          .containsExactly(values(folder, Q + ".left_trans"));
      assertThat(Objects.requireNonNull(matrix.right()).toFloats())
          .containsExactly(values(folder, Q + ".right_trans"));
      assertThat(c.linear(ATTENTION + "k_proj").inputMatrix()).isNull();
      if (layer.decoding() != null) {
        assertThat(matrix.sameAs(Objects.requireNonNull(decoding(layer).inputMatrix()))).isTrue();
        assertThat(decoding(layer).activation()).isInstanceOf(ActivationQuant.Clipped.class);
      }
    }
  }

  @Test
  void oneSideOfAMatrixIsEnoughAndARatioOfOneIsNone() {
    String o = ATTENTION + "o_proj";
    AscendFolder folder = folder("W4A4_DYNAMIC");
    folder.put(o + ".left_trans", "", folder.floats(DType.F32, 1, 3, 3));
    folder.put(o + ".clip_ratio", "", Tensor.ofFloats(new float[] {1}, 1));
    tag(folder, o, "W4A4_FLATQUANT_DYNAMIC");
    try (Checkpoint c = folder.open(dir)) {
      Kronecker matrix = (Kronecker) Objects.requireNonNull(c.linear(o).inputMatrix());
      assertThat(matrix.right()).isNull();
      assertThat(matrix.leftOrder(18)).isEqualTo(3);
      assertThat(matrix.rightOrder(18)).isEqualTo(6);
      assertThat(c.linear(o).activation()).isInstanceOf(ActivationQuant.DynamicInt4.class);
    }
  }

  /** As QuaRot's tools store them: not described. */
  @Test
  void rotationsOfQuaRotAreKroneckerProducts() {
    String o = ATTENTION + "o_proj";
    String down = AscendFolder.LAYER + "mlp.down_proj";
    AscendFolder folder =
        new AscendFolder(7, m -> m.endsWith("o_proj") ? "FLOAT" : "W4A4_DYNAMIC", 0, true);
    folder.put(o + ".heads_rotation", "", folder.floats(DType.F32, 1, 3, 3));
    folder.put(down + ".kronecker_rotation_m", "", folder.floats(DType.F32, 1, 7, 7));
    folder.put(down + ".kronecker_rotation_n", "", folder.floats(DType.F32, 1, 3, 3));
    folder.tags.keySet().removeIf(name -> name.contains("_rotation"));
    try (Checkpoint c = folder.open(dir)) {
      Kronecker heads = (Kronecker) Objects.requireNonNull(c.linear(o).inputMatrix());
      assertThat(heads.right()).isNull();
      assertThat(Objects.requireNonNull(heads.left()).toFloats())
          .containsExactly(values(folder, o + ".heads_rotation"));
      Kronecker both = (Kronecker) Objects.requireNonNull(c.linear(down).inputMatrix());
      assertThat(Objects.requireNonNull(both.left()).toFloats())
          .containsExactly(values(folder, down + ".kronecker_rotation_m"));
      assertThat(Objects.requireNonNull(both.right()).toFloats())
          .containsExactly(values(folder, down + ".kronecker_rotation_n"));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "W4A4_MXFP4,W4A4_MXFP4_SVD",
    "W4A4_DYNAMIC,W4A4_SVD_DYNAMIC",
    "W8A8_DYNAMIC,W8A8_DYNAMIC_SVD"
  })
  void productsOfLowRankStandBesideLayers(String tag, String stored) {
    AscendFolder folder = folder(tag);
    tag(folder, Q, stored);
    Tensor down = folder.floats(DType.BF16, 1, 2, AscendFolder.HIDDEN);
    Tensor up = folder.floats(DType.F32, 1, AscendFolder.HEADS * AscendFolder.DIM, 2);
    folder.put(Q + ".svd_lowrank_l1", "FLOAT", down);
    folder.put(Q + ".svd_lowrank_l2", "FLOAT", up);
    try (Checkpoint c = folder.open(dir)) {
      LinearWeights layer = c.linear(Q);
      requireSame(Q, layer, folder.expected(Q));
      LowRank product = Objects.requireNonNull(layer.lowRank());
      assertThat(product.rank()).isEqualTo(2);
      float[] row = new float[AscendFolder.HIDDEN];
      product.addTo(5, row);
      for (int j = 0; j < row.length; j++) {
        double want =
            (double) up.getFloat(10) * down.getFloat(j)
                + (double) up.getFloat(11) * down.getFloat(AscendFolder.HIDDEN + j);
        assertThat((double) row[j]).isCloseTo(want, within(1e-6 * Math.abs(want)));
      }
    }
  }

  @Test
  void whatDoesNotFitBesideALayerIsRefused() {
    String o = ATTENTION + "o_proj";
    refusedFlat(f -> f.put(Q + ".left_trans", "FLOAT", f.floats(DType.F32, 1, 4, 4)), "order 18");
    refusedFlat(f -> f.put(Q + ".left_trans", "FLOAT", f.floats(DType.F32, 1, 3, 6)), "square");
    refusedFlat(f -> f.put(Q + ".left_trans", "FLOAT", f.floats(DType.I8, 1, 3, 3)), "square");
    refusedFlat(f -> f.tensor(Q + ".right_trans").setFloat(7, Float.NaN), "NaN at index 7");
    refusedFlat(f -> f.tensor(Q + ".clip_ratio").setFloat(0, 0), "above 0, at most 1");
    refusedFlat(f -> f.tensor(Q + ".clip_ratio").setFloat(0, 1.5f), "is 1.5");
    refusedFlat(f -> f.put(Q + ".clip_ratio", "FLOAT", f.floats(DType.F32, 1, 2)), "shape [1]");
    refusedFlat(
        f -> {
          for (String suffix : List.of(".left_trans", ".right_trans", ".clip_ratio")) {
            f.tensors.remove(Q + suffix);
          }
        },
        "none of left_trans");
    refusedFlat(
        f -> f.put(Q + ".kronecker_rotation_m", "FLOAT", f.floats(DType.F32, 1, 3, 3)),
        "in which order");
    refusedFlat(
        f -> f.put(Q + ".svd_lowrank_l1", "FLOAT", f.floats(DType.F32, 1, 2, 18)),
        "which of them comes first");
    refusedFlat(f -> f.move(Q + ".weight", Q + ".linear.weight"), "beside it no weight is stored");
    refused(
        "W8A8_DYNAMIC", f -> f.tags.put(Q + ".weight", "W8A8_SVD_DYNAMIC"), "no svd_lowrank_l1");
    refused(
        "W8A8_DYNAMIC",
        f -> f.put(Q + ".svd_lowrank_l2", "FLOAT", f.floats(DType.F32, 1, 18, 2)),
        "svd_lowrank_l1' is missing");
    refused(
        "W8A8_DYNAMIC",
        f -> f.put(Q + ".svd_lowrank_l1", "FLOAT", f.floats(DType.F32, 1, 19, 18)),
        "a rank from 1 to 18");
    refused(
        "W8A8_DYNAMIC",
        f -> {
          f.put(Q + ".svd_lowrank_l1", "FLOAT", f.floats(DType.F32, 1, 2, 18));
          f.put(Q + ".svd_lowrank_l2", "FLOAT", f.floats(DType.F32, 1, 2, 18));
        },
        "expected shape [18, 2]");
    refused(
        "W8A8_DYNAMIC",
        f -> f.put(o + ".heads_rotation", "FLOAT", f.floats(DType.F32, 1, 6, 6)),
        "3 heads of 6 channels");
    refused(
        "W8A8_DYNAMIC",
        f -> f.put(o + ".kronecker_rotation_m", "FLOAT", f.floats(DType.F32, 1, 6, 6)),
        "kronecker_rotation_n' is missing");
    refused("W8A8_DYNAMIC", f -> f.tags.put(Q + ".weight", "W8A8_TIMESTEP"), "diffusion");
    refused("W8A8_DYNAMIC", f -> f.tags.put(Q + ".weight", "NF4"), "are not stored");
  }

  private void refusedFlat(Consumer<AscendFolder> damage, String reason) {
    refused(
        "W4A4_DYNAMIC",
        f -> {
          f.put(Q + ".left_trans", "", f.floats(DType.BF16, 1, 3, 3));
          f.put(Q + ".right_trans", "", f.floats(DType.F32, 1, 6, 6));
          f.put(Q + ".clip_ratio", "", Tensor.ofFloats(new float[] {0.875f}, 1));
          tag(f, Q, "W4A4_FLATQUANT_DYNAMIC");
          damage.accept(f);
        },
        reason);
  }

  @Test
  void normsMayHaveABiasUnderEitherName() {
    String norm = AscendFolder.LAYER + "input_layernorm";
    AscendFolder own = folder("W8A8");
    own.put(norm + ".bias", "FLOAT", own.floats(DType.F16, 1, AscendFolder.HIDDEN));
    own.put(norm + ".module.bias", "W8A8", own.floats(DType.F16, 1, AscendFolder.HIDDEN));
    own.put(norm + ".module.weight", "W8A8", own.floats(DType.F16, 1, AscendFolder.HIDDEN));
    try (Checkpoint c = own.open(dir.resolve("own"))) {
      assertThat(c.tensor(norm + ".bias").toFloats())
          .containsExactly(own.tensor(norm + ".bias").toFloats());
    }
    AscendFolder moved = folder("W8A8");
    moved.put(norm + ".module.bias", "W8A8", moved.floats(DType.F16, 1, AscendFolder.HIDDEN));
    moved.put(norm + ".module.weight", "W8A8", moved.floats(DType.F16, 1, AscendFolder.HIDDEN));
    try (Checkpoint c = moved.open(dir.resolve("moved"))) {
      assertThat(c.hasTensor(norm + ".bias")).isTrue();
      assertThat(c.tensor(norm + ".weight").toFloats())
          .containsExactly(moved.tensor(norm + ".module.weight").toFloats());
      assertThat(c.hasTensor("model.norm.bias")).isFalse();
    }
    AscendFolder wrong = folder("W8A8");
    wrong.put(norm + ".bias", "FLOAT", wrong.floats(DType.F16, 1, 5));
    assertThatThrownBy(() -> wrong.open(dir.resolve("wrong")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("input_layernorm.bias");
  }

  @ParameterizedTest
  @ValueSource(strings = {"column", "flat", "channels"})
  void attentionScalesComeInThreeShapes(String form) {
    AscendFolder folder = folder("W8A8_DYNAMIC");
    for (String operand : List.of("q", "k", "v")) {
      int heads = operand.equals("q") ? AscendFolder.HEADS : AscendFolder.KV_HEADS;
      long[] shape =
          switch (form) {
            case "column" -> new long[] {heads, 1};
            case "flat" -> new long[] {heads};
            default -> new long[] {heads, AscendFolder.DIM};
          };
      folder.scales(ATTENTION + "fa_" + operand + ".scale", "FAQuant", shape);
      Tensor offset = folder.floats(DType.I8, 20, shape);
      folder.put(ATTENTION + "fa_" + operand + ".offset", "FAQuant", offset);
    }
    try (Checkpoint c = folder.open(dir)) {
      KvScales cache = c.kvScales(0).orElseThrow();
      QueryScales query = c.queryScales(0).orElseThrow();
      assertThat(cache.type()).isEqualTo(DType.I8);
      assertThat(cache.key()).containsExactly(folder.tensor(ATTENTION + "fa_k.scale").toFloats());
      assertThat(cache.valueOffset())
          .containsExactly(folder.tensor(ATTENTION + "fa_v.offset").toFloats());
      assertThat(query.scale()).containsExactly(folder.tensor(ATTENTION + "fa_q.scale").toFloats());
    }
  }

  @Test
  void aStrategySaysWhichOperandsAreQuantized() {
    AscendFolder folder = withAttention(folder("W8A8_DYNAMIC"));
    folder.tags.put(ATTENTION + "quant_type", "KV_INT8");
    try (Checkpoint c = folder.open(dir.resolve("kv"))) {
      assertThat(c.kvScales(0)).isPresent();
      assertThat(c.queryScales(0)).isEmpty();
    }
    folder.tags.put(ATTENTION + "quant_type", "FP8");
    try (Checkpoint c = folder.open(dir.resolve("fp8"))) {
      assertThat(c.kvScales(0).orElseThrow().type()).isEqualTo(DType.F8_E4M3);
      assertThat(c.queryScales(0).orElseThrow().type()).isEqualTo(DType.F8_E4M3);
    }
    for (String asked : List.of("FP8_DYNAMIC", "Q_FP8_DYNAMIC_KV_FP8", "MXFP8", "QKVP_INT8")) {
      folder.tags.put(ATTENTION + "quant_type", asked);
      try (Checkpoint c = folder.open(dir.resolve("asked"))) {
        boolean cache = asked.contains("KV_") || asked.contains("P_");
        assertThat(c.kvScales(0).isPresent()).as(asked).isEqualTo(cache);
        assertThat(c.queryScales(0).isPresent()).as(asked).isEqualTo(asked.contains("P_"));
        assertThat(c.scaleProblems()).singleElement().asString().contains(asked, "1 of 1 layers");
      }
    }
    folder.tags.put(ATTENTION + "quant_type", "INT8");
    try (Checkpoint c = folder.open(dir.resolve("served"))) {
      assertThat(c.scaleProblems()).isEmpty();
    }
    AscendFolder bare = folder("W8A8_DYNAMIC");
    for (String key : List.of(ATTENTION + "quant_type", "fa_quant_type", "kv_quant_type")) {
      bare.tags.put(key, key.startsWith("fa") ? "FAQuant" : key.startsWith("kv") ? "C8" : "INT8");
      try (Checkpoint c = bare.open(dir.resolve("bare"))) {
        assertThat(c.kvScales(0)).isEmpty();
        assertThat(c.scaleProblems()).as(key).hasSize(1);
      }
      bare.tags.remove(key);
    }
    for (String damaged : List.of("", "INT", "KQ_INT8", "_INT8", "INT8_", "Q_INT8_Q_INT8")) {
      folder.tags.put(ATTENTION + "quant_type", damaged);
      assertThatThrownBy(() -> folder.open(dir.resolve("damaged")))
          .as(damaged)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("names no attention type");
    }
  }

  private static AscendFolder withAttention(AscendFolder folder) {
    folder.scales(ATTENTION + "fa_q.scale", "FAQuant", AscendFolder.HEADS, 1);
    folder.scales(ATTENTION + "fa_k.scale", "FAQuant", AscendFolder.KV_HEADS, 1);
    folder.scales(ATTENTION + "fa_v.scale", "FAQuant", AscendFolder.KV_HEADS, 1);
    return folder;
  }

  @Test
  void whatIsDamagedIsRefusedForItsDamage() {
    refused("W8A8", f -> f.tensor(Q + ".input_offset").setFloat(0, 0.5f), "is 0.5");
    refused("W8A8", f -> f.tensor(Q + ".input_scale").setFloat(0, -1), "scale -1.0");
    refused("W8A8", f -> f.tensors.remove(Q + ".quant_bias"), "quant_bias' is missing");
    refused("W8A16", f -> f.tensor(Q + ".weight_offset").setFloat(1, 200), "no integer from");
    refused("W4A16", f -> f.tensor(Q + ".weight_offset").setFloat(1, 8), "-8 to 7");
    refused("W4A16", f -> f.scales(Q + ".weight_scale", "W4A16", 18, 4), "4 groups for 18");
    refused("W8A8_DYNAMIC", f -> f.scales(Q + ".weight_scale", "FLOAT", 17, 1), "[17, 1]");
    refused("W8A8", f -> f.tags.put(Q + ".weight", "C8"), "which is for scales");
    refused("W8A8", f -> f.tags.put(Q + ".weight", "W8A8SC"), "'W8A8SC', which is not supported");
    refused("W8A8", f -> f.tags.put("version", "0.9.1"), "version");
    refused("W8A8", f -> f.tags.put("fa_quant_type", "FBQuant"), "FBQuant");
    refused("W8A8", f -> f.tags.remove("lm_head.weight"), "does not describe it");
    refused("W8A8", f -> f.scales(ATTENTION + "fa_k.scale", "FAQuant", 1), "fa_v.scale");
    refused(
        "W8A8", f -> withAttention(f).scales(ATTENTION + "fa_q.scale", "FAQuant", 2, 1), "[3, 1]");
    refused(
        "W8A8",
        f -> {
          withAttention(f).scales(ATTENTION + "k_proj.kv_cache_scale", "C8", AscendFolder.DIM);
          f.scales(ATTENTION + "v_proj.kv_cache_scale", "C8", AscendFolder.DIM);
        },
        "only one can be");
    refused(
        "W8A8",
        f -> f.scales(AscendFolder.LAYER + "heads_rotation", "FLOAT", 6, 6),
        "no weight is stored");
  }

  private void refused(String tag, Consumer<AscendFolder> damage, String reason) {
    AscendFolder folder = folder(tag);
    damage.accept(folder);
    assertThatThrownBy(() -> folder.open(dir.resolve("bad")).close())
        .as(reason)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(reason)
        .message()
        .doesNotContain("\n");
  }

  @Test
  void plainCodesThatAreNoFourBitsAreRefusedWhenRead() {
    AscendFolder folder = new AscendFolder(1, _ -> "W4A16", 0, false);
    folder.tensor(Q + ".weight").setFloat(5, 8);
    try (Checkpoint c = folder.open(dir)) {
      assertThatThrownBy(() -> c.linear(Q))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("code 8 at index 5");
    }
  }

  @Test
  void filesOfTheFirstGenerationGoByTheirType() {
    AscendFolder folder = new AscendFolder(1, _ -> "W8A8", 0, false);
    String weights = "quant_model_weight_w8a8.safetensors";
    folder.write(dir, "quant_model_description_w8a8.json", weights);
    folder.write(dir.resolve("x"), "quant_model_description_w8a8.json", "other.safetensors");
    try (Checkpoint c = Checkpoints.open(dir)) {
      assertThat(c.format()).isEqualTo("ascend");
    }
    try (Checkpoint c = Checkpoints.open(dir.resolve("x"))) { // no other file could be meant
      assertThat(c.format()).isEqualTo("ascend");
    }
    folder.write(dir.resolve("x"), "quant_model_description_w8a8.json", "another.safetensors");
    assertThatThrownBy(() -> Checkpoints.open(dir.resolve("x")))
        .hasMessageContaining("has neither");
  }

  @Test
  void severalDescriptionsOrStrayPartsAreRefused() throws IOException {
    AscendFolder folder = new AscendFolder(1, _ -> "W8A8", 0, false);
    folder.write(dir, "quant_model_description_w8a8.json", "quant_model_weight_w8a8.safetensors");
    Files.writeString(dir.resolve("quant_model_description_w8a16.json"), folder.description());
    assertThatThrownBy(() -> Checkpoints.open(dir)).hasMessageContaining("several descriptions");
    Files.delete(dir.resolve("quant_model_description_w8a16.json"));
    Path whole = dir.resolve("quant_model_weight_w8a8.safetensors");
    Files.move(whole, dir.resolve("quant_model_weight_w8a8-00001-of-00002.safetensors"));
    Files.copy(
        dir.resolve("quant_model_weight_w8a8-00001-of-00002.safetensors"),
        dir.resolve("quant_model_weight_w8a8-00003-of-00003.safetensors"));
    assertThatThrownBy(() -> Checkpoints.open(dir)).hasMessageContaining("is not part");
  }

  @Test
  void conformanceWeightsAreThoseExpected() {
    Shared.require();
    assertThat(Shared.cases("ascend_").size()).isGreaterThan(10);
    for (Path c : Shared.cases("ascend_w")) {
      try (Checkpoint checkpoint = Checkpoints.open(c.resolve("model"))) {
        assertThat(checkpoint.format()).isEqualTo("ascend");
        assertThat(checkpoint.linear("model.layers.0.mlp.down_proj").weight().rows()).isEqualTo(64);
      }
    }
  }
}
