package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.internal.Trees;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CompressedTensorsWriterTest {
  private static final int HIDDEN = 20;
  private static final int INTER = 36;
  private static final String CONFIG =
      """
      {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 20,
       "intermediate_size": 36, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 6,
       "num_key_value_heads": 1, "vocab_size": 10, "max_position_embeddings": 64,
       "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
       "some_new_field": {"kept": [1, 2.5, "x"]}}
      """;

  @TempDir private Path dir;
  private Path source = Path.of("");
  private Path out = Path.of("");

  @BeforeEach
  void source() throws IOException {
    source = Files.createDirectories(dir.resolve("source"));
    out = dir.resolve("out");
    Files.writeString(source.resolve("config.json"), CONFIG);
    Files.writeString(source.resolve("tokenizer.json"), "{}");
  }

  /** A layer of any of the forms that can be stored, from a number. */
  private static LinearWeights layer(Random random, long n, long k) {
    int form = random.nextInt(10);
    ActivationQuant none = new ActivationQuant.None();
    Tensor bias = random.nextBoolean() ? null : floats(random, n);
    return switch (form) {
      case 0 -> new LinearWeights(int8(random, n, k, grid(random, n, k, 1, k, false)), bias, none);
      case 1 -> new LinearWeights(int8(random, n, k, grid(random, n, k, 1, k, true)), bias, none);
      case 2 ->
          new LinearWeights(
              int8(random, n, k, grid(random, n, k, 1, k, false)),
              bias,
              new ActivationQuant.DynamicInt8());
      case 3 ->
          new LinearWeights(
              int8(random, n, k, grid(random, n, k, n, k, false)),
              bias,
              new ActivationQuant.StaticInt8(0.3f, random.nextInt(-128, 128)));
      case 4 ->
          new LinearWeights(int4(random, n, k, grid(random, n, k, 1, 4, true), null), bias, none);
      case 5 ->
          new LinearWeights(
              int4(random, n, k, grid(random, n, k, 1, 4, false), order(random, k)), bias, none);
      case 6 ->
          new LinearWeights(
              int4(random, n, k, grid(random, n, k, 1, k, false), null),
              bias,
              new ActivationQuant.DynamicInt8());
      case 8 ->
          new LinearWeights(
              int4(random, n, k, grid(random, n, k, 1, 4, false), null),
              bias,
              new ActivationQuant.DynamicInt4());
      case 7 ->
          new LinearWeights(
              fp8(random, n, k, grid(random, n, k, 8, 16, false)),
              bias,
              new ActivationQuant.DynamicFp8Block(16));
      default ->
          new LinearWeights(
              fp8(random, n, k, grid(random, n, k, n, k, false)),
              bias,
              random.nextBoolean() ? none : new ActivationQuant.StaticFp8(0.7f));
    };
  }

  private static Int8Weight int8(Random random, long n, long k, ScaleGrid grid) {
    return new Int8Weight(codes(random, DType.I8, n, k), grid);
  }

  private static Fp8Weight fp8(Random random, long n, long k, ScaleGrid grid) {
    return new Fp8Weight(codes(random, DType.F8_E4M3, n, k), grid);
  }

  private static Int4Weight int4(
      Random random, long n, long k, ScaleGrid grid, @Nullable Tensor order) {
    Tensor packed = codes(random, DType.U8, n, (k + 1) / 2);
    for (long r = 0; k % 2 == 1 && r < n; r++) {
      long last = (r + 1) * packed.dim(1) - 1;
      packed.setFloat(last, (int) packed.getLong(last) & 15);
    }
    return new Int4Weight(packed, k, grid, order);
  }

  private static Tensor codes(Random random, DType type, long n, long k) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), type, n, k);
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, type == DType.U8 ? random.nextInt(256) : random.nextInt(-128, 128));
    }
    return t;
  }

  /** Columns shuffled, but ascending within a group, as reading restores them. */
  private static Tensor order(Random random, long k) {
    List<Integer> columns = new ArrayList<>(IntStream.range(0, (int) k).boxed().toList());
    Collections.shuffle(columns, random);
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.I32, k);
    for (int from = 0; from < k; from += 4) {
      List<Integer> group = columns.subList(from, (int) Math.min(k, from + 4));
      Collections.sort(group);
      for (int i = 0; i < group.size(); i++) {
        t.setFloat(from + i, group.get(i));
      }
    }
    return t;
  }

  private static ScaleGrid grid(
      Random random, long n, long k, long rowBlock, long columnBlock, boolean zeros) {
    long rows = ScaleGrid.blocks(n, rowBlock);
    long columns = ScaleGrid.blocks(k, columnBlock);
    Tensor scales = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, columns);
    boolean exact = random.nextBoolean(); // representable in BF16, or not
    for (long i = 0; i < scales.size(); i++) {
      scales.setFloat(i, exact ? 0.25f * (1 + random.nextInt(100)) : random.nextFloat() + 1e-3f);
    }
    Tensor zero = null;
    if (zeros) {
      zero = Tensor.allocate(Arena.ofAuto(), DType.I16, rows, columns);
      for (long i = 0; i < zero.size(); i++) {
        zero.setFloat(i, random.nextInt(-8, 8));
      }
    }
    ScaleGranularity granularity =
        rowBlock == n && columnBlock == k
            ? ScaleGranularity.TENSOR
            : rowBlock > 1
                ? ScaleGranularity.BLOCK
                : columnBlock == k ? ScaleGranularity.CHANNEL : ScaleGranularity.GROUP;
    return new ScaleGrid(granularity, rowBlock, columnBlock, scales, zero);
  }

  private static Tensor floats(Random random, long n) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.F32, n);
    for (long i = 0; i < n; i++) {
      t.setFloat(i, random.nextFloat());
    }
    return t;
  }

  private Map<String, LinearWeights> layers(
      Random random, BiFunction<Long, Long, LinearWeights> f) {
    Map<String, LinearWeights> layers = new TreeMap<>();
    ModelConfig config = ModelConfigs.read(source.resolve("config.json"));
    ModelLayout.linears(config, s -> layers.put(s.module(), f.apply(s.rows(), s.columns())));
    Tensor head = codes(random, DType.BF16, 10, HIDDEN);
    layers.put(
        "lm_head", new LinearWeights(new DenseWeight(head), null, new ActivationQuant.None()));
    return layers;
  }

  private void addPlain(CompressedTensorsWriter writer) {
    Random random = new Random(1);
    ModelLayout.plain(
        ModelConfigs.read(source.resolve("config.json")),
        p -> {
          long[] shape = p.shape().stream().mapToLong(Long::longValue).toArray();
          Tensor t =
              codes(random, DType.BF16, p.shape().getFirst(), shape.length == 2 ? HIDDEN : 1);
          writer.addDense(p.name(), t.reshape(shape));
        });
  }

  private void writeAll(Map<String, LinearWeights> layers, WriteOptions options) {
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, options)) {
      addPlain(writer);
      layers.forEach(writer::add);
      writer.finish();
    }
  }

  private static void assertSame(LinearWeights got, LinearWeights want, String what) {
    assertThat(got.activation()).as(what).isEqualTo(want.activation());
    assertThat(got.weight().getClass()).as(what).isEqualTo(want.weight().getClass());
    assertThat(got.weight().label()).as(what).isEqualTo(want.weight().label());
    assertThat(rows(got.weight())).as(what).isEqualTo(rows(want.weight()));
    assertThat(bytes(got.bias())).as(what).isEqualTo(bytes(want.bias()));
  }

  private static float[] bytes(@Nullable Tensor bias) {
    return bias == null ? new float[0] : bias.toFloats();
  }

  private static float[][] rows(QuantizedWeight weight) {
    float[][] rows = new float[(int) weight.rows()][(int) weight.columns()];
    for (int r = 0; r < rows.length; r++) {
      weight.dequantizeRow(r, rows[r]);
    }
    return rows;
  }

  @Property(tries = 8)
  void everyMixtureOfFormsIsReadBackBitForBit(
      @ForAll long seed, @ForAll @IntRange(min = 200, max = 9000) int shardBytes)
      throws IOException {
    dir = Files.createTempDirectory("octet");
    try {
      source();
      Random random = new Random(seed);
      Map<String, LinearWeights> layers = layers(random, (n, k) -> layer(random, n, k));
      writeAll(layers, new WriteOptions(false, false, "r", shardBytes));
      try (Checkpoint read = Checkpoints.open(out)) {
        layers.forEach((module, want) -> assertSame(read.linear(module), want, module));
      }
      assertThat(names(dir)).containsExactly("out", "source");
    } finally {
      Trees.delete(dir);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ct_w8a8_dynamic",
        "ct_w4a16_sym",
        "ct_w4a16_asym",
        "ct_mixed_groups",
        "ct_fp8_static",
        "ct_fp8_dynamic"
      })
  void aCheckpointOfAnotherToolIsStoredAsThatToolDid(String name) {
    Path model = Shared.path("conformance/" + name + "/model");
    try (Checkpoint read = Checkpoints.open(model);
        CompressedTensorsWriter writer =
            CompressedTensorsWriter.open(out, model, WriteOptions.of(false, false, ""))) {
      ModelLayout.plain(read.config(), p -> writer.addDense(p.name(), read.tensor(p.name())));
      ModelLayout.linears(read.config(), s -> writer.add(s.module(), read.linear(s.module())));
      writer.finish();
      try (Checkpoint again = Checkpoints.open(out)) {
        assertThat(again.tensors().keySet()).isEqualTo(read.tensors().keySet());
        read.tensors()
            .forEach(
                (key, want) -> {
                  Tensor got = again.tensor(key);
                  assertThat(got).as(key).hasToString(want.toString());
                  assertThat(got.segment().mismatch(want.segment())).as(key).isEqualTo(-1);
                });
      }
    }
  }

  @Test
  void theConfigKeepsEveryFieldAndSaysWhatVllmAsksFor() throws IOException {
    Random random = new Random(2);
    writeAll(
        layers(
            random,
            (n, k) ->
                new LinearWeights(
                    int4(random, n, k, grid(random, n, k, 1, 4, false), null),
                    null,
                    new ActivationQuant.None())),
        WriteOptions.of(false, false, "r"));
    String config = Files.readString(out.resolve("config.json"));
    assertThat(config.replaceAll("\\s", ""))
        .contains("\"some_new_field\":{\"kept\":[1,2.5,\"x\"]}")
        .contains("\"quant_method\":\"compressed-tensors\"")
        .contains("\"format\":\"pack-quantized\"")
        .contains("\"targets\":[\"Linear\"]")
        .contains("\"num_bits\":4,\"type\":\"int\",\"symmetric\":true,\"group_size\":4")
        .contains("\"ignore\":[\"lm_head\"]");
    assertThat(names(out)).containsExactly("config.json", "model.safetensors", "tokenizer.json");
  }

  @Test
  void anInterruptedRunIsResumedAtTheLayerItLost() throws IOException {
    Random random = new Random(3);
    Map<String, LinearWeights> layers = layers(random, (n, k) -> layer(random, n, k));
    WriteOptions resume = new WriteOptions(false, true, "r", 2000);
    String first = layers.keySet().iterator().next();
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, resume)) {
      addPlain(writer);
      layers.forEach(
          (module, layer) -> {
            if (!module.equals("model.layers.1.mlp.up_proj")) {
              writer.add(module, layer);
            }
          });
      assertThatThrownBy(writer::finish).hasMessageContaining("model.layers.1.mlp.up_proj");
    }
    assertThat(out).doesNotExist();
    assertThatThrownBy(
            () ->
                CompressedTensorsWriter.open(out, source, new WriteOptions(false, true, "x", 2000)))
        .hasMessageContaining("other settings");
    Files.writeString(dir.resolve("out.partial/parts/.half.tmp"), "torn");
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, resume)) {
      assertThat(writer.has(first)).isTrue();
      assertThat(writer.hasTensor("model.norm.weight")).isTrue();
      assertThat(writer.has("model.layers.1.mlp.up_proj")).isFalse();
      writer.add(
          "model.layers.1.mlp.up_proj",
          Objects.requireNonNull(layers.get("model.layers.1.mlp.up_proj")));
      writer.finish();
    }
    try (Checkpoint read = Checkpoints.open(out)) {
      layers.forEach((module, want) -> assertSame(read.linear(module), want, module));
    }
    assertThat(names(dir)).containsExactly("out", "source");
    assertThat(names(out)).contains("model.safetensors.index.json").doesNotContain("parts");
  }

  @Test
  void aSecondRunIsKeptOutWhileOneIsAtWorkAndMayTakeOverAfterwards() throws IOException {
    WriteOptions fresh = new WriteOptions(false, false, "r", 2000);
    WriteOptions resume = new WriteOptions(false, true, "r", 2000);
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, fresh)) {
      addPlain(writer);
      for (WriteOptions second : List.of(fresh, resume)) {
        assertThatThrownBy(() -> CompressedTensorsWriter.open(out, source, second))
            .isInstanceOf(CheckpointException.class)
            .hasMessageContaining("out.partial")
            .hasMessageContaining("another run");
      }
      assertThat(writer.hasTensor("model.norm.weight")).isTrue();
    }
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, resume)) {
      assertThat(writer.hasTensor("model.norm.weight")).isTrue();
    }
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, fresh)) {
      assertThat(writer.hasTensor("model.norm.weight")).isFalse();
      writer.discard();
    }
    assertThat(names(dir)).containsExactly("source");
  }

  @Test
  void aRunKilledBeforeItWroteAnythingIsNoObstacle() throws IOException {
    Files.createDirectories(dir.resolve("out.partial"));
    Files.createFile(dir.resolve("out.partial/octet.lock"));
    CompressedTensorsWriter.open(out, source, new WriteOptions(false, true, "r", 2000)).close();
    Files.delete(dir.resolve("out.partial/octet.lock"));
    Files.delete(dir.resolve("out.partial/recipe.txt"));
    assertThatThrownBy(
            () ->
                CompressedTensorsWriter.open(out, source, new WriteOptions(true, true, "r", 2000)))
        .hasMessageContaining("no unfinished run");
  }

  @Test
  void aRunInterruptedWhileShardsAreGatheredIsResumedToo() throws IOException {
    Random random = new Random(6);
    Map<String, LinearWeights> layers = layers(random, (n, k) -> layer(random, n, k));
    WriteOptions resume = new WriteOptions(false, true, "r", 2000);
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, resume)) {
      addPlain(writer);
      layers.forEach(writer::add);
    }
    gatherFirstShard(dir.resolve("out.partial"));
    try (CompressedTensorsWriter writer = CompressedTensorsWriter.open(out, source, resume)) {
      layers.keySet().forEach(module -> assertThat(writer.has(module)).as(module).isTrue());
      writer.finish();
    }
    try (Checkpoint read = Checkpoints.open(out)) {
      layers.forEach((module, want) -> assertSame(read.linear(module), want, module));
    }
    assertThat(names(out)).doesNotContain("parts", "recipe.txt", "schemes.jsonl", "octet.lock");
  }

  /** Does what a run does until the power fails: the first shard is there, its layers are gone. */
  private static void gatherFirstShard(Path folder) throws IOException {
    Map<String, Tensor> all = new TreeMap<>();
    Map<String, Path> places = new TreeMap<>();
    for (String name : names(folder.resolve("parts"))) {
      Path part = folder.resolve("parts").resolve(name);
      try (SafetensorsFile file = SafetensorsFile.open(part)) {
        file.tensors()
            .forEach(
                (key, t) -> {
                  all.put(key, t.to(t.dtype(), Arena.ofAuto()));
                  places.put(key, part);
                });
      }
    }
    List<TensorSpec> specs =
        all.entrySet().stream().map(e -> TensorSpec.of(e.getKey(), e.getValue())).toList();
    var shard = ShardPlan.of(specs, 2000).files().firstEntry();
    Map<String, Tensor> first = new TreeMap<>();
    shard.getValue().forEach(s -> first.put(s.name(), Objects.requireNonNull(all.get(s.name()))));
    SafetensorsWriter.write(folder.resolve(shard.getKey()), first);
    first.keySet().forEach(places::remove);
    for (String name : names(folder.resolve("parts"))) {
      if (!places.containsValue(folder.resolve("parts").resolve(name))) {
        Files.delete(folder.resolve("parts").resolve(name));
      }
    }
  }

  @Test
  void whatIsThereIsReplacedOnlyByForceAndOnlyIfItIsAModel() throws IOException {
    Random random = new Random(4);
    Map<String, LinearWeights> layers = layers(random, (n, k) -> layer(random, n, k));
    writeAll(layers, WriteOptions.of(false, false, "r"));
    assertThatThrownBy(() -> writeAll(layers, WriteOptions.of(false, false, "r")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("--force");
    Files.writeString(out.resolve("stale.txt"), "old");
    writeAll(layers, WriteOptions.of(true, false, "r"));
    assertThat(out.resolve("stale.txt")).doesNotExist();
    Path kept = Files.createDirectories(out.resolve("other-model"));
    assertThatThrownBy(() -> writeAll(layers, WriteOptions.of(true, false, "r")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("holds the folder other-model besides a model");
    Files.delete(kept);
    assertThatThrownBy(
            () -> CompressedTensorsWriter.open(source, source, WriteOptions.of(true, false, "r")))
        .hasMessageContaining("is the source");
    out = Files.createDirectories(dir.resolve("home"));
    Files.writeString(out.resolve("letters.txt"), "dear");
    assertThatThrownBy(() -> writeAll(layers, WriteOptions.of(true, false, "r")))
        .hasMessageContaining("something other than a model");
  }

  @Test
  void neitherTheSourceNorAFolderThatOnlyHasAConfigIsEverReplaced() throws IOException {
    WriteOptions force = WriteOptions.of(true, false, "r");
    out = Files.createDirectories(dir.resolve("project"));
    Files.writeString(out.resolve("config.json"), "{}");
    assertThatThrownBy(() -> CompressedTensorsWriter.open(out, source, force))
        .hasMessageContaining("something other than a model");
    Files.writeString(out.resolve("model.safetensors"), "");
    Path inside = Files.move(source, out.resolve("original"));
    assertThatThrownBy(() -> CompressedTensorsWriter.open(out, inside, force))
        .hasMessageContaining("holds it");
    Path link = Files.createSymbolicLink(dir.resolve("link"), Path.of("nowhere"));
    assertThatThrownBy(() -> CompressedTensorsWriter.open(link, inside, force))
        .hasMessageContaining("symbolic link to nothing");
    assertThat(names(dir)).containsExactly("link", "project");
    assertThat(names(inside)).contains("config.json");
  }

  @Test
  void aFileWhereAFolderIsNeededIsNamed() throws IOException {
    Path file = Files.writeString(dir.resolve("file"), "");
    assertThatThrownBy(
            () ->
                CompressedTensorsWriter.open(
                    file.resolve("out"), source, WriteOptions.of(false, false, "r")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(file + " is in the way");
  }

  @Test
  void discardingLeavesNothingBehind() throws IOException {
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(out, source, WriteOptions.of(false, false, "r"))) {
      addPlain(writer);
      writer.discard();
    }
    assertThat(names(dir)).containsExactly("source");
  }

  @Test
  void whatTheFormatCannotHoldIsRefused() {
    Random random = new Random(5);
    ScaleGrid grid = grid(random, INTER, HIDDEN, 1, HIDDEN, false);
    ActivationQuant none = new ActivationQuant.None();
    try (CompressedTensorsWriter writer =
        CompressedTensorsWriter.open(out, source, WriteOptions.of(false, false, "r"))) {
      Tensor e5m2 = codes(random, DType.F8_E5M2, INTER, HIDDEN);
      assertThatThrownBy(
              () -> writer.add("a", new LinearWeights(new Fp8Weight(e5m2, grid), null, none)))
          .hasMessageContaining("E4M3");
      ScaleGrid ragged = grid(random, INTER, HIDDEN, 1, 8, false);
      Int8Weight bad = int8(random, INTER, HIDDEN, ragged);
      assertThatThrownBy(() -> writer.add("a", new LinearWeights(bad, null, none)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("groups of 8 do not divide 20");
    }
  }

  private static List<String> names(Path dir) throws IOException {
    try (Stream<Path> files = Files.list(dir)) {
      return files.map(p -> String.valueOf(p.getFileName())).sorted().toList();
    }
  }
}
