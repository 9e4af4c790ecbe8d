package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.packing.GptqPacking;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
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

/** {@code W[o,i] = scales[g_idx[i], o] · (q[i,o] − Z[g_idx[i], o])} in every variant. */
class GptqTest {
  @TempDir private Path dir;

  /** Everything a layer is made from, as unsigned codes. */
  private record Parts(
      int bits, int group, Tensor codes, Tensor zeros, Tensor scales, int[] index) {
    static Parts random(LinearShape shape, int bits, int group, int order) {
      Random random = new Random(shape.module().hashCode());
      long k = shape.columns();
      int size = group == -1 ? (int) k : group;
      long groups = ScaleGrid.blocks(k, size);
      int top = 1 << bits;
      long[] codeShape = {shape.rows(), k};
      long[] zeroShape = {shape.rows(), groups};
      int[] index = new int[(int) k];
      for (int i = 0; i < k; i++) {
        index[i] = i / size;
      }
      if (order == SHUFFLED) {
        for (int i = index.length - 1; i > 0; i--) {
          int j = random.nextInt(i + 1);
          int swapped = index[i];
          index[i] = index[j];
          index[j] = swapped;
        }
      } else if (order == UNEQUAL) {
        for (int i = 0; i < k; i++) {
          index[i] = random.nextInt((int) groups);
        }
      }
      return new Parts(
          bits,
          size,
          TinyModel.integers(DType.U8, codeShape, _ -> random.nextInt(top)),
          TinyModel.integers(
              DType.U8, zeroShape, i -> i == 0 ? top - 1 : i == 1 ? 0 : random.nextInt(top)),
          TinyModel.floats(random, DType.F16, groups, shape.rows()),
          index);
    }

    Map<String, Tensor> tensors(boolean withIndex) {
      Map<String, Tensor> map = new TreeMap<>();
      map.put(".qweight", GptqPacking.packCodes(codes, bits));
      map.put(".qzeros", GptqPacking.packZeros(zeros, bits));
      map.put(".scales", scales);
      if (withIndex) {
        map.put(
            ".g_idx",
            TinyModel.integers(DType.I32, new long[] {index.length}, i -> index[(int) i]));
      }
      return map;
    }

    double element(long o, long i, boolean second) {
      int g = index[(int) i];
      long zero = zeros.getLong(o * zeros.dim(1) + g) + (second ? 0 : 1);
      long code = codes.getLong(o * codes.dim(1) + i);
      return (code - zero) * (double) scales.getFloat(g * scales.dim(1) + o);
    }
  }

  private static final int PLAIN = 0;
  private static final int SHUFFLED = 1;
  private static final int UNEQUAL = 2;

  private static String settings(int bits, int group, boolean actOrder, String more) {
    return """
        {"quant_method": "gptq", "bits": %d, "group_size": %d, "desc_act": %s%s}"""
        .formatted(bits, group, actOrder, more);
  }

  @Test
  void everyWidthGroupAndConventionDecodesByTheFormula() {
    int n = 0;
    for (int bits : new int[] {2, 3, 4, 8}) {
      for (int group : new int[] {-1, 8, 24, 32, 128}) {
        for (int order : new int[] {PLAIN, SHUFFLED, UNEQUAL}) {
          boolean second = (n & 1) == 1;
          boolean withIndex = order != PLAIN || (n & 2) == 0;
          String format = second ? ", \"checkpoint_format\": \"gptq_v2\"" : "";
          Path model =
              TinyModel.write(
                  dir.resolve("m" + n++),
                  settings(bits, group, order != PLAIN, format),
                  shape -> Parts.random(shape, bits, group, order).tensors(withIndex));
          try (Checkpoint c = Checkpoints.open(model)) {
            assertThat(c.format()).isEqualTo(second ? "gptq (v2)" : "gptq");
            ModelLayout.linears(
                c.config(),
                shape -> {
                  if (!shape.module().equals("lm_head")) {
                    Parts parts = Parts.random(shape, bits, group, order);
                    LinearWeights layer = c.linear(shape.module());
                    assertThat(layer.weight())
                        .isInstanceOf(bits == 8 ? Int8Weight.class : Int4Weight.class);
                    TinyModel.requireElements(
                        layer.weight(), (o, i) -> parts.element(o, i, second));
                  }
                });
          }
        }
      }
    }
  }

