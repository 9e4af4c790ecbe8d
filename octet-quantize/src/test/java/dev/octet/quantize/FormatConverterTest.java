package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigs;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.PlainForm;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class FormatConverterTest {
  private static final String CONFIG =
      """
      {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64,
       "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32,
       "num_key_value_heads": 1, "vocab_size": 8, "max_position_embeddings": 64,
       "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
      """;
  private static final List<String> FORMATS =
      List.of("compressed-tensors", "gptq", "awq", "fp8", "ascend", "gguf");
  private static final ConvertOptions AS_IS = new ConvertOptions(false, null, false, false);

  @TempDir(factory = MemoryFolder.class)
  Path dir;

  private static Path place(Path dir, String name, String format) {
    return dir.resolve(format.equals("gguf") ? name + ".gguf" : name);
  }

  private static void convert(Path in, Path out, String format, ConvertOptions options) {
    if (format.equals("gguf")) {
      GgufQuantizer.convert(in, out, options, Progress.NONE);
    } else {
      FormatConverter.run(in, out, WriteFormat.of(format), options, Progress.NONE);
    }
  }

  /** A model of one layer in which all linear layers are of one form. */
  private Map<String, LinearWeights> layers(Form form) {
    Random random = new Random(form.name().hashCode());
    Map<String, LinearWeights> layers = new TreeMap<>();
    ModelLayout.linears(
        config(),
        shape -> layers.put(shape.module(), form.layer(random, shape.rows(), shape.columns())));
    Tensor head = Tensor.allocate(Arena.ofAuto(), DType.BF16, 8, 64);
    layers.put(
        ModelLayout.LM_HEAD,
        new LinearWeights(new DenseWeight(head), null, new ActivationQuant.None()));
    return layers;
  }

  private ModelConfig config() {
    return ModelConfigs.read(source().resolve("config.json"));
  }

  private Path source() {
    try {
      Path source = Files.createDirectories(dir.resolve("source"));
      Files.writeString(source.resolve("config.json"), CONFIG);
      Files.writeString(source.resolve("tokenizer.json"), "{\"model\": {\"type\": \"none\"}}");
      Files.writeString(source.resolve("quantize_config.json"), "{\"stale\": true}");
      return source;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void write(Map<String, LinearWeights> layers, Path out, String format) {
    boolean widened = // one scale for all becomes one a row, which is the converter's to do
        layers.values().stream()
                .anyMatch(
                    l ->
                        l.weight() instanceof Int8Weight w
                            && w.grid().granularity() == ScaleGranularity.TENSOR)
            && !format.equals("compressed-tensors");
    if (format.equals("gguf") || widened) {
      Path first = dir.resolve("first");
      if (!Files.exists(first)) {
        write(layers, first, "compressed-tensors");
      }
      convert(first, out, format, AS_IS);
      return;
    }
    WriteOptions options = WriteOptions.of(false, false, "r").as(WriteFormat.of(format));
    try (var writer = CompressedTensorsWriter.open(out, source(), options)) {
      ModelLayout.plain(
          config(),
          p -> {
            long[] shape = p.shape().stream().mapToLong(d -> d).toArray();
            writer.addDense(p.name(), Tensor.allocate(Arena.ofAuto(), DType.BF16, shape));
          });
      layers.forEach(writer::add);
      writer.finish();
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void everyFormPassesToAllFormatsThatHoldItAndBackAndIsRefusedByTheOthers(Form form) {
    pairs(form, from -> from.equals("compressed-tensors") ? FORMATS : FORMATS.subList(0, 1));
  }

  @Tag("slow")
  @ParameterizedTest
  @EnumSource(Form.class)
  void everyFormPassesBetweenAllFormatsThatHoldIt(Form form) {
    pairs(form, _ -> FORMATS);
  }

  private void pairs(Form form, Function<String, List<String>> targets) {
    Map<String, LinearWeights> layers = layers(form);
    for (String from : form.holders()) {
      Path in = place(dir, "in-" + from, from);
      write(layers, in, from);
      requireSame(in, layers, form + " in " + from);
      for (String to : targets.apply(from)) {
        Path out = place(dir, from + "-" + to, to);
        String what = form + " from " + from + " to " + to;
        if (from.equals("gguf") && to.equals("gguf")) {
          continue;
        }
        if (form.holders().contains(to)) {
          convert(in, out, to, AS_IS);
          requireSame(out, layers, what);
        } else if (form != Form.INT4_FINE_ZERO_POINTS) {
          assertThatThrownBy(() -> convert(in, out, to, AS_IS))
              .as(what)
              .isInstanceOf(CheckpointException.class)
              .hasMessageStartingWith("model.layers.0.");
          assertThat(out).as(what).doesNotExist();
          assertThat(dir.resolve(out.getFileName() + ".partial")).as(what).doesNotExist();
        }
      }
    }
  }

  /** Zero points whose minima F16 cannot hold take five bits. */
  @Test
  void fineZeroPointsKeepTheirValuesInQ5() {
    Map<String, LinearWeights> layers = layers(Form.INT4_FINE_ZERO_POINTS);
    write(layers, dir.resolve("in"), "gptq");
    Path file = dir.resolve("m.gguf");
    GgufQuantizer.Outcome outcome =
        GgufQuantizer.convert(dir.resolve("in"), file, AS_IS, Progress.NONE);
    assertThat(outcome.tensors().keySet().toString()).contains("Q5_0").doesNotContain("Q4_1");
    try (Checkpoint got = Checkpoints.open(file)) {
      layers.forEach((module, want) -> requireValues(got.linear(module).weight(), want, module));
    }
  }

  private static void requireSame(Path model, Map<String, LinearWeights> layers, String what) {
    try (Checkpoint got = Checkpoints.open(model)) {
      layers.forEach((module, want) -> requireSame(got.linear(module), want, what + ", " + module));
    }
  }

  private static void requireSame(LinearWeights stored, LinearWeights want, String what) {
    LinearWeights got = PlainForm.of(stored);
    assertThat(got.weight().getClass()).as(what).isEqualTo(want.weight().getClass());
    assertThat(got.activation()).as(what).isEqualTo(want.activation());
    requireValues(got.weight(), want, what);
    if (want.weight() instanceof Int4Weight || want.weight() instanceof Int8Weight) {
      requireParts(got.weight(), want.weight(), what);
    }
    assertThat(floats(got.bias())).as(what).isEqualTo(floats(want.bias()));
    assertThat(floats(got.inputScale())).as(what).isEqualTo(floats(want.inputScale()));
  }

  private static float @Nullable [] floats(@Nullable Tensor tensor) {
    return tensor == null ? null : tensor.toFloats();
  }

  private static void requireValues(QuantizedWeight got, LinearWeights want, String what) {
    float[] one = new float[(int) got.columns()];
    float[] two = new float[one.length];
    assertThat(got.rows()).as(what).isEqualTo(want.weight().rows());
    for (long r = 0; r < got.rows(); r++) {
      got.dequantizeRow(r, one);
      want.weight().dequantizeRow(r, two);
      for (int c = 0; c < one.length; c++) {
        if (one[c] != two[c]) {
          assertThat(one[c]).as("%s [%d, %d]", what, r, c).isEqualTo(two[c]);
        }
      }
    }
  }

  /** Code, scale and zero point of every weight, however groups are cut. */
  private static void requireParts(QuantizedWeight got, QuantizedWeight want, String what) {
    for (long r = 0; r < want.rows(); r++) {
      for (long c = 0; c < want.columns(); c++) {
        String place = what;
        if (!part(got, r, c).equals(part(want, r, c))) {
          place = "%s [%d, %d]".formatted(what, r, c);
        }
        assertThat(part(got, r, c)).as(place).isEqualTo(part(want, r, c));
      }
    }
  }

  private record Part(int code, float scale, int zero) {}

  private static Part part(QuantizedWeight weight, long row, long input) {
    Tensor order = weight.permutation();
    long column = input;
    if (order != null) {
      column = 0;
      while (order.getLong(column) != input) {
        column++;
      }
    }
    ScaleGrid grid = weight instanceof Int4Weight w ? w.grid() : ((Int8Weight) weight).grid();
    int code =
        weight instanceof Int4Weight w
            ? w.code(row, column)
            : ((Int8Weight) weight)
                .codes()
                .segment()
                .get(ValueLayout.JAVA_BYTE, row * weight.columns() + column);
    return new Part(code, grid.scale(row, column), grid.zeroPoint(row, column));
  }

  @Test
  void whatIsSaidOfInputsIsLeftOutOnlyWhenAsked() {
    Map<String, LinearWeights> layers = layers(Form.INT8_DYNAMIC_INPUTS);
    Path in = dir.resolve("in");
    write(layers, in, "ascend");
    assertThatThrownBy(() -> convert(in, dir.resolve("out"), "gptq", AS_IS))
        .hasMessageContaining("q_proj")
        .hasMessageContaining("int8 token inputs")
        .hasMessageContaining("--weights-only");
    FormatConverter.run(
        in,
        dir.resolve("out"),
        WriteFormat.GPTQ,
        new ConvertOptions(true, null, false, false),
        Progress.NONE);
    try (Checkpoint got = Checkpoints.open(dir.resolve("out"))) {
      layers.forEach((module, want) -> requireValues(got.linear(module).weight(), want, module));
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void denseHoldsWhatTheCodesStandFor(Form form) {
    Map<String, LinearWeights> layers = layers(form);
    Path in = dir.resolve("in");
    write(layers, in, "compressed-tensors");
    for (DType type : List.of(DType.F32, DType.BF16)) {
      Path out = dir.resolve("dense-" + type);
      FormatConverter.run(
          in, out, WriteFormat.DENSE, new ConvertOptions(false, type, false, false), Progress.NONE);
      try (Checkpoint got = Checkpoints.open(out)) {
        assertThat(got.format()).isEqualTo("dense");
        assertThat(got.config().dtype()).isEqualTo(type);
        layers.forEach((module, want) -> requireRounded(got.linear(module), want, type, module));
      }
      assertThat(out.resolve("tokenizer.json")).exists();
      assertThat(out.resolve("quantize_config.json")).doesNotExist();
    }
  }

  private static void requireRounded(
      LinearWeights got, LinearWeights want, DType type, String what) {
    float[] one = new float[(int) want.weight().columns()];
    float[] two = new float[one.length];
    for (long r = 0; r < want.weight().rows(); r++) {
      got.weight().dequantizeRow(r, one);
      want.weight().dequantizeRow(r, two);
      Tensor rounded = Tensor.ofFloats(two, two.length).to(type, Arena.ofAuto());
      assertThat(one).as("%s row %d", what, r).isEqualTo(rounded.toFloats());
    }
  }

  @Test
  void anInterruptedConversionGoesOn() {
    Map<String, LinearWeights> layers = layers(Form.INT4_GROUPS);
    Path in = dir.resolve("in");
    Path out = dir.resolve("out");
    write(layers, in, "awq");
    assertThatThrownBy(
            () ->
                FormatConverter.run(
                    in,
                    out,
                    WriteFormat.GPTQ,
                    AS_IS,
                    (done, _, _) -> {
                      if (done == 5) {
                        throw new IllegalStateException("pulled");
                      }
                    }))
        .hasMessage("pulled");
    assertThat(out).doesNotExist();
    FormatConverter.run(
        in, out, WriteFormat.GPTQ, new ConvertOptions(false, null, false, true), Progress.NONE);
    requireSame(out, layers, "resumed");
  }

  @Test
  void unquantizedModelsAndTypesOfOtherFormatsAreRefused() {
    Map<String, LinearWeights> layers = layers(Form.INT4_GROUPS);
    Path in = dir.resolve("in");
    write(layers, in, "awq");
    Path dense = dir.resolve("dense");
    convert(in, dense, "dense", AS_IS);
    assertThatThrownBy(() -> convert(dense, dir.resolve("x"), "gptq", AS_IS))
        .hasMessageContaining("is not quantized");
    ConvertOptions f32 = new ConvertOptions(false, DType.F32, false, false);
    assertThatThrownBy(() -> convert(in, dir.resolve("x"), "gptq", f32))
        .hasMessageContaining("only a dense");
    assertThatThrownBy(() -> convert(in, dense, "dense", AS_IS)).hasMessageContaining("--force");
  }

  static Stream<Path> conformance() throws IOException {
    try (Stream<Path> cases = Files.list(Shared.path("conformance"))) {
      return cases
          .map(c -> c.resolve("model"))
          .filter(Files::exists)
          .filter(FormatConverterTest::opens)
          .sorted()
          .toList()
          .stream();
    }
  }

  private static boolean opens(Path model) {
    try (Checkpoint open = Checkpoints.open(model)) {
      return !open.format().equals("dense");
    } catch (CheckpointException e) {
      return false;
    }
  }

  /** Published layouts, through every format there and back, or refused by name. */
  @ParameterizedTest
  @MethodSource("conformance")
  void publishedCheckpointsKeepEveryValueOrAreRefused(Path model) {
    Map<String, LinearWeights> layers = new TreeMap<>();
    try (Checkpoint read = Checkpoints.open(model)) {
      ModelLayout.linears(
          read.config(), s -> layers.put(s.module(), PlainForm.of(read.linear(s.module()))));
      int held = 0;
      for (String to : FORMATS) {
        Path out = place(dir, "to-" + to, to);
        if (!converts(model, out, to)) {
          continue;
        }
        held++;
        requireKept(out, layers, to);
        Path back = dir.resolve("back-" + to);
        if (converts(out, back, "compressed-tensors")) {
          requireKept(back, layers, to + " and back");
        }
      }
      boolean offsets = model.toString().contains("gguf_q4_k"); // held by nothing but GGUF
      boolean dense = model.toString().contains("gguf_f16");
      assertThat(held).as(model.toString()).isEqualTo(offsets || dense ? 0 : Math.max(1, held));
    }
  }

  /** As it is, or without its cache's scales where only they are in the way. */
  private static boolean converts(Path model, Path out, String to) {
    try {
      convert(model, out, to, AS_IS);
      return true;
    } catch (CheckpointException e) {
      assertThat(e.getMessage()).as(to).isNotBlank().doesNotContain("\n");
      assertThat(out).doesNotExist();
      if (!String.valueOf(e.getMessage()).contains("--weights-only leaves")) {
        return false;
      }
    }
    try {
      convert(model, out, to, new ConvertOptions(true, null, false, false));
      return true;
    } catch (CheckpointException e) {
      return false;
    }
  }

  private static void requireKept(Path model, Map<String, LinearWeights> layers, String what) {
    try (Checkpoint got = Checkpoints.open(model)) {
      layers.forEach(
          (module, want) -> {
            LinearWeights layer = PlainForm.of(got.linear(module));
            requireValues(layer.weight(), want, what + " " + module);
            if (layer.activation().quantizes()) {
              assertThat(layer.activation()).as(what).isEqualTo(want.activation());
            }
          });
    }
  }
}
