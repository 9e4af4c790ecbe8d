package dev.octet.bench.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A model case that holds, and every way to spoil it. Expected logits are the model's own: what is
 * tested here is the judge, not the model.
 */
final class ModelCaseTest {
  private static final int VOCAB = 24;
  private static final int[] IDS = {1, 5, 9, 2, 23};
  private static final String FILE = "m/expected.safetensors";
  private static final String DOWN = "model.layers.0.mlp.down_proj";
  private static final String CONFIG =
      """
      {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16,
       "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
       "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 24, "rms_norm_eps": 1e-5,
       "rope_theta": 10000.0, "max_position_embeddings": 64, "tie_word_embeddings": false,
       "hidden_act": "silu", "attention_bias": false, "mlp_bias": false, "torch_dtype": "float32"}
      """;

  @TempDir private Path dir;
  private final Kernels reference = Providers.create("reference", 1);
  private final Kernels vector = Providers.create("vector", 1);
  private final Random random = new Random(3);
  private CaseFiles files;

  @BeforeEach
  void makeCase() {
    files = new CaseFiles(dir);
    describe("[]");
    files.write("m/model/config.json", CONFIG);
    Tensor down = matrix(16, 24);
    files.tensors("m/model/model.safetensors", weights(down));
    Tensor logits = logits();
    int[] argmax = new int[IDS.length];
    for (int t = 0; t < argmax.length; t++) {
      argmax[t] = Distance.argmax(logits.toFloats(), t * VOCAB, VOCAB);
    }
    files.tensors(
        FILE,
        Map.of(
            "input_ids",
            CaseFiles.ints(DType.I64, IDS),
            "logits",
            logits,
            "argmax",
            CaseFiles.ints(DType.I64, argmax),
            "dequant." + DOWN,
            down,
            "rowdot." + DOWN,
            rowDot(down)));
  }

  @AfterEach
  void close() {
    reference.close();
    vector.close();
  }

  private void describe(String alternatives) {
    files.describe(
        "m",
        """
        {"kind": "model", "model_dir": "model", "expected": "expected.safetensors",
         "alternatives": %s, "stored_whole": ["%s"], "rowdot": "as above",
         "tolerance": {"logits": {"max_rel_l1": 0.002},
                       "dequant": {"max_rel_elementwise": 1e-6},
                       "rowdot": {"max_abs_over_sum_abs": 2e-6}}}
        """
            .formatted(alternatives, DOWN));
  }

  private Map<String, Tensor> weights(Tensor down) {
    String layer = "model.layers.0.";
    Map<String, Tensor> map = new TreeMap<>();
    map.put("model.embed_tokens.weight", matrix(VOCAB, 16));
    map.put("lm_head.weight", matrix(VOCAB, 16));
    map.put("model.norm.weight", ones());
    map.put(layer + "input_layernorm.weight", ones());
    map.put(layer + "post_attention_layernorm.weight", ones());
    map.put(layer + "self_attn.q_proj.weight", matrix(16, 16));
    map.put(layer + "self_attn.k_proj.weight", matrix(8, 16));
    map.put(layer + "self_attn.v_proj.weight", matrix(8, 16));
    map.put(layer + "self_attn.o_proj.weight", matrix(16, 16));
    map.put(layer + "mlp.gate_proj.weight", matrix(24, 16));
    map.put(layer + "mlp.up_proj.weight", matrix(24, 16));
    map.put(DOWN + ".weight", down);
    return map;
  }

  private Tensor matrix(int rows, int columns) {
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(values, rows, columns);
  }

  private static Tensor ones() {
    Tensor ones = Tensor.ofFloats(new float[16], 16);
    for (int i = 0; i < 16; i++) {
      ones.setFloat(i, 1);
    }
    return ones;
  }

  private static Tensor rowDot(Tensor w) {
    Tensor out = Tensor.ofFloats(new float[16], 16);
    for (int i = 0; i < 16; i++) {
      double sum = 0;
      for (int j = 0; j < 24; j++) {
        sum += w.getFloat(i * 24 + j) * ((((37 * j + 11) % 64) - 31.5) / 32);
      }
      out.setFloat(i, (float) sum);
    }
    return out;
  }

  private Tensor logits() {
    try (Checkpoint checkpoint = Checkpoints.open(dir.resolve("m/model"));
        CausalLm model = CausalLm.load(checkpoint, reference, RunOptions.exact());
        KvCache cache = model.newCache()) {
      return model.forward(IDS, cache, false);
    }
  }

  private String line(Kernels kernels) {
    return new ConformanceRunner(kernels).run(dir.resolve("m")).line();
  }

