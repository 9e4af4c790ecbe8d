package dev.octet.quantize.calibrate;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/** A small Llama of random weights in a directory, and how far another one's logits are from it. */
public final class TinyCheckpoint {
  public static final int HIDDEN = 64;
  private static final int VOCABULARY = 96;
  private static final int INTERMEDIATE = 160;
  private static final int LAYERS = 3;

  private TinyCheckpoint() {}

  /** Writes it; {@code outliers} makes a few channels of every norm's output that much larger. */
  public static Path write(Path directory, float outliers) throws IOException {
    Files.createDirectories(directory);
    Files.writeString(
        directory.resolve("config.json"),
        """
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 96,
         "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
         "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "tie_word_embeddings": false, "torch_dtype": "float32", "hidden_act": "silu",
         "bos_token_id": 1, "eos_token_id": 2}
        """);
    Map<String, Tensor> tensors = new TreeMap<>();
    SplittableRandom random = new SplittableRandom(7);
    matrix(tensors, random, "model.embed_tokens", VOCABULARY, HIDDEN);
    for (int l = 0; l < LAYERS; l++) {
      layer(tensors, random, "model.layers." + l + ".", outliers);
    }
    norm(tensors, "model.norm", 1);
    matrix(tensors, random, "lm_head", VOCABULARY, HIDDEN);
    SafetensorsWriter.write(directory.resolve("model.safetensors"), tensors);
    return directory;
  }

  private static void layer(
      Map<String, Tensor> tensors, SplittableRandom random, String p, float outliers) {
    norm(tensors, p + "input_layernorm", outliers);
    norm(tensors, p + "post_attention_layernorm", outliers);
    for (String reader : List.of("self_attn.q_proj", "mlp.gate_proj", "mlp.up_proj")) {
      int rows = reader.startsWith("mlp") ? INTERMEDIATE : HIDDEN;
      undo(matrix(tensors, random, p + reader, rows, HIDDEN), outliers);
    }
    undo(matrix(tensors, random, p + "self_attn.k_proj", 32, HIDDEN), outliers);
    undo(matrix(tensors, random, p + "self_attn.v_proj", 32, HIDDEN), outliers);
    matrix(tensors, random, p + "self_attn.o_proj", HIDDEN, HIDDEN);
    matrix(tensors, random, p + "mlp.down_proj", HIDDEN, INTERMEDIATE);
  }

  private static boolean outlier(int channel) {
    return channel % 29 == 5;
  }

  private static void norm(Map<String, Tensor> tensors, String module, float outliers) {
    float[] weight = new float[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
      weight[j] = outlier(j) ? outliers : 1;
    }
    tensors.put(module + ".weight", Tensor.ofFloats(weight, HIDDEN));
  }

  /** What reads larger channels has smaller weights there: the model computes the same. */
  private static void undo(Tensor weight, float outliers) {
    for (long i = 0; i < weight.size(); i++) {
      if (outlier((int) (i % HIDDEN))) {
        weight.setFloat(i, weight.getFloat(i) / outliers);
      }
    }
  }

  private static Tensor matrix(
      Map<String, Tensor> tensors, SplittableRandom random, String module, int n, int k) {
    float[] values = new float[n * k];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() / Math.sqrt(k));
    }
    Tensor tensor = Tensor.ofFloats(values, n, k);
    tensors.put(module + ".weight", tensor);
    return tensor;
  }

  /** Sequences in which some tokens are frequent, as in text. */
  public static List<int[]> sequences(int count, int length) {
    SplittableRandom random = new SplittableRandom(3);
    List<int[]> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      out.add(random.doubles(length).mapToInt(u -> (int) (VOCABULARY * u * u * u)).toArray());
    }
    return out;
  }

  /** {@code Σ|a − b| / Σ|b|} of the logits of two models. */
  static double distance(Path model, Path base, Kernels kernels) {
    int[] ids = sequences(5, 100).getLast();
    float[] got = logits(model, ids, kernels);
    float[] wanted = logits(base, ids, kernels);
    double off = 0;
    double size = 0;
    for (int i = 0; i < got.length; i++) {
      off += Math.abs(got[i] - wanted[i]);
      size += Math.abs(wanted[i]);
    }
    return off / size;
  }

  private static float[] logits(Path directory, int[] ids, Kernels kernels) {
    try (Checkpoint checkpoint = Checkpoints.open(directory);
        CausalLm model = CausalLm.load(checkpoint, kernels, RunOptions.exact());
        KvCache cache = model.newCache()) {
      return model.forward(ids, cache, false).toFloats();
    }
  }

  /** A tensor of a directory that has one file, as floats. */
  static float[] stored(Path directory, String name) {
    try (SafetensorsFile file = SafetensorsFile.open(directory.resolve("model.safetensors"));
        Arena arena = Arena.ofConfined()) {
      return file.tensor(name).to(DType.F32, arena).toFloats();
    }
  }
}
