package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What llm-compressor's presets store besides the usual, and old spellings of it. */
class CompressedTensorsPresetsTest {
  private static final String UP = "model.layers.0.mlp.up_proj";
  private static final String INT8 =
      "{\"num_bits\": 8, \"type\": \"int\", \"strategy\": \"channel\"}";

  @TempDir private Path dir;

  private static String config(String format, String weights, String inputs, String more) {
    return """
        {"quant_method": "compressed-tensors", "ignore": ["lm_head"]%s,
         "config_groups": {"group_0": {"targets": ["Linear"], "weights": %s,
                           "input_activations": %s}}%s}"""
        .formatted(
            format.isEmpty() ? "" : ", \"format\": \"" + format + "\"", weights, inputs, more);
  }

  private static String args(int bits, String type, String strategy, String more) {
    return "{\"num_bits\": %d, \"type\": \"%s\", \"strategy\": \"%s\"%s}"
        .formatted(bits, type, strategy, more);
  }

  private static String dynamic(int bits, String type, String strategy, String more) {
    return args(bits, type, strategy, ", \"dynamic\": true" + more);
  }

  private static Map<String, Tensor> int8(LinearShape shape) {
    Random random = new Random(1);
    Map<String, Tensor> map = new TreeMap<>();
    map.put(
        ".weight",
        TinyModel.integers(
            DType.I8, new long[] {shape.rows(), shape.columns()}, _ -> random.nextInt(16) - 8));
    map.put(".weight_scale", TinyModel.floats(random, DType.BF16, shape.rows(), 1));
    return map;
  }

  /** {@code more} beside the layer of that name. */
  private static TinyModel.Layer int8With(String module, Map<String, Tensor> more) {
    return shape -> {
      Map<String, Tensor> map = int8(shape);
      if (shape.module().endsWith(module)) {
        map.putAll(more);
      }
      return map;
    };
  }

  private static Tensor one(float value) {
    return Tensor.ofFloats(new float[] {value}, 1);
  }

  private static final TinyModel.Layer PLAIN = CompressedTensorsPresetsTest::int8;

  private Path write(String name, String settings, TinyModel.Layer layer) {
    return TinyModel.write(dir.resolve(name), settings, layer);
  }

  private ActivationQuant inputs(String name, String settings, TinyModel.Layer layer) {
    try (Checkpoint c = Checkpoints.open(write(name, settings, layer))) {
      return c.linear(UP).activation();
    }
  }

  private static TinyModel.Layer mx(int bits) {
    return shape -> {
      if (shape.module().endsWith("down_proj")) { // 56 columns are no whole groups
        return dense(shape);
      }
      Random random = new Random(2);
      long k = bits == 4 ? shape.columns() / 2 : shape.columns();
      Tensor scales =
          TinyModel.integers(
              DType.U8,
              new long[] {shape.rows(), ScaleGrid.blocks(shape.columns(), 32)},
              i -> 120 + i % 9);
      Tensor codes =
          bits == 4
              ? TinyModel.integers(DType.U8, new long[] {shape.rows(), k}, _ -> random.nextInt(256))
              : TinyModel.floats(random, DType.F32, shape.rows(), k)
                  .to(DType.F8_E4M3, Arena.ofAuto());
      return Map.of(bits == 4 ? ".weight_packed" : ".weight", codes, ".weight_scale", scales);
    };
  }

  @Test
  void mxLayersQuantizeTheirInputsAndComeBackAsTheyWere() {
    String group = ", \"group_size\": 32";
    for (int bits : new int[] {4, 8}) {
      String format = bits == 4 ? "mxfp4-pack-quantized" : "mxfp8-quantized";
      String weights = args(bits, "float", "group", group);
      String settings =
          config(format, weights, dynamic(bits, "float", "group", group), "")
              .replace("\"lm_head\"", "\"lm_head\", \"re:.*down_proj\"");
      Path model = write("mx" + bits, settings, mx(bits));
      Path copy = dir.resolve("copy" + bits);
      try (Checkpoint c = Checkpoints.open(model)) {
        LinearWeights layer = c.linear(UP);
        assertThat(layer.activation()).isEqualTo(new ActivationQuant.MxGroup(bits));
        WriteOptions options = WriteOptions.of(false, false, "test");
        try (CompressedTensorsWriter out = CompressedTensorsWriter.open(copy, model, options)) {
          ModelLayout.linears(c.config(), l -> out.add(l.module(), c.linear(l.module())));
          ModelLayout.plain(c.config(), p -> out.addDense(p.name(), c.tensor(p.name())));
          out.finish();
        }
        try (Checkpoint again = Checkpoints.open(copy)) {
          assertThat(again.linear(UP).activation()).isEqualTo(layer.activation());
          TinyModel.requireElements(again.linear(UP).weight(), (o, i) -> element(layer, o, i));
        }
      }
    }
    String wrong =
        config(
            "mxfp4-pack-quantized",
            args(4, "float", "group", group),
            dynamic(8, "float", "token", ""),
            "");
    assertThatThrownBy(() -> Checkpoints.open(write("wrong", wrong, mx(4))).close())
        .isInstanceOf(UnsupportedCheckpointException.class)
        .hasMessageContaining("groups of 32");
  }

