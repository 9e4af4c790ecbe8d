package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.internal.Json;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.Clipped;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.InputMatrix;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.LowRank;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

class AscendWriterTest {
  private static final ActivationQuant NONE = new ActivationQuant.None();
  private static final ActivationQuant DYNAMIC = new ActivationQuant.DynamicInt8();
  private static final ActivationQuant FOUR =
      new ActivationQuant.DynamicInt4(ActivationQuant.DynamicInt4.CODES);

  @TempDir Path dir;
  private Path source = Path.of("");
  private Path out = Path.of("");
  private ModelConfig config = config("bfloat16");

  private static ModelConfig config(String type) {
    return ModelConfigs.read("config.json", (ObjectNode) Json.MAPPER.readTree(json(type)));
  }

  private static String json(String type) {
    return """
        {"model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "head_dim": 8,
         "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "vocab_size": 10, "max_position_embeddings": 64, "torch_dtype": "%s",
         "tie_word_embeddings": true, "quantization_config": {"quant_method": "other"}}
        """
        .formatted(type);
  }

  @BeforeEach
  void makeSource() throws IOException {
    source = Files.createDirectories(dir.resolve("source"));
    out = dir.resolve("out");
    Files.writeString(source.resolve("config.json"), json("bfloat16"));
    Files.writeString(source.resolve("tokenizer.json"), "{}");
  }

