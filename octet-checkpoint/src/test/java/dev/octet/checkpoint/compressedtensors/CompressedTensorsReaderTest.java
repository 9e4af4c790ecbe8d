package dev.octet.checkpoint.compressedtensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.Shared;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CompressedTensorsReaderTest {
  @TempDir Path dir;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ct_w8a8_dynamic",
        "ct_w4a16_sym",
        "ct_w4a16_asym",
        "ct_mixed_groups",
        "ct_fp8_static",
        "ct_fp8_dynamic",
        "ct_fp8_kv_cache"
      })
  void weightsDequantizeToTheConformanceValues(String name) {
    Path root = Shared.path("conformance/" + name);
    try (Checkpoint checkpoint = Checkpoints.open(root.resolve("model"));
        SafetensorsFile expected = SafetensorsFile.open(root.resolve("expected.safetensors"))) {
      assertThat(checkpoint.format()).isEqualTo("compressed-tensors");
      int compared = 0;
      for (String key : expected.tensors().keySet()) {
        if (key.startsWith("dequant.")) {
          float[] want = expected.tensor(key).toFloats();
          float[] got = dequantize(checkpoint.linear(key.substring(8)).weight());
          for (int i = 0; i < want.length; i++) {
            assertThat((double) Math.abs(got[i] - want[i]))
                .as("%s[%d]", key, i)
                .isLessThanOrEqualTo(1e-6 * Math.abs(want[i]));
          }
          compared++;
        } else if (key.startsWith("rowdot.")) {
          checkRowDot(
              key, checkpoint.linear(key.substring(7)).weight(), expected.tensor(key).toFloats());
          compared++;
        }
      }
      assertThat(compared).isGreaterThan(10);
    }
  }

  private static void checkRowDot(String key, QuantizedWeight weight, float[] want) {
    float[] row = new float[(int) weight.columns()];
    for (int r = 0; r < want.length; r++) {
      weight.dequantizeRow(r, row);
      double sum = 0;
      double magnitude = 0;
      for (int j = 0; j < row.length; j++) {
        double u = ((37 * j + 11) % 64 - 31.5) / 32;
        sum += row[j] * u;
        magnitude += Math.abs(row[j] * u);
      }
      assertThat(Math.abs(sum - want[r]) / magnitude).as("%s[%d]", key, r).isLessThan(2e-6);
    }
  }

  private static float[] dequantize(QuantizedWeight weight) {
    int k = (int) weight.columns();
    float[] all = new float[(int) weight.rows() * k];
    float[] row = new float[k];
    for (int r = 0; r < weight.rows(); r++) {
      weight.dequantizeRow(r, row);
      System.arraycopy(row, 0, all, r * k, k);
    }
    return all;
  }

  @Test
  void everyGroupOfAMixedCheckpointGetsItsOwnForm() {
    try (Checkpoint c = Checkpoints.open(Shared.path("conformance/ct_mixed_groups/model"))) {
      var dynamic = c.linear("model.layers.0.self_attn.q_proj");
      assertThat(dynamic.weight()).isInstanceOf(Int8Weight.class);
      assertThat(dynamic.activation()).isEqualTo(new ActivationQuant.DynamicInt8());
      var fixed = c.linear("model.layers.0.mlp.up_proj");
      assertThat(fixed.activation()).isInstanceOf(ActivationQuant.StaticInt8.class);
      var ordered = (Int4Weight) c.linear("model.layers.1.self_attn.o_proj").weight();
      assertThat(ordered.permutation()).isNotNull();
      assertThat(c.linear("model.layers.0.mlp.gate_proj").weight()).isInstanceOf(Int8Weight.class);
      assertThat(c.linear("model.layers.1.mlp.gate_proj").weight()).isInstanceOf(Fp8Weight.class);
      assertThat(c.linear("model.layers.0.self_attn.o_proj").weight())
          .isInstanceOf(DenseWeight.class);
    }
  }

  @Test
  void staticActivationsAndCacheScalesAreRead() {
    try (Checkpoint c = Checkpoints.open(Shared.path("conformance/ct_fp8_static/model"))) {
      var layer = c.linear("model.layers.0.self_attn.q_proj");
      assertThat(((Fp8Weight) layer.weight()).grid().granularity())
          .isEqualTo(ScaleGranularity.TENSOR);
      assertThat(layer.activation()).isInstanceOf(ActivationQuant.StaticFp8.class);
      assertThat(c.kvScales(0)).isEmpty();
    }
    try (Checkpoint c = Checkpoints.open(Shared.path("conformance/ct_fp8_kv_cache/model"))) {
      KvScales scales = c.kvScales(1).orElseThrow();
      assertThat(scales.type()).isEqualTo(DType.F8_E4M3);
      assertThat(scales.key()).hasSize(1);
      assertThat(scales.key()[0])
          .isEqualTo(c.tensor("model.layers.1.self_attn.k_scale").getFloat(0));
      assertThat(scales.value()[0])
          .isEqualTo(c.tensor("model.layers.1.self_attn.v_scale").getFloat(0));
    }
  }

  private static String transform(String type, String location) {
    return """
        "transform_config": {"config_groups": {"R4": {"type": "%s", "head_dim": 16,
          "apply": [{"targets": ["re:.*down_proj$"], "location": "%s"},
                    {"targets": ["re:.*down_proj$"], "location": "weight_input",
                     "inverse": true}]}}}"""
        .formatted(type, location);
  }

  @Test
  void whatTheFamilyHoldsBesidesIsRefusedByName() throws IOException {
    refused(
        "ct_w8a8_dynamic",
        "\"sparsity_config\": {}",
        "\"sparsity_config\": {\"format\": \"sparse-24-bitmask\"}",
        "sparse-24-bitmask");
    refused(
        "ct_w8a8_dynamic", "\"transform_config\": {}", transform("hadamard", "output"), "location");
    refused(
        "ct_w8a8_dynamic",
        "\"transform_config\": {}",
        transform("random-hadamard", "input"),
        "random-hadamard");
    refused(
        "ct_w8a8_dynamic",
        "\"transform_config\": {}",
        transform("hadamard", "input").replace("\"head_dim\": 16", "\"head_dim\": 24"),
        "head_dim");
    refused(
        "ct_w8a8_dynamic",
        "\"transform_config\": {}",
        "\"transform_config\": {\"config_groups\": {\"R4\": {\"apply\": [7]}}}",
        "apply");
    refused(
        "ct_w8a8_dynamic", "\"int-quantized\"", "\"mxfp4-pack-quantized\"", "mxfp4-pack-quantized");
    refused(
        "ct_w8a8_dynamic",
        "\"output_activations\": null",
        "\"output_activations\": {\"num_bits\": 4}",
        "output_activations");
    refused(
        "ct_w8a8_dynamic", "\"strategy\": \"token\"", "\"strategy\": \"block\"", "block_structure");
    refused("ct_w4a16_sym", "\"group_size\": 32", "\"group_size\": 16", "weight_scale");
    refused("ct_w4a16_sym", "\"num_bits\": 4", "\"num_bits\": 8", "weight_packed");
    refused("ct_w4a16_sym", "\"symmetric\": true", "\"symmetric\": false", "zero_point");
    refused("ct_w4a16_asym", "\"symmetric\": false", "\"symmetric\": true", "symmetric");
    refused("ct_w4a16_sym", "\"actorder\": null", "\"actorder\": \"group\"", "g_idx");
    refused(
        "ct_w4a16_sym",
        "\"strategy\": \"group\"",
        "\"strategy\": \"tensor_group\"",
        "tensor_group");
    refused("ct_w4a16_sym", "\"Linear\"", "\"re:(\"", "regular expression");
  }

  private void refused(String name, String from, String to, String reason) throws IOException {
    Path model = Shared.path("conformance/" + name + "/model");
    String config = Files.readString(model.resolve("config.json"));
    assertThat(config).contains(from);
    Files.writeString(dir.resolve("config.json"), config.replace(from, to));
    Path weights = dir.resolve("model.safetensors");
    Files.deleteIfExists(weights);
    Files.copy(model.resolve("model.safetensors"), weights);
    assertThatThrownBy(() -> Checkpoints.open(dir).close())
        .as(to)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(reason);
  }
}