  private static double element(LinearWeights layer, long row, long column) {
    float[] values = new float[(int) layer.weight().columns()];
    layer.weight().dequantizeRow(row, values);
    return values[(int) column];
  }

  /** Columns that nobody has put in another order have group −1 each; anything else counts. */
  @Test
  void groupsThatWereNeverSetAreThoseOfNeighbours() {
    String settings =
        config(
            "int-quantized",
            args(8, "int", "group", ", \"group_size\": 8"),
            dynamic(8, "int", "token", ""),
            "");
    for (int first : new int[] {-1, 0}) {
      TinyModel.Layer layer =
          shape -> {
            Map<String, Tensor> map = int8(shape);
            long groups = shape.columns() / 8;
            map.put(
                ".weight_scale", TinyModel.floats(new Random(3), DType.BF16, shape.rows(), groups));
            map.put(
                ".weight_g_idx",
                TinyModel.integers(
                    DType.I32, new long[] {shape.columns()}, i -> i == 0 ? first : -1));
            return map;
          };
      Path model = write("unset" + first, settings, layer);
      if (first == -1) {
        try (Checkpoint c = Checkpoints.open(model)) {
          assertThat(c.linear(UP).weight().permutation()).isNull();
        }
      } else {
        assertThatThrownBy(() -> Checkpoints.open(model))
            .hasMessageContaining("puts column 1 into group -1");
      }
    }
  }

  @Test
  void fourBitIntegersMayMeetFp8Inputs() {
    String settings =
        config(
            "int-quantized", args(4, "int", "channel", ""), dynamic(8, "float", "token", ""), "");
    try (Checkpoint c = Checkpoints.open(write("m", settings, PLAIN))) {
      assertThat(c.linear(UP).weight()).isInstanceOf(Int4Weight.class);
      assertThat(c.linear(UP).activation()).isEqualTo(new ActivationQuant.DynamicFp8());
    }
    String other =
        config(
            "float-quantized", args(8, "float", "channel", ""), dynamic(8, "int", "token", ""), "");
    assertThatThrownBy(() -> Checkpoints.open(write("other", other, PLAIN)))
        .isInstanceOf(CheckpointException.class);
  }

  @Test
  void tokensMayHaveOffsetsAndABatchOneScale() {
    String asymmetric =
        config("int-quantized", INT8, dynamic(8, "int", "token", ", \"symmetric\": false"), "");
    assertThat(inputs("asym", asymmetric, PLAIN)).isEqualTo(new ActivationQuant.AsymmetricInt8());
    String batch = config("int-quantized", INT8, dynamic(8, "int", "tensor", ""), "");
    try (Checkpoint c = Checkpoints.open(write("batch", batch, PLAIN))) {
      assertThat(c.linear(UP).activation()).isEqualTo(new ActivationQuant.DynamicInt8());
      assertThat(c.notices()).singleElement().asString().contains("each token gets its own");
    }
  }

  @Test
  void aCacheThatIsDeclaredWithoutScalesIsReported() {
    String fp8 = ", \"kv_cache_scheme\": " + args(8, "float", "tensor", "");
    try (Checkpoint c =
        Checkpoints.open(write("fp8", config("int-quantized", INT8, "null", fp8), PLAIN))) {
      assertThat(c.kvScales(0).orElseThrow().key()).containsExactly(1);
      assertThat(c.scaleProblems()).singleElement().asString().contains("1 of 1 layers", "1.0");
    }
    String int8 = ", \"kv_cache_scheme\": " + args(8, "int", "tensor", "");
    try (Checkpoint c =
        Checkpoints.open(write("int8", config("int-quantized", INT8, "null", int8), PLAIN))) {
      assertThat(c.kvScales(0)).isEmpty();
      assertThat(c.scaleProblems()).singleElement().asString().contains("not quantized");
    }
    Map<String, Tensor> scale = Map.of(".k_scale", one(0.5f));
    String none = config("int-quantized", INT8, "null", "");
    try (Checkpoint c = Checkpoints.open(write("none", none, int8With("k_proj", scale)))) {
      assertThat(c.kvScales(0)).isEmpty();
      assertThat(c.scaleProblems()).singleElement().asString().contains("not used");
    }
  }