  private Checkpoint written(Function<String, LinearWeights> layers) {
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(
            out, source, WriteOptions.of(true, false, "r").as(WriteFormat.ASCEND))) {
      add(writer, layers);
      writer.finish();
    }
    return Checkpoints.open(out);
  }

  private void add(CompressedTensorsWriter writer, Function<String, LinearWeights> layers) {
    ModelLayout.plain(
        config,
        plain -> {
          long[] shape = plain.shape().stream().mapToLong(Long::longValue).toArray();
          writer.addDense(plain.name(), Tensor.allocate(Arena.ofAuto(), DType.BF16, shape));
        });
    ModelLayout.linears(config, l -> writer.add(l.module(), layers.apply(l.module())));
  }

  private LinearShapeOf shape(String module) {
    LinearShapeOf[] found = {new LinearShapeOf(0, 0)};
    ModelLayout.linears(
        config,
        l -> {
          if (l.module().equals(module)) {
            found[0] = new LinearShapeOf((int) l.rows(), (int) l.columns());
          }
        });
    return found[0];
  }

  private record LinearShapeOf(int n, int k) {}

  /** A layer of one kind, the same for the same module and seed. */
  private LinearWeights layer(String kind, String module, long seed) {
    Random random = new Random(seed * 31 + module.hashCode());
    int n = shape(module).n();
    int k = shape(module).k();
    Tensor bias = random.nextBoolean() ? null : floats(random, n);
    return switch (kind) {
      case "w8a8-dynamic" -> new LinearWeights(int8(random, n, k, k, false), bias, DYNAMIC);
      case "w8a16" -> new LinearWeights(int8(random, n, k, 16, true), bias, NONE);
      case "w8a16-channel" -> new LinearWeights(int8(random, n, k, k, true), bias, NONE);
      case "w4a16" -> new LinearWeights(int4(random, n, k, 16, true), bias, NONE);
      case "w4a16-channel" -> new LinearWeights(int4(random, n, k, k, true), bias, NONE);
      case "w4a8" -> new LinearWeights(int4(random, n, k, k, false), bias, DYNAMIC);
      case "w4a4" -> new LinearWeights(int4(random, n, k, k, false), bias, FOUR);
      case "w4a4-group" -> new LinearWeights(int4(random, n, k, 16, false), bias, FOUR);
      case "w8a8" -> fixed(random, int8(random, n, k, k, false));
      case "mix" -> {
        Int8Weight weight = int8(random, n, k, k, false);
        LinearWeights decoding = fixed(random, weight);
        yield new LinearWeights(weight, floats(random, n), DYNAMIC, null, decoding);
      }
      case "fp8" ->
          new LinearWeights(
              new Fp8Weight(codes(random, DType.F8_E4M3, n, k), grid(random, n, k, k, false, 8)),
              bias,
              new ActivationQuant.DynamicFp8());
      case "smoothed" ->
          new LinearWeights(int8(random, n, k, k, false), bias, DYNAMIC, floats(random, k));
      case "flat" ->
          new LinearWeights(int4(random, n, k, k, false), bias, new Clipped(FOUR, 0.9f))
              .withInputMatrix(new Kronecker(square(random, 4), square(random, k / 4)));
      case "flat-left" ->
          new LinearWeights(int8(random, n, k, k, false), bias, DYNAMIC, floats(random, k))
              .withInputMatrix(new Kronecker(square(random, 8), null));
      case "flat-float" ->
          new LinearWeights(new DenseWeight(matrix(random, DType.BF16, n, k)), bias, NONE)
              .withInputMatrix(new Kronecker(null, square(random, 8)));
      case "flat-mix" -> {
        LinearWeights mix = layer("mix", module, seed);
        LinearWeights decoding = Objects.requireNonNull(mix.decoding());
        yield new LinearWeights(
                mix.weight(),
                mix.bias(),
                new Clipped(mix.activation(), 0.5f),
                null,
                decoding.withActivation(new Clipped(decoding.activation(), 0.5f)))
            .withInputMatrix(new Kronecker(square(random, 4), square(random, k / 4)));
      }
      case "low-rank", "low-rank-float" -> {
        boolean dense = kind.endsWith("float");
        yield new LinearWeights(
                dense
                    ? new DenseWeight(matrix(random, DType.BF16, n, k))
                    : int8(random, n, k, k, false),
                bias,
                dense ? NONE : DYNAMIC,
                floats(random, k))
            .withLowRank(
                new LowRank(
                    new DenseWeight(matrix(random, DType.BF16, 3, k)),
                    new DenseWeight(matrix(random, DType.F32, n, 3))));
      }
      default -> throw new IllegalArgumentException(kind);
    };
  }

  private static Tensor square(Random random, int order) {
    return matrix(random, DType.F32, order, order);
  }

  private static Tensor matrix(Random random, DType type, long... shape) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), type, shape);
    for (long i = 0; i < out.size(); i++) {
      out.setFloat(i, (float) random.nextGaussian());
    }
    return out;
  }

  /** Its bias is one that {@code quant_bias} can hold. */
  private static LinearWeights fixed(Random random, Int8Weight weight) {
    ActivationQuant.StaticInt8 input =
        new ActivationQuant.StaticInt8(
            0.01f + random.nextFloat(), random.nextBoolean() ? 0 : random.nextInt(256) - 128);
    int n = (int) weight.rows();
    Tensor bias = Tensor.allocate(Arena.ofAuto(), DType.F32, n);
    for (int r = 0; r < n; r++) {
      float dequantizer = weight.grid().scale(r, 0) * input.scale();
      bias.setFloat(r, random.nextInt(20_001) * dequantizer);
    }
    return new LinearWeights(weight, bias, input);
  }

  private static Tensor floats(Random random, int n) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, n);
    for (int i = 0; i < n; i++) {
      out.setFloat(i, (float) random.nextGaussian());
    }
    return out;
  }

  private static Tensor codes(Random random, DType type, long... shape) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), type, shape);
    for (long i = 0; i < out.size(); i++) {
      out.setFloat(i, type == DType.U8 ? random.nextInt(256) : random.nextInt(256) - 128);
    }
    return out;
  }

  private static Int8Weight int8(Random random, int n, int k, int group, boolean offsets) {
    return new Int8Weight(codes(random, DType.I8, n, k), grid(random, n, k, group, offsets, 8));
  }

  private static Int4Weight int4(Random random, int n, int k, int group, boolean offsets) {
    Tensor packed = codes(random, DType.U8, n, k / 2);
    return new Int4Weight(packed, k, grid(random, n, k, group, offsets, 4), null);
  }

  private static ScaleGrid grid(Random random, int n, int k, int group, boolean offsets, int bits) {
    Tensor scales = Tensor.allocate(Arena.ofAuto(), DType.F32, n, k / group);
    Tensor zeros = Tensor.allocate(Arena.ofAuto(), DType.I16, n, k / group);
    for (long i = 0; i < scales.size(); i++) {
      scales.setFloat(i, 1e-4f + random.nextFloat());
      zeros.setFloat(i, random.nextInt(1 << bits) - (1 << bits - 1));
    }
    ScaleGranularity granularity = group == k ? ScaleGranularity.CHANNEL : ScaleGranularity.GROUP;
    return new ScaleGrid(granularity, 1, group, scales, offsets ? zeros : null);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "w8a8-dynamic",
        "w8a16",
        "w8a16-channel",
        "w4a16",
        "w4a16-channel",
        "w4a8",
        "w4a4",
        "w4a4-group",
        "w8a8",
        "mix",
        "fp8",
        "smoothed",
        "flat",
        "flat-left",
        "flat-float",
        "flat-mix",
        "low-rank",
        "low-rank-float"
      })
  void whatIsReadBackIsWhatWasWritten(String kind) throws IOException {
    for (String type : List.of("bfloat16", "float16")) {
      Files.writeString(source.resolve("config.json"), json(type));
      config = config(type);
      try (Checkpoint c = written(module -> layer(kind, module, 1))) {
        assertThat(c.format()).isEqualTo("ascend");
        ModelLayout.linears(
            config, l -> assertSame(c.linear(l.module()), layer(kind, l.module(), 1), kind));
      }
    }
  }

  private static void assertSame(LinearWeights got, LinearWeights want, String kind) {
    assertThat(got.activation()).isEqualTo(want.activation());
    assertThat(rows(got.weight())).isEqualTo(rows(want.weight()));
    assertThat(got.weight().label()).isEqualTo(want.weight().label());
    float[] bias = bias(got);
    float[] wanted = bias(want);
    for (int i = 0; i < wanted.length; i++) {
      float off = kind.equals("w8a8") ? Math.abs(wanted[i]) * 1e-6f : 0;
      assertThat(bias[i]).isCloseTo(wanted[i], org.assertj.core.data.Offset.offset(off));
    }
    Tensor smoothing = want.inputScale();
    if (smoothing != null) {
      assertThat(Objects.requireNonNull(got.inputScale()).toFloats())
          .containsExactly(smoothing.toFloats());
    }
    InputMatrix matrix = want.inputMatrix();
    if (matrix != null) {
      assertThat(matrix.sameAs(Objects.requireNonNull(got.inputMatrix()))).isTrue();
    }
    LowRank product = want.lowRank();
    if (product != null) {
      LowRank read = Objects.requireNonNull(got.lowRank());
      assertThat(rows(read.down())).isEqualTo(rows(product.down()));
      assertThat(rows(read.up())).isEqualTo(rows(product.up()));
    }
    LinearWeights decoding = want.decoding();
    if (decoding != null) {
      assertSame(Objects.requireNonNull(got.decoding()), decoding, "w8a8");
    }
  }

  private static float[] bias(LinearWeights layer) {
    Tensor bias = layer.bias();
    return bias == null ? new float[(int) layer.weight().rows()] : bias.toFloats();
  }

  private static float[][] rows(QuantizedWeight weight) {
    float[][] rows = new float[(int) weight.rows()][(int) weight.columns()];
    for (int r = 0; r < rows.length; r++) {
      weight.dequantizeRow(r, rows[r]);
    }
    return rows;
  }

  /** Files that this reader wrote once are the same when it writes what it read from them. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "ascend_w8a8_bf16",
        "ascend_w8a8_fp16",
        "ascend_w8a8_dynamic",
        "ascend_w8a16",
        "ascend_w4a16_channel",
        "ascend_w4a16_group",
        "ascend_w4a16_v0",
        "ascend_w4a8_dynamic",
        "ascend_mixed",
        "ascend_faquant_head",
        "ascend_faquant_channel",
        "ascend_c8"
      })
  void checkpointsOfOtherToolsComeThroughBitForBit(String name) {
    Path model = Shared.path("conformance/" + name + "/model");
    try (Checkpoint c = Checkpoints.open(model)) {
      config = c.config();
      try (CompressedTensorsWriter writer =
          CompressedTensorsWriter.open(
              out, model, WriteOptions.of(true, false, "").as(WriteFormat.ASCEND))) {
        ModelLayout.plain(config, p -> writer.addDense(p.name(), c.tensor(p.name())));
        ModelLayout.linears(config, l -> writer.add(l.module(), c.linear(l.module())));
        for (int i = 0; i < config.layers(); i++) {
          if (c.kvScales(i).isPresent()) {
            writer.addScales(i, c.kvScales(i).get(), c.queryScales(i).orElse(null));
          }
        }
        writer.finish();
      }
      try (Checkpoint again = Checkpoints.open(out)) {
        ModelLayout.linears(config, l -> assertBits(again, c, l.module()));
        for (int i = 0; i < config.layers(); i++) {
          assertThat(again.kvScales(i))
              .usingRecursiveComparison()
              .ignoringFields("value.keyOffset", "value.valueOffset")
              .isEqualTo(c.kvScales(i));
          assertThat(again.queryScales(i)).usingRecursiveComparison().isEqualTo(c.queryScales(i));
        }
      }
    }
  }

  private static void assertBits(Checkpoint got, Checkpoint want, String module) {
    LinearWeights a = got.linear(module);
    LinearWeights b = want.linear(module);
    assertThat(rows(a.weight())).as(module).isEqualTo(rows(b.weight()));
    assertThat(bias(a)).as(module).containsExactly(bias(b));
    assertThat(a.activation()).isEqualTo(b.activation());
  }

  @Test
  void tagsSayWhatGoesWithALayer() {
    assertTag("flat", "W4A4_FLATQUANT_DYNAMIC", ".weight", ".left_trans", ".clip_ratio");
    assertTag("flat-mix", "W8A8_MIX_FLATQUANT", ".weight", ".deq_scale", ".right_trans");
    assertTag("flat-float", "FLOAT_FLATQUANT", ".weight", ".right_trans");
    assertTag("low-rank", "W8A8_SVD_DYNAMIC", ".linear.weight", ".linear.weight_scale");
    assertTag("low-rank", "FLOAT", ".linear.svd_lowrank_l1", ".div.mul_scale");
    assertTag("low-rank-float", "FLOAT", ".linear.weight", ".linear.svd_lowrank_l2");
  }

  private void assertTag(String kind, String tag, String... suffixes) {
    written(m -> layer(kind, m, 2)).close();
    ObjectNode json = Json.readObject(out.resolve("quant_model_description.json"));
    for (String suffix : suffixes) {
      String name = "model.layers.1.mlp.down_proj" + suffix;
      assertThat(json.path(name).asString("")).as(kind + name).isEqualTo(tag);
    }
  }

  @Test
  void whatOnlyAscendCanSayIsRefusedElsewhere() {
    for (WriteFormat format : WriteFormat.values()) {
      for (String kind : List.of("flat", "flat-left", "flat-float", "low-rank", "flat-mix")) {
        LinearWeights layer = layer(kind, "model.layers.0.mlp.down_proj", 1).withInputScale(null);
        if (format != WriteFormat.ASCEND) {
          assertThatThrownBy(() -> format.requireSaidInputs("m", layer))
              .isInstanceOf(CheckpointException.class)
              .hasMessageContaining("which only ascend can say, not " + format.label());
        }
      }
    }
    LinearWeights both =
        layer("flat", "model.layers.0.mlp.down_proj", 1)
            .withLowRank(layer("low-rank", "model.layers.0.mlp.down_proj", 1).lowRank());
    assertThatThrownBy(() -> written(_ -> both))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("no Ascend tool writes");
  }

  @Test
  void theDescriptionFollowsTheProfile() {
    try (Checkpoint c = written(m -> layer(m.contains("mlp.down") ? "w8a8" : "w4a16", m, 2))) {
      ObjectNode json = Json.readObject(out.resolve("quant_model_description.json"));
      c.tensors().keySet().forEach(name -> assertThat(json.has(name)).as(name).isTrue());
      assertThat(json.get("version").asString()).isEqualTo("1.0.0");
      assertThat(json.get("group_size").asInt()).isEqualTo(16);
      assertThat(json.get("model_quant_type").asString()).isEqualTo("W8A8");
      assertThat(json.get("model.layers.1.mlp.down_proj.deq_scale").asString()).isEqualTo("W8A8");
      assertThat(json.get("model.norm.weight").asString()).isEqualTo("FLOAT");
      assertThat(c.tensor("model.layers.1.mlp.down_proj.deq_scale").dtype()).isEqualTo(DType.F32);
      assertThat(Json.readObject(out.resolve("config.json")).has("quantization_config")).isFalse();
      assertThat(out.resolve("tokenizer.json")).exists();
      assertThat(out.resolve("quant_model_weights.safetensors")).exists();
    }
  }

  @Test
  void codesOfW4a4AreBytesUnderTheirOwnHeadline() {
    try (Checkpoint c = written(m -> layer("w4a4-group", m, 2))) {
      ObjectNode json = Json.readObject(out.resolve("quant_model_description.json"));
      assertThat(json.get("model_quant_type").asString()).isEqualTo("W4A4_DYNAMIC");
      Tensor codes = c.tensor("model.layers.1.mlp.down_proj.weight");
      assertThat(codes).hasToString("I8[32, 48]");
      for (long i = 0; i < codes.size(); i++) {
        assertThat(codes.getLong(i)).isBetween(-8L, 7L);
      }
      assertThat(c.tensor("model.layers.1.mlp.down_proj.weight_scale").shape())
          .containsExactly(32, 3);
    }
  }

  @Test
  void largeModelsHaveShardsWithAnIndex() {
    WriteOptions small = new WriteOptions(false, false, "r", 4000, WriteFormat.ASCEND);
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, small)) {
      add(writer, m -> layer("w8a8-dynamic", m, 3));
      writer.finish();
    }
    assertThat(out.resolve("quant_model_weights.safetensors.index.json")).exists();
    try (Checkpoint c = Checkpoints.open(out)) {
      String module = "model.layers.1.mlp.up_proj";
      assertSame(c.linear(module), layer("w8a8-dynamic", module, 3), "");
    }
  }

  @Test
  void anInterruptedRunGoesOnWhereItStopped() {
    String last = "model.layers.1.mlp.down_proj";
    assertThatThrownBy(
            () -> {
              try (CompressedTensorsWriter writer =
                  CompressedTensorsWriter.open(
                      out, source, WriteOptions.of(false, true, "r").as(WriteFormat.ASCEND))) {
                add(
                    writer,
                    m -> {
                      if (m.equals(last)) {
                        throw new IllegalStateException("power cut");
                      }
                      return layer("w8a8", m, 4);
                    });
              }
            })
        .hasMessage("power cut");
    assertThat(out).doesNotExist();
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(
            out, source, WriteOptions.of(false, true, "r").as(WriteFormat.ASCEND))) {
      ModelLayout.linears(
          config, l -> assertThat(writer.has(l.module())).isEqualTo(!l.module().equals(last)));
      assertThat(writer.hasTensor("model.norm.weight")).isTrue();
      writer.add(last, layer("w8a8", last, 4));
      writer.finish();
    }
    try (Checkpoint c = Checkpoints.open(out)) {
      assertThat(c.linear(last).activation()).isInstanceOf(ActivationQuant.StaticInt8.class);
      assertThat(c.linear("model.layers.0.self_attn.q_proj").activation())
          .isInstanceOf(ActivationQuant.StaticInt8.class);
    }
  }

  @Test
  void whatTheFormatCannotHoldIsRefusedByName() {
    Random random = new Random(5);
    refused(new LinearWeights(int8(random, 4, 32, 32, true), null, DYNAMIC), "int8 channel asym");
    refused(new LinearWeights(int4(random, 4, 32, 16, false), null, DYNAMIC), "int4 g16");
    refused(new LinearWeights(int4(random, 5, 32, 16, false), null, NONE), "5 output features");
    refused(
        new LinearWeights(int4(random, 4, 32, 16, false), null, new ActivationQuant.DynamicInt4()),
        "int4 g16");
    refused(
        new LinearWeights(
            int8(random, 4, 32, 32, false), null, new ActivationQuant.DynamicFp8Block(16)),
        "fp8 1x16");
  }

  private void refused(LinearWeights layer, String reason) {
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(
            out, source, WriteOptions.of(true, false, "r").as(WriteFormat.ASCEND))) {
      assertThatThrownBy(() -> writer.add("model.layers.0.mlp.up_proj", layer))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining(reason);
    }
  }

  @Test
  void fusedLayersAndGroupsMustAgree() {
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(
            out, source, WriteOptions.of(true, false, "r").as(WriteFormat.ASCEND))) {
      String q = "model.layers.0.self_attn.q_proj";
      String k = "model.layers.0.self_attn.k_proj";
      writer.add(q, layer("w4a16", q, 1));
      assertThatThrownBy(() -> writer.add(k, layer("w8a8", k, 1)))
          .hasMessageContaining("fuse them");
      LinearWeights other = new LinearWeights(int4(new Random(1), 16, 32, 8, true), null, NONE);
      assertThatThrownBy(() -> writer.add(k, other)).hasMessageContaining("groups of 8");
    }
  }

  @Test
  void attentionScalesAndC8DoNotMix() {
    KvScales cache = new KvScales(DType.I8, new float[] {0.1f}, new float[] {0.2f, 0.3f});
    QueryScales query = new QueryScales(DType.I8, new float[] {0.4f}, new float[0]);
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(
            out, source, WriteOptions.of(true, false, "r").as(WriteFormat.ASCEND))) {
      add(writer, m -> layer("w8a8", m, 1));
      writer.addScales(0, cache, query);
      writer.addScales(1, cache, null);
      assertThatThrownBy(writer::finish).hasMessageContaining("not both");
      writer.discard();
    }
    @Nullable QueryScales none = null;
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(
            out, source, WriteOptions.of(true, false, "r").as(WriteFormat.ASCEND))) {
      add(writer, m -> layer("w8a8", m, 1));
      writer.addScales(0, cache, none);
      writer.addScales(1, cache, none);
      writer.finish();
    }
    try (Checkpoint c = Checkpoints.open(out)) {
      assertThat(c.kvScales(1).orElseThrow().value()[8]).isEqualTo(0.3f);
      assertThat(c.tensor("model.layers.0.self_attn.k_proj.kv_cache_scale").size()).isEqualTo(16);
      assertThat(c.queryScales(0)).isEmpty();
    }
  }
}
