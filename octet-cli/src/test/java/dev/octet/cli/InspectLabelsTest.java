package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigs;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.Clipped;
import dev.octet.tensor.ActivationQuant.DynamicInt4;
import dev.octet.tensor.ActivationQuant.DynamicInt8;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.InputMatrix.Hadamard;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.LowRank;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.BiFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code octet inspect} says what happens to a layer's input while the model runs, and beside it.
 */
class InspectLabelsTest {
  private static final ActivationQuant NONE = new ActivationQuant.None();

  @TempDir private Path dir;
  private Path source = Path.of("");

  @BeforeEach
  void makeSource() throws IOException {
    source = Files.createDirectories(dir.resolve("source"));
    Files.writeString(
        source.resolve("config.json"),
        """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32,
         "intermediate_size": 64, "head_dim": 8, "num_hidden_layers": 1, "num_attention_heads": 4,
         "num_key_value_heads": 2, "vocab_size": 10, "max_position_embeddings": 64,
         "torch_dtype": "bfloat16", "tie_word_embeddings": true}
        """);
  }

  /** A model whose layers are made of their module's last name and a dense weight [n, k]. */
  private Path write(WriteFormat format, BiFunction<String, Tensor, LinearWeights> layers) {
    Path out = dir.resolve(format.label());
    ModelConfig config = ModelConfigs.read(source.resolve("config.json"));
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(out, source, WriteOptions.of(false, false, "r").as(format))) {
      ModelLayout.plain(
          config,
          plain -> {
            long[] shape = plain.shape().stream().mapToLong(Long::longValue).toArray();
            writer.addDense(plain.name(), Tensor.allocate(Arena.ofAuto(), DType.BF16, shape));
          });
      ModelLayout.linears(
          config,
          shape -> {
            String name = shape.module().substring(shape.module().lastIndexOf('.') + 1);
            Tensor zero =
                Tensor.allocate(Arena.ofAuto(), DType.BF16, shape.rows(), shape.columns());
            writer.add(shape.module(), layers.apply(name, zero));
          });
      writer.finish();
    }
    return out;
  }

  private static ScaleGrid ones(long n, long k) {
    float[] scales = new float[Math.toIntExact(n)];
    Arrays.fill(scales, 1);
    return new ScaleGrid(ScaleGranularity.CHANNEL, 1, k, Tensor.ofFloats(scales, n, 1), null);
  }

  private static Int4Weight int4(Tensor like) {
    Tensor codes = Tensor.allocate(Arena.ofAuto(), DType.U8, like.dim(0), like.dim(1) / 2);
    return new Int4Weight(codes, like.dim(1), ones(like.dim(0), like.dim(1)), null);
  }

  private static Int8Weight int8(Tensor like) {
    Tensor codes = Tensor.allocate(Arena.ofAuto(), DType.I8, like.dim(0), like.dim(1));
    return new Int8Weight(codes, ones(like.dim(0), like.dim(1)));
  }

  private static Tensor square(int order) {
    return Tensor.allocate(Arena.ofAuto(), DType.F32, order, order);
  }

  private static LowRank rank(int rank, Tensor like) {
    return new LowRank(
        new DenseWeight(Tensor.allocate(Arena.ofAuto(), DType.BF16, rank, like.dim(1))),
        new DenseWeight(Tensor.allocate(Arena.ofAuto(), DType.BF16, like.dim(0), rank)));
  }

  private static String inspect(Path model, String... more) {
    String[] args = new String[2 + more.length];
    args[0] = "inspect";
    args[1] = model.toString();
    System.arraycopy(more, 0, args, 2, more.length);
    CliRun run = CliRun.of(args);
    assertThat(run.status()).as(run.err()).isZero();
    return run.out();
  }

  @Test
  void whatAscendDoesToInputsAndBesideLayersIsShown() {
    ActivationQuant four = new DynamicInt4(DynamicInt4.CODES);
    Path model =
        write(
            WriteFormat.ASCEND,
            (name, zero) ->
                switch (name) {
                  case "q_proj", "k_proj", "v_proj" ->
                      new LinearWeights(int4(zero), null, new Clipped(four, 0.9f))
                          .withInputMatrix(new Kronecker(square(4), square(8)));
                  case "gate_proj", "up_proj" ->
                      new LinearWeights(int8(zero), null, new DynamicInt8())
                          .withLowRank(rank(3, zero));
                  case "down_proj" ->
                      new LinearWeights(int8(zero), null, new DynamicInt8())
                          .withInputScale(Tensor.ofFloats(new float[64], 64));
                  default -> new LinearWeights(new DenseWeight(zero), null, NONE);
                });
    assertThat(inspect(model))
        .contains("3 × int4 channel, inputs int4 token clipped, turned by 4⊗8")
        .contains("2 × int8 channel, inputs int8 token, beside rank 3")
        .contains("1 × int8 channel, inputs int8 token, scaled")
        .contains("1 × bf16");
    assertThat(inspect(model, "--json"))
        .contains(
            "{\"what\":\"linear\",\"weights\":\"int8 channel, inputs int8 token, beside rank 3\",\"layers\":2}");
  }

  /** Scales of a whole batch become scales of tokens, which is said. */
  @Test
  void turnedInputsAndWhatIsComputedOtherwiseAreShown() throws IOException {
    Path model =
        write(
            WriteFormat.COMPRESSED_TENSORS,
            (name, zero) -> {
              LinearWeights layer = new LinearWeights(int8(zero), null, new DynamicInt8());
              return name.equals("down_proj") ? layer.withInputMatrix(new Hadamard(64)) : layer;
            });
    assertThat(inspect(model))
        .contains("6 × int8 channel, inputs int8 token\n")
        .contains("1 × int8 channel, inputs int8 token, turned by H64")
        .doesNotContain("note");
    Path config = model.resolve("config.json");
    String json = Files.readString(config);
    String batch = json.replaceFirst("\"strategy\" : \"token\"", "\"strategy\" : \"tensor\"");
    assertThat(batch).isNotEqualTo(json);
    Files.writeString(config, batch);
    assertThat(inspect(model)).containsPattern("note +inputs have one scale for all tokens");
    assertThat(inspect(model, "--json")).containsPattern("\"what\":\"note\",\"text\":\"[^\"]+\"");
  }
}
