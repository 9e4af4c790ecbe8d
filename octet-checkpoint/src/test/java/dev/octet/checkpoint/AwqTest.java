package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.packing.AwqPacking;
import dev.octet.checkpoint.packing.Codes;
import dev.octet.tensor.DType;
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

/** {@code W[o,i] = (q − z)·scales[i/g, o]} in both layouts. */
class AwqTest {
  @TempDir private Path dir;

  /** Codes [n, k], zero points and scales [n, groups]. */
  private record Parts(int group, Tensor codes, Tensor zeros, Tensor scales) {
    static Parts random(LinearShape shape, int group) {
      Random random = new Random(shape.module().hashCode());
      int size = group == -1 ? (int) shape.columns() : group;
      long groups = ScaleGrid.blocks(shape.columns(), size);
      return new Parts(
          size,
          TinyModel.integers(
              DType.U8, new long[] {shape.rows(), shape.columns()}, _ -> random.nextInt(16)),
          TinyModel.integers(DType.U8, new long[] {shape.rows(), groups}, _ -> random.nextInt(16)),
          TinyModel.floats(random, DType.F16, shape.rows(), groups));
    }

    Map<String, Tensor> tensors(boolean gemm) {
      Map<String, Tensor> map = new TreeMap<>();
      if (gemm) {
        map.put(".qweight", AwqPacking.pack(Codes.turned(codes), true));
        map.put(".qzeros", AwqPacking.pack(Codes.turned(zeros), true));
        map.put(".scales", Codes.turned(scales));
        return map;
      }
      map.put(".qweight", AwqPacking.pack(codes, false));
      long width = ScaleGrid.blocks(zeros.dim(1), 8) + 1; // wider than it need be, as AutoAWQ's
      map.put(".qzeros", AwqPacking.pack(wide(zeros, 8 * width), false));
      map.put(".scales", wide(scales, 8 * width));
      return map;
    }

    private static Tensor wide(Tensor t, long columns) {
      Tensor out = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), t.dtype(), t.dim(0), columns);
      for (long i = 0; i < t.size(); i++) {
        out.setFloat(i / t.dim(1) * columns + i % t.dim(1), t.getFloat(i));
      }
      return out;
    }

    double element(long o, long i) {
      long at = o * scales.dim(1) + i / group;
      return (codes.getLong(o * codes.dim(1) + i) - zeros.getLong(at))
          * (double) scales.getFloat(at);
    }
  }

  @Test
  void bothLayoutsDecodeByTheFormula() {
    for (int group : new int[] {-1, 8, 24, 32, 128}) {
      for (boolean gemm : new boolean[] {true, false}) {
        String settings =
            """
            {"quant_method": "awq", "bits": 4, "group_size": %d, "zero_point": true,
             "version": "%s", "modules_to_not_convert": ["up_proj"]}"""
                .formatted(group, gemm ? "GEMM" : "gemv");
        Path model =
            TinyModel.write(
                dir.resolve(gemm + "" + group),
                settings,
                shape ->
                    shape.module().endsWith("up_proj")
                        ? Map.of(
                            ".weight",
                            TinyModel.floats(
                                new Random(1), DType.F16, shape.rows(), shape.columns()))
                        : Parts.random(shape, group).tensors(gemm));
        try (Checkpoint c = Checkpoints.open(model)) {
          assertThat(c.format()).isEqualTo(gemm ? "awq (gemm)" : "awq (gemv)");
          assertThat(c.linear("model.layers.0.mlp.up_proj").weight().label()).isEqualTo("f16");
          for (String name : new String[] {"self_attn.k_proj", "mlp.gate_proj", "mlp.down_proj"}) {
            var layer = c.linear("model.layers.0." + name);
            LinearShape shape =
                new LinearShape(
                    "model.layers.0." + name,
                    layer.weight().rows(),
                    layer.weight().columns(),
                    false);
            TinyModel.requireElements(layer.weight(), Parts.random(shape, group)::element);
          }
        }
      }
    }
  }

  @Test
  void theOlderFileOfSettingsIsRead() throws IOException {
    Path model =
        TinyModel.writeFiles(
            dir.resolve("m"), TinyModel.config(""), s -> Parts.random(s, 8).tensors(true));
    Files.writeString(
        model.resolve("quant_config.json"),
        "{\"zero_point\": true, \"q_group_size\": 8, \"w_bit\": 4, \"version\": \"GEMM\"}");
    try (Checkpoint c = Checkpoints.open(model)) {
      assertThat(c.linear("model.layers.0.mlp.up_proj").weight().label()).startsWith("int4 g8");
    }
  }

  @Test
  void whatCannotBeIsNamed() {
    refused("\"bits\": 3", "AWQ has 4 bits");
    refused("\"zero_point\": false", "zero_point");
    refused("\"version\": \"gemv_fast\"", "supported are gemm and gemv");
    refused("\"version\": \"marlin\"", "supported are gemm and gemv");
    refused("\"group_size\": 0", "group_size' is 0");
    refused("\"group_size\": 16", "expected I32 [2, 4]");
    refused("\"version\": \"gemv\", \"group_size\": 8", "gemv layout");
  }

  private void refused(String field, String reason) {
    String group = field.contains("group_size") ? "" : ", \"group_size\": 8";
    Path model =
        TinyModel.write(
            dir.resolve("bad" + Integer.toHexString(field.hashCode())),
            "{\"quant_method\": \"awq\", %s%s}".formatted(field, group),
            shape -> Parts.random(shape, 8).tensors(true));
    assertThatThrownBy(() -> Checkpoints.open(model))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(reason);
  }
}
