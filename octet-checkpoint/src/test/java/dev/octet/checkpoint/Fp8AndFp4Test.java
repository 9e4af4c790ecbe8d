package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.Codecs;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** FP8 of every scale's shape, ModelOpt's algorithms, and FP4 of compressed-tensors. */
class Fp8AndFp4Test {
  private static final String UP = "model.layers.0.mlp.up_proj";

  @TempDir private Path dir;

  private static Tensor codes(LinearShape shape) {
    Random random = new Random(shape.module().hashCode());
    Tensor t = TinyModel.floats(random, DType.F32, shape.rows(), shape.columns());
    return t.to(DType.F8_E4M3, java.lang.foreign.Arena.ofAuto());
  }

  private static Tensor scalar(float value, long... shape) {
    return Tensor.ofFloats(new float[] {value}, shape);
  }

  private static LinearShape shape(Checkpoint c) {
    var weight = c.linear(UP).weight();
    return new LinearShape(UP, weight.rows(), weight.columns(), false);
  }

  @Test
  void blocksMultiplyAndMayBeShortAndInBf16() {
    Random random = new Random(3);
    Tensor scales = TinyModel.floats(random, DType.BF16, 6, 3);
    Path model =
        TinyModel.write(
            dir.resolve("m"),
            """
            {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3",
             "weight_block_size": [10, 12], "scale_fmt": "ue8m0"}""",
            shape -> {
              long rows = ScaleGrid.blocks(shape.rows(), 10);
              long columns = ScaleGrid.blocks(shape.columns(), 12);
              Tensor inv =
                  shape.module().equals(UP)
                      ? scales
                      : TinyModel.floats(random, DType.F32, rows, columns);
              return Map.of(".weight", codes(shape), ".weight_scale_inv", inv);
            });
    try (Checkpoint c = Checkpoints.open(model)) {
      Tensor codes = codes(shape(c));
      TinyModel.requireElements(
          c.linear(UP).weight(),
          (o, i) -> (double) codes.getFloat(o * 32 + i) * scales.getFloat(o / 10 * 3 + i / 12));
      assertThat(c.linear(UP).activation()).isEqualTo(new ActivationQuant.DynamicFp8Block(12));
      assertThat(c.format()).isEqualTo("fp8 (block)");
    }
  }

  /** No setting says how large blocks are: the scales do, unless all is one block. */
  @Test
  void blocksOfModelOptMayHaveAnySide() {
    for (int side : new int[] {16, 32, 64}) {
      Path model =
          TinyModel.write(
              dir.resolve("b" + side),
              "{\"quant_method\": \"modelopt\", \"quant_algo\": \"FP8_PB_WO\"}",
              shape -> {
                long rows = ScaleGrid.blocks(shape.rows(), side);
                long columns = ScaleGrid.blocks(shape.columns(), side);
                return Map.of(
                    ".weight",
                    codes(shape),
                    ".weight_scale",
                    TinyModel.floats(new Random(6), DType.F32, rows, 1, columns, 1));
              });
      try (Checkpoint c = Checkpoints.open(model)) {
        Tensor codes = codes(shape(c));
        long columns = ScaleGrid.blocks(32, side);
        Tensor scales =
            TinyModel.floats(new Random(6), DType.F32, ScaleGrid.blocks(56, side), 1, columns, 1);
        TinyModel.requireElements(
            c.linear(UP).weight(),
            (o, i) ->
                (double) codes.getFloat(o * 32 + i)
                    * scales.getFloat(o / side * columns + i / side));
      }
    }
    Path odd =
        TinyModel.write(
            dir.resolve("odd"),
            "{\"quant_method\": \"modelopt\", \"quant_algo\": \"FP8_PB_WO\"}",
            shape ->
                Map.of(
                    ".weight",
                    codes(shape),
                    ".weight_scale",
                    TinyModel.floats(new Random(6), DType.F32, 5, 3)));
    assertThatThrownBy(() -> Checkpoints.open(odd)).hasMessageContaining("weight_scale");
  }

  @Test
  void oneScaleMayBeAScalarAndChannelsAColumn() {
    for (long[] one : new long[][] {{}, {1}}) {
      Path model =
          TinyModel.write(
              dir.resolve("s" + one.length),
              "{\"quant_method\": \"fp8\", \"activation_scheme\": \"static\"}",
              shape ->
                  Map.of(
                      ".weight", codes(shape),
                      ".weight_scale", scalar(0.375f, one),
                      ".input_scale", scalar(0.02f, one)));
      try (Checkpoint c = Checkpoints.open(model)) {
        Tensor codes = codes(shape(c));
        TinyModel.requireElements(
            c.linear(UP).weight(), (o, i) -> codes.getFloat(o * 32 + i) * 0.375);
        assertThat(c.linear(UP).activation()).isEqualTo(new ActivationQuant.StaticFp8(0.02f));
      }
    }
    Path fbgemm =
        TinyModel.write(
            dir.resolve("f"),
            "{\"quant_method\": \"fbgemm_fp8\", \"activation_scale_ub\": 900.0}",
            shape ->
                Map.of(
                    ".weight", codes(shape),
                    ".weight_scale", TinyModel.floats(new Random(5), DType.F32, shape.rows(), 1)));
    try (Checkpoint c = Checkpoints.open(fbgemm)) {
      Tensor codes = codes(shape(c));
      Tensor scales = TinyModel.floats(new Random(5), DType.F32, 56, 1);
      TinyModel.requireElements(
          c.linear(UP).weight(),
          (o, i) -> (double) codes.getFloat(o * 32 + i) * scales.getFloat(o));
      assertThat(c.linear(UP).activation()).isEqualTo(new ActivationQuant.DynamicFp8(900));
    }
  }

