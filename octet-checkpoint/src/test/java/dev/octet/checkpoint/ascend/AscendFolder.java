package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Makes Ascend checkpoints of one small layer with sizes that divide by nothing, and knows what
 * their layers stand for.
 */
final class AscendFolder {
  static final String LAYER = "model.layers.0.";
  static final int HIDDEN = 18;
  static final int INTER = 21;
  static final int HEADS = 3;
  static final int KV_HEADS = 1;
  static final int DIM = 6;
  static final int VOCABULARY = 11;

  /** A linear layer's expected weight [n, k] and bias, null for none. */
  record Expected(double[] weight, double @Nullable [] bias) {}

  final Map<String, Tensor> tensors = new TreeMap<>();
  final Map<String, String> tags = new TreeMap<>();
  final Map<String, Expected> expected = new TreeMap<>();
  final Random random;
  private final int group;
  private final boolean versioned;

  /**
   * @param tag tag by module
   * @param group columns of a group, 0 for one scale a row
   */
  AscendFolder(long seed, UnaryOperator<String> tag, int group, boolean versioned) {
    this.random = new Random(seed);
    this.group = group;
    this.versioned = versioned;
    plain("model.embed_tokens.weight", VOCABULARY, HIDDEN);
    plain("lm_head.weight", VOCABULARY, HIDDEN);
    plain("model.norm.weight", HIDDEN);
    plain(LAYER + "input_layernorm.weight", HIDDEN);
    plain(LAYER + "post_attention_layernorm.weight", HIDDEN);
    linear("self_attn.q_proj", HEADS * DIM, HIDDEN, tag);
    linear("self_attn.k_proj", KV_HEADS * DIM, HIDDEN, tag);
    linear("self_attn.v_proj", KV_HEADS * DIM, HIDDEN, tag);
    linear("self_attn.o_proj", HIDDEN, HEADS * DIM, tag);
    linear("mlp.gate_proj", INTER, HIDDEN, tag);
    linear("mlp.up_proj", INTER, HIDDEN, tag);
    linear("mlp.down_proj", HIDDEN, INTER, tag);
  }

  private void linear(String name, int n, int k, UnaryOperator<String> tag) {
    String module = LAYER + name;
    String own = tag.apply(name); // it may be drawn
    switch (own) {
      case "FLOAT", "W16A16S" -> dense(module, n, k, own);
      case "W8A8", "W8A8S" -> fixed(module, n, k, own, codes(n * k, 8));
      case "W8A8_DYNAMIC" -> grouped(module, n, k, "W8A8_DYNAMIC", 8, false);
      case "W8A16" -> grouped(module, n, k, "W8A16", 8, true);
      case "W4A16" -> grouped(module, n, k, "W4A16", 4, true);
      case "W4A8_DYNAMIC" -> grouped(module, n, k, "W4A8_DYNAMIC", 4, false);
      case "W4A4_DYNAMIC" -> grouped(module, n, k, "W4A4_DYNAMIC", 4, false);
      case "W8A8_MXFP8", "W4A8_MXFP", "W4A4_MXFP4" -> microscaled(module, n, k, own);
      case "W8A8_MIX" -> {
        grouped(module, n, k, "W8A8_MIX", 8, false);
        Expected dynamic = expected(module);
        int[] codes = new int[n * k];
        for (int i = 0; i < codes.length; i++) {
          codes[i] = (int) tensor(module + ".weight").getLong(i);
        }
        fixed(module, n, k, "W8A8_MIX", codes);
        expected.put(module + ":decoding", expected(module));
        expected.put(module, dynamic);
      }
      default -> throw new IllegalArgumentException(own);
    }
  }

  private void dense(String module, int n, int k, String tag) {
    put(module + ".weight", tag, floats(DType.BF16, 1, n, k));
    expected.put(module, new Expected(doubles(tensor(module + ".weight")), null));
  }