  @Test
  void aSymmetricLayerHasNoZeroPoints() {
    Path model =
        TinyModel.write(
            dir.resolve("m"),
            settings(4, 16, false, ", \"sym\": true"),
            shape -> {
              Map<String, Tensor> map = Parts.random(shape, 4, 16, PLAIN).tensors(true);
              Tensor zeros = java.util.Objects.requireNonNull(map.get(".qzeros"));
              for (long i = 0; i < zeros.size(); i++) {
                zeros.segment().setAtIndex(java.lang.foreign.ValueLayout.JAVA_INT, i, 0x77777777);
              }
              return map;
            });
    try (Checkpoint c = Checkpoints.open(model)) {
      Int4Weight w = (Int4Weight) c.linear("model.layers.0.mlp.up_proj").weight();
      assertThat(w.grid().symmetric()).isTrue();
      assertThat(w.label()).isEqualTo("int4 g16");
    }
  }

  @Test
  void settingsMayBeInAFileOfTheirOwnAndBothMustAgree() throws IOException {
    Path model =
        TinyModel.writeFiles(
            dir.resolve("own"),
            TinyModel.config(""),
            shape -> Parts.random(shape, 4, 8, PLAIN).tensors(false));
    Path file = model.resolve("quantize_config.json");
    Files.writeString(file, "{\"wbits\": 4, \"q_group_size\": 8}");
    Checkpoints.open(model).close();
    String config = model.resolve("config.json").toString();
    Files.writeString(
        model.resolve("config.json"),
        TinyModel.config(", \"quantization_config\": " + settings(4, 8, false, "")));
    Files.writeString(file, "{\"bits\": 4, \"group_size\": 8, \"checkpoint_format\": \"gptq_v2\"}");
    try (Checkpoint c = Checkpoints.open(model)) {
      assertThat(c.format()).isEqualTo("gptq (v2)"); // what one does not say, the other may
    }
    Files.writeString(file, "{\"bits\": 4, \"group_size\": 16}");
    assertThatThrownBy(() -> Checkpoints.open(model))
        .hasMessageContaining(config)
        .hasMessageContaining("group_size' is 8, but 16 in quantize_config.json");
  }

  @Test
  void rulesExcludeLayersOrGiveThemOtherWidths() {
    String rules =
        """
        , "dynamic": {"-:.*up_proj": {}, "+:.*\\\\.down_proj": {"bits": 8, "group_size": -1},
         ".*gate_proj": {"bits": 2}}""";
    Path model =
        TinyModel.write(
            dir.resolve("m"),
            settings(4, 8, false, rules),
            shape -> {
              String name = shape.module();
              if (name.endsWith("up_proj")) {
                return Map.of(
                    ".weight",
                    TinyModel.floats(new Random(1), DType.F16, shape.rows(), shape.columns()));
              }
              return name.endsWith("down_proj")
                  ? Parts.random(shape, 8, -1, PLAIN).tensors(false)
                  : Parts.random(shape, name.endsWith("gate_proj") ? 2 : 4, 8, PLAIN)
                      .tensors(false);
            });
    try (Checkpoint c = Checkpoints.open(model)) {
      assertThat(c.linear("model.layers.0.mlp.up_proj").weight().label()).isEqualTo("f16");
      assertThat(c.linear("model.layers.0.mlp.down_proj").weight().label())
          .isEqualTo("int8 channel asym");
      assertThat(c.linear("model.layers.0.mlp.gate_proj").weight().label())
          .isEqualTo("int4 g8 asym");
    }
  }

  @Test
  void whatIsMissingOrContradictsIsNamed() {
    refused(settings(4, 8, true, ""), "g_idx", "q_proj.g_idx' is missing");
    refused(settings(4, 8, false, ""), "qzeros", "q_proj.qzeros' is missing");
    refused(settings(4, 8, false, ""), "scales", "q_proj.scales' is missing");
    refused(settings(4, 8, false, ""), "qweight", "q_proj.qweight' is missing");
    refused(settings(4, 16, false, ""), "", "expected I32 [2, 4]");
    refused(settings(8, 8, false, ""), "", "of 8 bits in groups of 8");
    refused(settings(4, 0, false, ""), "", "group_size' is 0");
    refused(settings(6, 8, false, ""), "", "bits' is 6");
    refused(settings(4, 8, false, ", \"checkpoint_format\": \"marlin\""), "", "is 'marlin'");
    refused(settings(4, 8, false, ", \"dynamic\": {\"-:(\": {}}"), "", "broken regular expression");
    refused(
        settings(4, 8, false, ", \"dynamic\": {\"([a-z._]|[a-z._0-9])*\\\\1!\": {}}"),
        "",
        "too long");
  }

  private void refused(String settings, String without, String reason) {
    Path model =
        TinyModel.write(
            dir.resolve("bad" + Integer.toHexString((settings + without).hashCode())),
            settings,
            shape -> {
              Map<String, Tensor> map = Parts.random(shape, 4, 8, PLAIN).tensors(true);
              map.remove("." + without);
              return map;
            });
    assertThatThrownBy(() -> Checkpoints.open(model))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(reason);
  }
}