  private String line() {
    return line(reference);
  }

  @Test
  void aModelThatAgreesPassesOnBothProviders() {
    assertThat(line()).startsWith("PASS m relL1=").contains(" limit=0.002").doesNotContain("tol=");
    assertThat(line(vector)).startsWith("PASS m relL1=");
  }

  @Test
  void logitsBeyondTheLimitFail() {
    files.change(
        FILE,
        t -> {
          for (int i = 0; i < VOCAB * IDS.length; i++) {
            CaseFiles.add(t, "logits", i, i % 2 == 0 ? 0.05f : -0.05f);
          }
        });
    assertThat(line()).startsWith("FAIL m relL1=").contains(" limit=0.002");
  }

  @Test
  void aFailureSaysInWhichLayerItBegins() {
    files.change(
        FILE,
        t -> {
          for (int i = 0; i < VOCAB * IDS.length; i++) {
            CaseFiles.add(t, "logits", i, 9);
          }
          t.put("hidden", Tensor.ofFloats(new float[2 * 2 * 16], 2, 2, 16));
        });
    assertThat(line()).startsWith("FAIL m ").contains("goes wrong in the embedding");
  }

  @Test
  void oneLogitThatIsNoNumberFails() {
    files.change(FILE, t -> CaseFiles.add(t, "logits", 7, Float.NaN));
    assertThat(line()).startsWith("FAIL m relL1=NaN");
  }

  @Test
  void anotherGreedyTokenAtOnePositionFails() {
    files.change(FILE, t -> CaseFiles.add(t, "argmax", 3, 1));
    assertThat(line())
        .startsWith("FAIL m ")
        .contains("argmax differs at 1 of 5 positions, first 3");
  }

  @Test
  void oneWrongDequantizedElementFails() {
    files.change(FILE, t -> CaseFiles.add(t, "dequant." + DOWN, 25, 1e-3f));
    assertThat(line()).startsWith("FAIL m ").contains("dequant " + DOWN).contains("[1, 1]");
  }

  @Test
  void oneWrongRowFails() {
    files.change(FILE, t -> CaseFiles.add(t, "rowdot." + DOWN, 4, 1e-2f));
    assertThat(line()).startsWith("FAIL m ").contains("rowdot " + DOWN).contains("row 4");
  }

  @Test
  void missingExpectationsFail() {
    files.change(FILE, t -> t.remove("dequant." + DOWN));
    assertThat(line()).startsWith("FAIL m ").contains("expected has no dequant." + DOWN);
    files.change(FILE, t -> t.remove("argmax"));
    assertThat(line()).startsWith("FAIL m ").contains("'argmax' is missing");
  }

  @Test
  void anAcceptedAlternativeCountsForAnOptimizedProviderOnly() {
    describe("[{\"key\": \"logits.alt\", \"accepted\": true, \"max_rel_l1\": 0.01}]");
    moveLogitsAway();
    assertThat(line(vector)).startsWith("PASS m ").contains("limit=0.01 tol=logits.alt");
    assertThat(line(reference)).startsWith("FAIL m ");
  }

  @Test
  void anAlternativeThatIsNotAcceptedDoesNotCount() {
    describe("[{\"key\": \"logits.alt\", \"accepted\": false, \"max_rel_l1\": 0.01}]");
    moveLogitsAway();
    assertThat(line(vector)).startsWith("FAIL m ");
  }

  /** What was right becomes the alternative, for the last two positions. */
  private void moveLogitsAway() {
    files.change(
        FILE,
        t -> {
          int from = VOCAB * (IDS.length - 2);
          Tensor alternative = Tensor.ofFloats(new float[2 * VOCAB], 2, VOCAB);
          for (int i = 0; i < 2 * VOCAB; i++) {
            alternative.setFloat(i, t.getOrDefault("logits", alternative).getFloat(from + i));
          }
          t.put("logits.alt", alternative);
          for (int i = 0; i < VOCAB * IDS.length; i++) {
            CaseFiles.add(t, "logits", i, i % 2 == 0 ? 0.5f : -0.5f);
          }
        });
  }

  @Test
  void anArchitectureNotBuiltIsSkippedAndADamagedModelFails() {
    files.write("m/model/config.json", CONFIG.replace("\"llama\"", "\"mamba\""));
    assertThat(line()).startsWith("SKIP m ").contains("mamba");
    files.write("m/model/config.json", CONFIG.replace("\"vocab_size\": 24", "\"vocab_size\": 25"));
    assertThat(line()).startsWith("FAIL m ").contains("model.embed_tokens.weight");
  }
}