  /** With a bias inside {@code quant_bias}, and another one stored that must not be added. */
  private void fixed(String module, int n, int k, String tag, int[] codes) {
    boolean half = random.nextBoolean();
    float inputScale = half ? 0.0625f : 0.01f + random.nextFloat();
    int offset = random.nextInt(256) - 128;
    put(module + ".weight", tag, bytes(codes, n, k));
    put(
        module + ".input_scale",
        tag,
        Tensor.ofFloats(new float[] {inputScale}, 1)
            .to(half ? DType.F16 : DType.F32, Arena.ofAuto()));
    put(module + ".input_offset", tag, Tensor.ofFloats(new float[] {offset}, 1));
    Tensor dequantizers = Tensor.allocate(Arena.ofAuto(), DType.F32, n);
    Tensor quantBias = Tensor.allocate(Arena.ofAuto(), DType.I32, n);
    double[] weight = new double[n * k];
    double[] bias = new double[n];
    for (int r = 0; r < n; r++) {
      float deq = 1e-4f + random.nextFloat() / 100;
      dequantizers.setFloat(r, deq);
      int stored = random.nextInt(200_001) - 100_000;
      quantBias.setFloat(r, stored);
      long sum = 0;
      for (int j = 0; j < k; j++) {
        sum += codes[r * k + j];
        weight[r * k + j] = codes[r * k + j] * (double) deq / inputScale;
      }
      bias[r] = (stored + offset * sum) * (double) deq;
    }
    put(module + ".deq_scale", tag, half ? bits(dequantizers) : dequantizers);
    put(module + ".quant_bias", tag, quantBias);
    if (!tag.equals("W8A8_MIX")) { // there the dynamic form has put the one it adds
      put(module + ".bias", "FLOAT", floats(DType.F32, 1, n));
    }
    expected.put(module, new Expected(weight, bias));
  }