  @Test
  void cacheScalesOfFp8AreFound() {
    Path model =
        TinyModel.write(
            dir.resolve("kv"),
            "{\"quant_method\": \"fp8\", \"activation_scheme\": \"dynamic\"}",
            shape -> {
              Map<String, Tensor> map = new TreeMap<>();
              map.put(".weight", codes(shape));
              map.put(".weight_scale", scalar(0.5f));
              if (shape.module().endsWith("k_proj")) {
                map.put(".k_scale", scalar(0.25f));
              } else if (shape.module().endsWith("v_proj")) {
                map.put(".v_scale", scalar(0.125f));
              }
              return map;
            });
    try (Checkpoint c = Checkpoints.open(model)) {
      assertThat(c.kvScales(0).orElseThrow().key()).containsExactly(0.25f);
      assertThat(c.kvScales(0).orElseThrow().value()).containsExactly(0.125f);
    }
  }

  @Test
  void whatContradictsIsNamed() {
    String fp8 = "{\"quant_method\": \"fp8\", \"activation_scheme\": \"%s\"%s}";
    Map<String, Tensor> none = Map.of();
    refused(fp8.formatted("static", ""), none, "input_scale' is missing");
    refused(fp8.formatted("sideways", ""), none, "must be dynamic or static");
    refused(fp8.formatted("dynamic", ", \"fmt\": \"e5m2\""), none, "only e4m3");
    refused(fp8.formatted("dynamic", ", \"weight_block_size\": [0, 128]"), none, "two sizes");
    refused(
        fp8.formatted("dynamic", ", \"weight_block_size\": [128, 128]"),
        none,
        "weight_scale_inv' is missing");
    refused(
        fp8.formatted("dynamic", ""), Map.of(".weight_scale", scalar(Float.NaN)), "the scale NaN");
    refused(
        fp8.formatted("dynamic", ""),
        Map.of(".weight_scale", scalar(0)),
        "must be finite and positive");
    refused(
        fp8.formatted("dynamic", ""),
        Map.of(".weight_scale", Tensor.ofFloats(new float[3], 3)),
        "expected one float");
  }

  private void refused(String settings, Map<String, Tensor> more, String reason) {
    Path model =
        TinyModel.write(
            dir.resolve("bad" + Integer.toHexString((settings + more + reason).hashCode())),
            settings,
            shape -> {
              Map<String, Tensor> map = new TreeMap<>();
              map.put(".weight", codes(shape));
              map.put(".weight_scale", scalar(0.5f));
              map.putAll(more);
              return map;
            });
    assertThatThrownBy(() -> Checkpoints.open(model))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(reason);
  }

  private static Tensor bytes(LinearShape shape, long rows, long columns) {
    Random random = new Random(shape.module().hashCode());
    return TinyModel.integers(DType.U8, new long[] {rows, columns}, _ -> random.nextInt(256));
  }

  private static Tensor local(LinearShape shape, int group) {
    Random random = new Random(11);
    return TinyModel.floats(
            random, DType.F32, shape.rows(), ScaleGrid.blocks(shape.columns(), group))
        .to(DType.F8_E4M3, java.lang.foreign.Arena.ofAuto());
  }

  private static double nvfp4(LinearShape shape, long o, long i, double global) {
    Tensor packed = bytes(shape, shape.rows(), shape.columns() / 2);
    Tensor scales = local(shape, 16);
    int code = (int) packed.getLong(o * packed.dim(1) + i / 2) >>> 4 * (int) (i % 2);
    return Codecs.e2m1ToFloat(code) * (double) scales.getFloat(o * scales.dim(1) + i / 16) * global;
  }

  @Test
  void modelOptStoresAGlobalScaleThatMultiplies() throws IOException {
    Path model =
        TinyModel.writeFiles(
            dir.resolve("m"),
            TinyModel.config(""),
            shape ->
                Map.of(
                    ".weight", bytes(shape, shape.rows(), shape.columns() / 2),
                    ".weight_scale", local(shape, 16),
                    ".weight_scale_2", scalar(0.003f),
                    ".input_scale", scalar(0.0007f)));
    Files.writeString(
        model.resolve("hf_quant_config.json"),
        """
        {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4",
         "kv_cache_quant_algo": null, "group_size": 16, "exclude_modules": ["lm_head"]}}""");
    try (Checkpoint c = Checkpoints.open(model)) {
      LinearShape shape = shape(c);
      assertThat(c.linear(UP).weight()).isInstanceOf(Fp4Weight.class);
      assertThat(c.linear(UP).weight().label()).isEqualTo("nvfp4 g16");
      TinyModel.requireElements(c.linear(UP).weight(), (o, i) -> nvfp4(shape, o, i, 0.003f));
      assertThat(c.linear(UP).activation()).isEqualTo(new ActivationQuant.Fp4Group(0.0007f));
    }
  }

