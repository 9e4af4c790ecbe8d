package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * An Ascend checkpoint with all that may happen to a layer's input while it runs: what providers
 * compute from it against the formulas in double precision, entry by entry. Values are whole
 * numbers, so that inputs are quantized to the same codes everywhere.
 */
class AscendInputsTest {
  private static final String LAYER = "model.layers.0.";
  private static final String Q = LAYER + "self_attn.q_proj";
  private static final String O = LAYER + "self_attn.o_proj";
  private static final String GATE = LAYER + "mlp.gate_proj";
  private static final String DOWN = LAYER + "mlp.down_proj";
  private static final int HIDDEN = 24;
  private static final int INTER = 20;
  private static final float RATIO = 0.8125f;

  @TempDir Path dir;
  private final Map<String, Tensor> tensors = new TreeMap<>();
  private final StringBuilder description = new StringBuilder("{\n");
  private final Random random = new Random(17);

  static Stream<String> providers() {
    return Providers.list().stream()
        .filter(Providers.ProviderInfo::available)
        .map(Providers.ProviderInfo::name);
  }

  @BeforeEach
  void make() throws IOException {
    for (String name : new String[] {"model.embed_tokens", "lm_head"}) {
      put(name + ".weight", "FLOAT", whole(DType.F32, 8, HIDDEN));
    }
    for (String norm : new String[] {"model.norm", LAYER + "input_layernorm"}) {
      put(norm + ".weight", "FLOAT", whole(DType.F32, HIDDEN));
    }
    put(LAYER + "post_attention_layernorm.weight", "FLOAT", whole(DType.F32, HIDDEN));
    flatQuant(Q, HIDDEN);
    flatQuant(LAYER + "self_attn.k_proj", 12);
    flatQuant(LAYER + "self_attn.v_proj", 12);
    put(O + ".weight", "FLOAT", whole(DType.F32, HIDDEN, HIDDEN));
    tensors.put(O + ".heads_rotation", whole(DType.F32, 4, 4));
    svdQuant(GATE + ".linear");
    put(GATE + ".div.mul_scale", "FLOAT", whole(DType.F32, HIDDEN));
    svdQuant(LAYER + "mlp.up_proj");
    codes(DOWN, "W4A4_DYNAMIC", HIDDEN, INTER, 7);
    tensors.put(DOWN + ".kronecker_rotation_m", whole(DType.F32, 4, 4));
    tensors.put(DOWN + ".kronecker_rotation_n", whole(DType.F32, 5, 5));
    SafetensorsWriter.write(dir.resolve("quant_model_weights.safetensors"), tensors);
    Files.writeString(
        dir.resolve("quant_model_description.json"),
        description.append("\"version\": \"1.0.0\", \"group_size\": 0}").toString());
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 24,
         "intermediate_size": 20, "num_hidden_layers": 1, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 6, "vocab_size": 8, "rms_norm_eps": 1e-5,
         "max_position_embeddings": 64, "torch_dtype": "float32"}
        """);
  }

  private void flatQuant(String module, int n) {
    String tag = "W4A4_FLATQUANT_DYNAMIC";
    codes(module, tag, n, HIDDEN, 7);
    put(module + ".left_trans", tag, whole(DType.BF16, 4, 4));
    put(module + ".right_trans", tag, whole(DType.BF16, 6, 6));
    put(module + ".clip_ratio", tag, Tensor.ofFloats(new float[] {RATIO}, 1));
  }

  private void svdQuant(String module) {
    codes(module, "W8A8_SVD_DYNAMIC", INTER, HIDDEN, 100);
    put(module + ".svd_lowrank_l1", "FLOAT", whole(DType.F32, 3, HIDDEN));
    put(module + ".svd_lowrank_l2", "FLOAT", whole(DType.BF16, INTER, 3));
  }

  private void put(String name, String tag, Tensor tensor) {
    tensors.put(name, tensor);
    description.append("\"%s\": \"%s\",\n".formatted(name, tag));
  }

  private Tensor whole(DType type, long... shape) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), type, shape);
    for (long i = 0; i < out.size(); i++) {
      out.setFloat(i, random.nextInt(7) - 3);
    }
    return out;
  }

  private void codes(String module, String tag, int n, int k, int most) {
    Tensor codes = Tensor.allocate(Arena.ofAuto(), DType.I8, n, k);
    Tensor scale = Tensor.allocate(Arena.ofAuto(), DType.F32, n, 1);
    for (long i = 0; i < codes.size(); i++) {
      codes.setFloat(i, random.nextInt(2 * most + 1) - most);
    }
    for (int r = 0; r < n; r++) {
      scale.setFloat(r, Math.scalb(1f, -random.nextInt(6)));
    }
    put(module + ".weight", tag, codes);
    put(module + ".weight_scale", tag, scale);
    put(module + ".weight_offset", tag, Tensor.allocate(Arena.ofAuto(), DType.F32, n, 1));
  }

  private double at(String name, long index) {
    return Objects.requireNonNull(tensors.get(name), name).getFloat(index);
  }

  private static boolean diagonal(int i, int j) {
    return i == j;
  }

  /** leftᵀ·X·right of a row; a side that is null is the identity. */
  private double[] turned(double[] x, int l, @Nullable String left, @Nullable String right) {
    int r = x.length / l;
    double[] out = new double[x.length];
    for (int i = 0; i < l; i++) {
      for (int j = 0; j < r; j++) {
        for (int a = 0; a < l; a++) {
          for (int b = 0; b < r; b++) {
            double p = left == null ? diagonal(a, i) ? 1 : 0 : at(left, (long) a * l + i);
            double q = right == null ? diagonal(b, j) ? 1 : 0 : at(right, (long) b * r + j);
            out[i * r + j] += p * q * x[a * r + b];
          }
        }
      }
    }
    return out;
  }

  private static double[] quantized(double[] x, float steps, int most) {
    double largest = 0;
    for (double v : x) {
      largest = Math.max(largest, Math.abs(v));
    }
    float scale = (float) largest / steps;
    double[] out = new double[x.length];
    for (int j = 0; j < x.length; j++) {
      out[j] = Math.clamp(Math.rint((float) x[j] / scale), -most - 1, most) * (double) scale;
    }
    return out;
  }

  /** x·Wᵀ, with the scales of W's rows if it has some. */
  private double[] product(String module, double[] x, int n) {
    String scale = module + ".weight_scale";
    double[] out = new double[n];
    for (int o = 0; o < n; o++) {
      for (int j = 0; j < x.length; j++) {
        out[o] += x[j] * at(module + ".weight", (long) o * x.length + j);
      }
      out[o] *= tensors.containsKey(scale) ? at(scale, o) : 1;
    }
    return out;
  }

  /**
   * A layer's outputs by its formula.
   *
   * @param rounded whether inputs are quantized as the tag says
   */
  private double[] expected(String module, double[] x, boolean rounded) {
    if (module.equals(Q)) {
      double[] turned = turned(x, 4, Q + ".left_trans", Q + ".right_trans");
      return product(Q, rounded ? quantized(turned, 7 / RATIO, 7) : turned, HIDDEN);
    }
    if (module.equals(O)) {
      return product(O, turned(x, 4, O + ".heads_rotation", null), HIDDEN);
    }
    if (module.equals(DOWN)) {
      double[] turned =
          turned(x, 4, DOWN + ".kronecker_rotation_m", DOWN + ".kronecker_rotation_n");
      return product(DOWN, rounded ? quantized(turned, 7, 7) : turned, HIDDEN);
    }
    double[] smoothed = new double[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
      smoothed[j] = x[j] * at(GATE + ".div.mul_scale", j);
    }
    double[] out =
        product(GATE + ".linear", rounded ? quantized(smoothed, 127, 127) : smoothed, INTER);
    for (int o = 0; o < INTER; o++) {
      for (int i = 0; i < 3; i++) {
        double inner = 0;
        for (int j = 0; j < HIDDEN; j++) {
          inner += smoothed[j] * at(GATE + ".linear.svd_lowrank_l1", (long) i * HIDDEN + j);
        }
        out[o] += inner * at(GATE + ".linear.svd_lowrank_l2", o * 3L + i);
      }
    }
    return out;
  }

  private void requireComputed(Path model, String provider, boolean rounded) {
    try (Checkpoint c = Checkpoints.open(model);
        Kernels kernels = Providers.create(provider, 2)) {
      for (String module : new String[] {Q, O, GATE, DOWN}) {
        int k = module.equals(DOWN) ? INTER : HIDDEN;
        int n = module.equals(GATE) ? INTER : HIDDEN;
        for (int rows : new int[] {1, 2, 19}) {
          Tensor x = whole(DType.F32, rows, k);
          Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, n);
          kernels.linear(c.linear(module)).apply(x, out);
          for (int r = 0; r < rows; r++) {
            double[] input = new double[k];
            double largest = 1;
            for (int j = 0; j < k; j++) {
              input[j] = x.getFloat((long) r * k + j);
            }
            double[] want = expected(module, input, rounded);
            for (double v : want) {
              largest = Math.max(largest, Math.abs(v));
            }
            for (int o = 0; o < n; o++) {
              assertThat((double) out.getFloat((long) r * n + o))
                  .as("%s, %s, %d rows, output %d", provider, module, rows, o)
                  .isCloseTo(want[o], within(3e-6 * largest));
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("providers")
  void providersComputeTheFormulas(String provider) {
    requireComputed(dir, provider, true);
  }

  @Test
  void writtenAgainItIsTheSame() {
    Path out = dir.resolve("again");
    FormatConverter.run(
        dir, out, WriteFormat.ASCEND, new ConvertOptions(false, null, false, false), Progress.NONE);
    requireComputed(out, "reference", true);
  }

  @Test
  void unquantizedItHoldsAllInItsWeights() {
    Path out = dir.resolve("dense");
    FormatConverter.run(
        dir, out, WriteFormat.DENSE, new ConvertOptions(false, null, false, false), Progress.NONE);
    try (Checkpoint c = Checkpoints.open(out)) {
      assertThat(c.linear(Q).plain()).isTrue();
    }
    requireComputed(out, "reference", false);
  }

  @Test
  void formatsThatCannotSayItRefuseItAndLeaveNothing() {
    for (WriteFormat format : WriteFormat.values()) {
      if (format != WriteFormat.ASCEND && format != WriteFormat.DENSE) {
        Path out = dir.resolve(format.label());
        ConvertOptions options = new ConvertOptions(false, null, false, false);
        assertThatThrownBy(() -> FormatConverter.run(dir, out, format, options, Progress.NONE))
            .isInstanceOf(CheckpointException.class)
            .hasMessageContaining("only ascend can say, not " + format.label());
        assertThat(out).doesNotExist();
      }
    }
    ConvertOptions options = new ConvertOptions(false, null, false, false);
    Path file = dir.resolve("model.gguf");
    assertThatThrownBy(() -> GgufQuantizer.convert(dir, file, options, Progress.NONE))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("turns its inputs");
    assertThat(file).doesNotExist();
  }
}