  /** F32 bits in the lower half of I64. */
  private static Tensor bits(Tensor floats) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I64, floats.size());
    for (int i = 0; i < floats.size(); i++) {
      out.segment()
          .setAtIndex(
              java.lang.foreign.ValueLayout.JAVA_LONG,
              i,
              Float.floatToRawIntBits(floats.getFloat(i)) & 0xFFFFFFFFL);
    }
    return out;
  }

  /** Codes and exponents as the OCP format has them, decoded here by its tables. */
  private void microscaled(String module, int n, int k, String tag) {
    boolean eight = tag.equals("W8A8_MXFP8");
    int width = eight ? k : (k + 1) / 2;
    int groups = (k + 31) / 32;
    Tensor codes = Tensor.allocate(Arena.ofAuto(), eight ? DType.F8_E4M3 : DType.U8, n, width);
    Tensor scales = Tensor.allocate(Arena.ofAuto(), DType.U8, n, groups);
    for (int i = 0; i < n * groups; i++) {
      scales.setFloat(i, 117 + random.nextInt(20));
    }
    double[] weight = new double[n * k];
    double[] halves = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    for (int r = 0; r < n; r++) {
      for (int j = 0; j < k; j++) {
        double scale = Math.pow(2, scales.getFloat((long) r * groups + j / 32) - 127);
        if (eight) {
          codes.setFloat((long) r * k + j, (float) random.nextGaussian() * 4);
          weight[r * k + j] = codes.getFloat((long) r * k + j) * scale;
        } else {
          int code = random.nextInt(16);
          long at = (long) r * width + j / 2;
          codes.setFloat(at, (int) codes.getLong(at) | code << 4 * (j % 2));
          weight[r * k + j] = (code > 7 ? -1 : 1) * halves[code & 7] * scale;
        }
      }
    }
    put(module + ".weight", tag, codes);
    put(module + ".weight_scale", tag, scales);
    expected.put(module, new Expected(weight, null));
  }

  private void grouped(String module, int n, int k, String tag, int bits, boolean offsets) {
    int width = group == 0 || bits == 4 && tag.equals("W4A8_DYNAMIC") ? k : group;
    int groups = Math.ceilDiv(k, width);
    int[] codes = codes(n * k, bits);
    Tensor scale = Tensor.allocate(Arena.ofAuto(), DType.F32, n, groups);
    Tensor offset = Tensor.allocate(Arena.ofAuto(), DType.F32, n, groups);
    double[] weight = new double[n * k];
    for (int i = 0; i < scale.size(); i++) {
      scale.setFloat(i, 0.001f + random.nextFloat());
      offset.setFloat(i, offsets ? random.nextInt(1 << bits) - (1 << bits - 1) : 0);
    }
    for (int i = 0; i < codes.length; i++) {
      int at = i / k * groups + i % k / width;
      weight[i] = (codes[i] - (double) offset.getFloat(at)) * scale.getFloat(at);
    }
    put(module + ".weight", tag, bits == 8 ? bytes(codes, n, k) : nibbles(codes, n, k, tag));
    put(module + ".weight_scale", tag, scale);
    put(module + ".weight_offset", tag, offset);
    put(module + ".bias", "FLOAT", floats(DType.F32, 1, n));
    expected.put(module, new Expected(weight, doubles(tensor(module + ".bias"))));
  }

  /**
   * The three layouts: plain in files without version and in W4A4, along k per channel, else along
   * n.
   */
  private Tensor nibbles(int[] codes, int n, int k, String tag) {
    if (!versioned || tag.equals("W4A4_DYNAMIC")) {
      return bytes(codes, n, k);
    }
    if (group == 0 && tag.equals("W4A16")) {
      int[] packed = new int[n * ((k + 1) / 2)];
      for (int i = 0; i < codes.length; i++) {
        packed[i / k * ((k + 1) / 2) + i % k / 2] |= (codes[i] & 15) << 4 * (i % k % 2);
      }
      return bytes(packed, n, (k + 1) / 2);
    }
    int[] packed = new int[(n + 1) / 2 * k];
    for (int i = 0; i < codes.length; i++) {
      packed[i / k / 2 * k + i % k] |= (codes[i] & 15) << 4 * (i / k % 2);
    }
    return bytes(packed, (n + 1) / 2, k);
  }

  private int[] codes(int count, int bits) {
    int[] codes = new int[count];
    for (int i = 0; i < count; i++) {
      codes[i] = random.nextInt(1 << bits) - (1 << bits - 1);
    }
    return codes;
  }

  private static Tensor bytes(int[] codes, int n, int k) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I8, n, k);
    for (int i = 0; i < codes.length; i++) {
      out.segment().set(java.lang.foreign.ValueLayout.JAVA_BYTE, i, (byte) codes[i]);
    }
    return out;
  }

  Tensor floats(DType type, float size, long... shape) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), type, shape);
    for (long i = 0; i < out.size(); i++) {
      out.setFloat(i, (float) random.nextGaussian() * size);
    }
    return out;
  }

  private static double[] doubles(Tensor x) {
    double[] out = new double[(int) x.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = x.getFloat(i);
    }
    return out;
  }

  private void plain(String name, long... shape) {
    put(name, "FLOAT", floats(DType.BF16, 1, shape));
  }

  Tensor tensor(String name) {
    return Objects.requireNonNull(tensors.get(name), name);
  }

  Expected expected(String module) {
    return Objects.requireNonNull(expected.get(module), module);
  }

  /** Gives a tensor another name. */
  void move(String from, String to) {
    String tag = Objects.requireNonNull(tags.remove(from), from);
    put(to, tag, Objects.requireNonNull(tensors.remove(from), from));
  }

  void put(String name, String tag, Tensor tensor) {
    tensors.put(name, tensor);
    tags.put(name, tag);
  }

  /** Scales of a head each, or of each head and channel. */
  void scales(String name, String tag, long... shape) {
    Tensor scale = Tensor.allocate(Arena.ofAuto(), DType.F32, shape);
    for (long i = 0; i < scale.size(); i++) {
      scale.setFloat(i, 0.01f + random.nextFloat() / 10);
    }
    put(name, tag, scale);
  }

  /** Writes all files of the later generation. */
  Path write(Path dir) {
    return write(dir, "quant_model_description.json", "quant_model_weights.safetensors");
  }

  Path write(Path dir, String description, String weights) {
    try {
      Files.createDirectories(dir);
      SafetensorsWriter.write(dir.resolve(weights), tensors);
      Files.writeString(dir.resolve(description), description());
      Files.writeString(dir.resolve("config.json"), config());
      return dir;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  String description() {
    StringBuilder json = new StringBuilder("{\n");
    tags.forEach((name, tag) -> json.append("\"%s\": \"%s\",\n".formatted(name, tag)));
    if (versioned) {
      json.append("\"version\": \"1.0.0\",\n");
    }
    return json.append("\"group_size\": \"%d\"\n}".formatted(group)).toString();
  }

  static String config() {
    return """
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": %d,
         "intermediate_size": %d, "num_hidden_layers": 1, "num_attention_heads": %d,
         "num_key_value_heads": %d, "head_dim": %d, "vocab_size": %d, "rms_norm_eps": 1e-5,
         "max_position_embeddings": 64, "torch_dtype": "bfloat16",
         "quantize": "w8a8", "quantization_config": {"group_size": 0, "kv_quant_type": null}}
        """
        .formatted(HIDDEN, INTER, HEADS, KV_HEADS, DIM, VOCABULARY);
  }

  Checkpoint open(Path dir) {
    return Checkpoints.open(write(dir));
  }
}