  @Test
  void attentionsOwnScalesAndZeroPointsAreUsed() {
    String scheme = args(8, "int", "tensor", ", \"symmetric\": false");
    String settings = config("int-quantized", INT8, "null", ", \"kv_cache_scheme\": " + scheme);
    Tensor zero = TinyModel.integers(DType.I8, new long[] {1}, _ -> -3);
    TinyModel.Layer layer =
        shape -> {
          Map<String, Tensor> map = int8(shape);
          String name = shape.module().substring(shape.module().lastIndexOf('.') + 1);
          switch (name) {
            case "q_proj" -> map.put(".q_scale", one(0.125f));
            case "k_proj" -> {
              map.put(".k_scale", one(0.25f));
              map.put(".k_zero_point", zero);
            }
            case "v_proj" -> map.put(".v_scale", one(0.5f));
            default -> {}
          }
          return map;
        };
    try (Checkpoint c = Checkpoints.open(write("m", settings, layer))) {
      KvScales scales = c.kvScales(0).orElseThrow();
      assertThat(scales.type()).isEqualTo(DType.I8);
      assertThat(scales.key()).containsExactly(0.25f);
      assertThat(scales.keyOffset()).containsExactly(-3);
      assertThat(scales.valueOffset()).isEmpty();
      assertThat(c.queryScales(0).orElseThrow().scale()).containsExactly(0.125f);
      assertThat(c.scaleProblems()).isEmpty();
    }
  }

  private static Map<String, Tensor> dense(LinearShape shape) {
    Map<String, Tensor> map = new TreeMap<>();
    map.put(".weight", TinyModel.floats(new Random(4), DType.F16, shape.rows(), shape.columns()));
    if (shape.module().endsWith("k_proj")) {
      map.put(".k_scale", one(0.25f));
    } else if (shape.module().endsWith("v_proj")) {
      map.put(".v_scale", one(0.5f));
    }
    return map;
  }

  @Test
  void theCacheAloneMayBeQuantized() {
    String scheme = args(8, "float", "tensor", "");
    String groupless =
        "{\"quant_method\": \"compressed-tensors\", \"format\": \"dense\", \"kv_cache_scheme\": "
            + scheme
            + "}";
    String attention =
        """
        {"quant_method": "compressed-tensors", "format": "dense",
         "config_groups": {"group_0": {"targets": ["LlamaAttention"], "weights": null,
                           "input_activations": %s}}}"""
            .formatted(scheme);
    for (String settings : new String[] {groupless, attention}) {
      Path model = write("m" + settings.length(), settings, CompressedTensorsPresetsTest::dense);
      try (Checkpoint c = Checkpoints.open(model)) {
        assertThat(c.linear(UP).weight().label()).isEqualTo("f16");
        assertThat(c.kvScales(0).orElseThrow().value()).containsExactly(0.5f);
        assertThat(c.scaleProblems()).isEmpty();
      }
    }
  }

  @Test
  void outputsOfKeysAndValuesAreTheCacheOfOlderReleases() {
    String settings =
        config("int-quantized", INT8, "null", "")
            .replace(
                "\"input_activations\": null",
                "\"output_activations\": " + args(8, "int", "tensor", ""));
    TinyModel.Layer layer =
        shape -> {
          Map<String, Tensor> map = int8(shape);
          if (shape.module().matches(".*[kv]_proj")) {
            map.put(".output_scale", one(0.5f));
          }
          return map;
        };
    try (Checkpoint c = Checkpoints.open(write("m", settings, layer))) {
      assertThat(c.kvScales(0).orElseThrow().type()).isEqualTo(DType.I8);
      assertThat(c.notices()).singleElement().asString().contains("outputs of layers");
    }
    try (Checkpoint c = Checkpoints.open(write("without", settings, PLAIN))) {
      assertThat(c.kvScales(0)).isEmpty();
      assertThat(c.scaleProblems()).isEmpty();
    }
  }

  @Test
  void withoutAFormatTheTensorsTell() {
    try (Checkpoint c = Checkpoints.open(write("m", config("", INT8, "null", ""), PLAIN))) {
      assertThat(c.linear(UP).weight().label()).isEqualTo("int8 channel");
      assertThat(c.notices()).singleElement().asString().contains("name no format");
    }
  }

  @Test
  void settingsAreFoundUnderOldNamesAndWithinTheTextModel() {
    String settings = config("int-quantized", INT8, "null", "");
    for (String place :
        new String[] {
          ", \"compression_config\": " + settings,
          ", \"text_config\": {\"quantization_config\": " + settings + "}"
        }) {
      Path model =
          TinyModel.writeFiles(dir.resolve("m" + place.length()), TinyModel.config(place), PLAIN);
      try (Checkpoint c = Checkpoints.open(model)) {
        assertThat(c.format()).isEqualTo("compressed-tensors");
        assertThat(c.linear(UP).weight().label()).isEqualTo("int8 channel");
      }
    }
  }

  @Test
  void pythonsNamedGroupsAreUnderstood() {
    String settings =
        config("int-quantized", INT8, "null", "")
            .replace("\"lm_head\"", "\"lm_head\", \"re:(?P<a_1>mo)del.*(?P=a_1)$\"")
            .replace("\"Linear\"", "\"re:model[.](?P<the_layers>layers)[.]\"");
    try (Checkpoint c = Checkpoints.open(write("m", settings, PLAIN))) {
      assertThat(c.linear(UP).weight().label()).isEqualTo("int8 channel");
    }
  }
}
