package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.internal.Trees;
import dev.octet.checkpoint.packing.Codes;
import dev.octet.checkpoint.packing.Columns;
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
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What one format can hold comes back bit for bit, also by way of another. */
class ForeignRoundTripTest {
  private static final String CONFIG =
      """
      {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32,
       "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 16,
       "num_key_value_heads": 1, "vocab_size": 8, "max_position_embeddings": 64,
       "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
      """;

  @TempDir private Path temp;

  private static Path source(Path dir) throws IOException {
    Path source = Files.createDirectories(dir.resolve("source"));
    Files.writeString(source.resolve("config.json"), CONFIG);
    return source;
  }

  private static Tensor integers(Random random, DType type, int low, int high, long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), type, shape);
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, random.nextInt(low, high + 1));
    }
    return t;
  }

  /** Scales that F16 holds, that BF16 holds, or that only F32 holds. */
  private static Tensor scales(Random random, long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.F32, shape);
    int kind = random.nextInt(3);
    for (long i = 0; i < t.size(); i++) {
      float fine = 1 + random.nextInt(1 << 10) / 1024f;
      t.setFloat(
          i,
          switch (kind) {
            case 0 -> fine;
            case 1 -> (1 + random.nextInt(128) / 128f) * 0x1p-40f;
            default -> random.nextFloat() + 1e-3f;
          });
    }
    return t;
  }

  private static ScaleGrid grid(
      Random random, int bits, long n, long k, int group, boolean asymmetric) {
    long size = group == -1 ? k : group;
    long[] shape = {n, ScaleGrid.blocks(k, size)};
    int half = 1 << bits - 1;
    Tensor zeros = asymmetric ? integers(random, DType.I16, -half, half - 1, shape) : null;
    if (zeros != null) {
      zeros.setFloat(0, 1); // at least one, or it reads as symmetric
    }
    return new ScaleGrid(
        size < k ? ScaleGranularity.GROUP : ScaleGranularity.CHANNEL,
        1,
        size,
        scales(random, shape),
        zeros);
  }

  private static @Nullable Tensor order(Random random, long k, int group) {
    int[] index = new int[(int) k];
    for (int i = 0; i < k; i++) {
      index[i] = i / group;
    }
    for (int i = index.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = index[i];
      index[i] = index[j];
      index[j] = swapped;
    }
    return Columns.of(index, (int) ScaleGrid.blocks(k, group), group).order();
  }

  private static LinearWeights plain(QuantizedWeight weight, Random random) {
    Tensor bias = random.nextBoolean() ? null : scales(random, weight.rows());
    return new LinearWeights(weight, bias, new ActivationQuant.None());
  }

  private static Int4Weight int4(
      Random random, long n, long k, int group, boolean asymmetric, boolean permuted) {
    Tensor nibbles = Codes.nibbles(integers(random, DType.I8, -8, 7, n, k));
    Tensor order = permuted && group > 0 ? order(random, k, group) : null;
    return new Int4Weight(nibbles, k, grid(random, 4, n, k, group, asymmetric), order);
  }

  private static Map<String, LinearWeights> layers(Path config, LayerMaker maker, Random random) {
    Map<String, LinearWeights> layers = new TreeMap<>();
    ModelLayout.linears(
        ModelConfigs.read(config), s -> layers.put(s.module(), maker.make(s.rows(), s.columns())));
    Tensor head = scales(random, 8, 32).to(DType.BF16, Arena.ofAuto());
    layers.put(
        "lm_head", new LinearWeights(new DenseWeight(head), null, new ActivationQuant.None()));
    return layers;
  }

  private interface LayerMaker {
    LinearWeights make(long n, long k);
  }

  /** Writes, reads, and writes what was read in the next format. */
  private static void through(
      Path dir, Path source, Map<String, LinearWeights> layers, List<WriteFormat> formats) {
    Map<String, LinearWeights> last = layers;
    Checkpoint open = null;
    for (int i = 0; i < formats.size(); i++) {
      Path out = dir.resolve("out" + i);
      write(formats.get(i), out, source, last);
      if (open != null) {
        open.close();
      }
      Checkpoint read = Checkpoints.open(out);
      open = read;
      Map<String, LinearWeights> next = new TreeMap<>();
      layers.forEach(
          (module, want) -> {
            LinearWeights got = read.linear(module);
            requireSame(got, want, formats + " " + module);
            next.put(module, got);
          });
      last = next;
    }
    if (open != null) {
      open.close();
    }
  }

  private static void write(
      WriteFormat format, Path out, Path source, Map<String, LinearWeights> layers) {
    WriteOptions options = WriteOptions.of(false, false, "r").as(format);
    try (var writer = CompressedTensorsWriter.open(out, source, options)) {
      Random random = new Random(1);
      ModelLayout.plain(
          ModelConfigs.read(source.resolve("config.json")),
          p -> {
            long[] shape = p.shape().stream().mapToLong(d -> d).toArray();
            writer.addDense(p.name(), scales(random, shape).to(DType.BF16, Arena.ofAuto()));
          });
      layers.forEach(writer::add);
      writer.finish();
    }
  }

  private static void requireSame(LinearWeights got, LinearWeights want, String what) {
    assertThat(got.weight().getClass()).as(what).isEqualTo(want.weight().getClass());
    assertThat(got.weight().label()).as(what).isEqualTo(want.weight().label());
    assertThat(got.activation()).as(what).isEqualTo(want.activation());
    float[] one = new float[(int) want.weight().columns()];
    float[] two = new float[one.length];
    for (long o = 0; o < want.weight().rows(); o++) {
      want.weight().dequantizeRow(o, one);
      got.weight().dequantizeRow(o, two);
      assertThat(two).as("%s row %d", what, o).isEqualTo(one);
    }
    Tensor bias = want.bias();
    Tensor other = got.bias();
    assertThat(other == null).as(what).isEqualTo(bias == null);
    if (bias != null && other != null) {
      assertThat(other.toFloats()).as(what).isEqualTo(bias.toFloats());
    }
  }

  @Property(tries = 3)
  void int4PassesThroughEveryFormatThatHoldsIt(
      @ForAll long seed, @ForAll @IntRange(max = 3) int size, @ForAll boolean asymmetric)
      throws IOException {
    int group = new int[] {-1, 8, 16, 32}[size];
    inFolder(
        (dir, source) -> {
          Random random = new Random(seed);
          through(
              dir,
              source,
              layers(
                  source.resolve("config.json"),
                  (n, k) -> plain(int4(random, n, k, group, asymmetric, false), random),
                  random),
              List.of(
                  WriteFormat.GPTQ,
                  WriteFormat.AWQ,
                  WriteFormat.COMPRESSED_TENSORS,
                  WriteFormat.AWQ,
                  WriteFormat.GPTQ,
                  WriteFormat.COMPRESSED_TENSORS));
        });
  }

  @Property(tries = 3)
  void mixedWidthsAndShuffledColumnsPassBetweenTheTwoThatHoldThem(@ForAll long seed)
      throws IOException {
    inFolder(
        (dir, source) -> {
          Random random = new Random(seed);
          LayerMaker maker =
              (n, k) -> {
                boolean permuted = random.nextBoolean();
                int group = new int[] {-1, 8, 16}[random.nextInt(3)];
                boolean asymmetric = random.nextBoolean();
                if (random.nextBoolean()) {
                  return plain(int4(random, n, k, group, asymmetric, permuted), random);
                }
                Tensor codes = integers(random, DType.I8, -128, 127, n, k);
                Tensor order = permuted && group > 0 ? order(random, k, group) : null;
                ScaleGrid grid = grid(random, 8, n, k, group, asymmetric);
                return plain(new Int8Weight(codes, grid, order), random);
              };
          through(
              dir,
              source,
              layers(source.resolve("config.json"), maker, random),
              List.of(WriteFormat.GPTQ, WriteFormat.COMPRESSED_TENSORS, WriteFormat.GPTQ));
        });
  }

  @Property(tries = 3)
  void blocksOfFp8PassBetweenTheTwoThatHoldThem(@ForAll long seed) throws IOException {
    inFolder(
        (dir, source) -> {
          Random random = new Random(seed);
          int height = random.nextInt(2, 40);
          int width = random.nextInt(2, 40);
          LayerMaker maker =
              (n, k) -> {
                Tensor codes = scales(random, n, k).to(DType.F8_E4M3, Arena.ofAuto());
                long rows = ScaleGrid.blocks(n, height);
                long columns = ScaleGrid.blocks(k, width);
                ScaleGrid grid =
                    new ScaleGrid(
                        ScaleGranularity.BLOCK, height, width, scales(random, rows, columns), null);
                return new LinearWeights(
                    new Fp8Weight(codes, grid), null, new ActivationQuant.DynamicFp8Block(width));
              };
          through(
              dir,
              source,
              layers(source.resolve("config.json"), maker, random),
              List.of(WriteFormat.FP8, WriteFormat.COMPRESSED_TENSORS, WriteFormat.FP8));
        });
  }

  private interface InFolder {
    void run(Path dir, Path source) throws IOException;
  }

  private static void inFolder(InFolder body) throws IOException {
    Path dir = Files.createTempDirectory("octet");
    try {
      body.run(dir, source(dir));
    } finally {
      Trees.delete(dir);
    }
  }

  /** FP4 goes from ModelOpt's and compressed-tensors' files to compressed-tensors. */
  @Test
  void aForeignCheckpointOfFp4IsStoredAsCompressedTensorsDid() throws IOException {
    Path model = Shared.path("conformance/ct_nvfp4_a16/model");
    Path out = temp.resolve("out");
    try (Checkpoint read = Checkpoints.open(model);
        var writer = CompressedTensorsWriter.open(out, model, WriteOptions.of(false, false, ""))) {
      ModelLayout.plain(read.config(), p -> writer.addDense(p.name(), read.tensor(p.name())));
      ModelLayout.linears(read.config(), s -> writer.add(s.module(), read.linear(s.module())));
      writer.finish();
      try (Checkpoint again = Checkpoints.open(out)) {
        read.tensors()
            .forEach(
                (key, want) ->
                    assertThat(again.tensor(key).segment().mismatch(want.segment()))
                        .as(key)
                        .isEqualTo(-1));
      }
    }
  }

  @Test
  void whatAFormatCannotHoldIsRefusedBeforeAnythingIsStored() throws IOException {
    Random random = new Random(5);
    Int4Weight weight = int4(random, 32, 32, 8, true, true);
    LinearWeights permuted = new LinearWeights(weight, null, new ActivationQuant.None());
    LinearWeights a8 = new LinearWeights(weight, null, new ActivationQuant.DynamicInt8());
    refused(WriteFormat.AWQ, permuted, "AWQ stores INT4");
    refused(WriteFormat.GPTQ, a8, "int8 token inputs");
    refused(WriteFormat.FP8, permuted, "E4M3 in blocks");
    LinearWeights odd =
        new LinearWeights(int4(random, 31, 32, 8, false, false), null, new ActivationQuant.None());
    refused(WriteFormat.GPTQ, odd, "31 outputs");
    refused(WriteFormat.AWQ, odd, "31 outputs");
    ScaleGrid grid = grid(random, 4, 32, 32, 8, true);
    grid.zeros().orElseThrow().setFloat(3, 8);
    LinearWeights sixteen =
        new LinearWeights(
            new Int4Weight(weight.packed(), 32, grid, null), null, new ActivationQuant.None());
    for (WriteFormat format :
        List.of(WriteFormat.GPTQ, WriteFormat.AWQ, WriteFormat.COMPRESSED_TENSORS)) {
      refused(format, sixteen, "zero point");
    }
  }

  private void refused(WriteFormat format, LinearWeights layer, String reason) throws IOException {
    Path source = source(temp);
    Path out = temp.resolve("refused");
    try (var writer =
        CompressedTensorsWriter.open(out, source, WriteOptions.of(false, false, "r").as(format))) {
      assertThatThrownBy(() -> writer.add("a.q_proj", layer))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("a.q_proj")
          .hasMessageContaining(reason);
      writer.discard();
    }
  }

  @Test
  void awqRefusesGroupsOfTwoSizes() throws IOException {
    Random random = new Random(6);
    Path source = source(temp);
    try (var writer =
        CompressedTensorsWriter.open(
            temp.resolve("x"), source, WriteOptions.of(false, false, "r").as(WriteFormat.AWQ))) {
      writer.add("a", plain(int4(random, 32, 32, 8, false, false), random));
      assertThatThrownBy(
              () -> writer.add("b", plain(int4(random, 32, 32, 16, false, false), random)))
          .hasMessageContaining("groups of 16 beside groups of 8");
    }
  }
}