  @Test
  void compressedTensorsStoresOneThatDivides() {
    Path model =
        TinyModel.write(
            dir.resolve("m"),
            ct("nvfp4-pack-quantized", "tensor_group", 16),
            shape ->
                Map.of(
                    ".weight_packed", bytes(shape, shape.rows(), shape.columns() / 2),
                    ".weight_scale", local(shape, 16),
                    ".weight_global_scale", scalar(333f, 1)));
    try (Checkpoint c = Checkpoints.open(model)) {
      LinearShape shape = shape(c);
      TinyModel.requireElements(c.linear(UP).weight(), (o, i) -> nvfp4(shape, o, i, 1 / 333.0));
    }
  }

  private static String ct(String format, String strategy, int group) {
    return """
        {"quant_method": "compressed-tensors", "format": "%s", "ignore": ["lm_head"],
         "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4,
           "type": "float", "strategy": "%s", "group_size": %d}}}}"""
        .formatted(format, strategy, group);
  }

  @Test
  void mxfp4HasPowersOfTwoAndNoNan() {
    for (int exponent : new int[] {120, 255}) {
      Path model =
          TinyModel.write(
              dir.resolve("m" + exponent),
              ct("mxfp4-pack-quantized", "group", 32),
              shape ->
                  Map.of(
                      ".weight_packed", bytes(shape, shape.rows(), shape.columns() / 2),
                      ".weight_scale",
                          TinyModel.integers(
                              DType.U8,
                              new long[] {shape.rows(), ScaleGrid.blocks(shape.columns(), 32)},
                              i -> i == 3 ? exponent : 127)));
      if (exponent == 255) {
        assertThatThrownBy(() -> Checkpoints.open(model)).hasMessageContaining("the scale NaN");
        continue;
      }
      try (Checkpoint c = Checkpoints.open(model)) {
        LinearShape shape = shape(c);
        Tensor packed = bytes(shape, shape.rows(), shape.columns() / 2);
        TinyModel.requireElements(
            c.linear(UP).weight(),
            (o, i) -> {
              long pair = packed.getLong(o * packed.dim(1) + i / 2);
              return Codecs.e2m1ToFloat((int) (pair >>> 4 * (i % 2))) * (o == 3 ? 1 / 128.0 : 1);
            });
      }
    }
  }

  @Test
  void awqOfModelOptPairsOutputsAndScalesInputs() throws IOException {
    Path model =
        TinyModel.write(
            dir.resolve("m"),
            """
            {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "kv_cache_quant_algo":
             "FP8", "quantized_layers": {"model.layers.0.mlp.up_proj":
             {"quant_algo": "W4A16_AWQ", "group_size": 8}}}""",
            shape ->
                shape.module().equals(UP)
                    ? Map.of(
                        ".weight", bytes(shape, shape.rows() / 2, shape.columns()),
                        ".weight_scale",
                            TinyModel.floats(
                                new Random(2), DType.BF16, shape.rows(), shape.columns() / 8),
                        ".pre_quant_scale",
                            TinyModel.floats(new Random(4), DType.BF16, shape.columns()))
                    : Map.of(
                        ".weight",
                        TinyModel.floats(new Random(1), DType.F16, shape.rows(), shape.columns())));
    try (Checkpoint c = Checkpoints.open(model)) {
      LinearShape shape = shape(c);
      Tensor packed = bytes(shape, shape.rows() / 2, shape.columns());
      Tensor scales = TinyModel.floats(new Random(2), DType.BF16, 56, 4);
      TinyModel.requireElements(
          c.linear(UP).weight(),
          (o, i) -> {
            int nibble = (int) packed.getLong(o / 2 * 32 + i) >>> 4 * (int) (o % 2) & 15;
            return (nibble << 28 >> 28) * (double) scales.getFloat(o * 4 + i / 8);
          });
      Tensor before = c.linear(UP).inputScale();
      assertThat(before).isNotNull();
      assertThat(java.util.Objects.requireNonNull(before).toFloats())
          .containsExactly(TinyModel.floats(new Random(4), DType.BF16, 32).toFloats());
    }
  }

  @Test
  void anUnknownAlgorithmIsNamedWithTheKnownOnes() {
    Path model =
        TinyModel.write(
            dir.resolve("m"),
            "{\"quant_method\": \"modelopt\", \"quant_algo\": \"W4A8_MXFP4_FP8\"}",
            shape -> Map.of(".weight", codes(shape)));
    assertThatThrownBy(() -> Checkpoints.open(model))
        .isInstanceOf(UnsupportedCheckpointException.class)
        .hasMessageContaining("W4A8_MXFP4_FP8")
        .hasMessageContaining("NVFP4");
  }
}
