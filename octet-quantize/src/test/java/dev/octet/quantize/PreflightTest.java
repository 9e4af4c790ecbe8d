package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.quantize.calibrate.AttentionQuant;
import dev.octet.quantize.calibrate.CalibratedQuantizer;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.calibrate.TinyCheckpoint;
import dev.octet.quantize.method.ActOrder;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantScheme;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a format cannot hold is refused before a weight is looked at, and nothing else is. */
class PreflightTest {
  private static final Rounding IN_ORDER =
      new Rounding.Compensated(new GptqOptions(ActOrder.GROUP, 0.01, Clipping.NONE));

  @TempDir(factory = MemoryFolder.class)
  private Path dir;

  private Path model = Path.of("");

  @BeforeEach
  void write() throws IOException {
    model = TinyCheckpoint.write(dir.resolve("model"), 1);
  }

  /** Every scheme, with and without layers ignored, mixed with others: the store decides alike. */
  static Stream<Arguments> options() {
    List<Arguments> all = new ArrayList<>();
    List<QuantScheme> schemes =
        Stream.concat(
                QuantScheme.names().stream().map(QuantScheme::of),
                Stream.of(
                    QuantScheme.W4A16.withGroup(32),
                    QuantScheme.W4A16_ASYM.withGroup(20),
                    QuantScheme.W4A8.perChannel()))
            .distinct()
            .toList();
    for (QuantScheme scheme : schemes) {
      QuantizeOptions plain = QuantizeOptions.of(scheme);
      all.add(Arguments.of(plain));
      all.add(Arguments.of(plain.ignoring(List.of("*.k_proj"))));
    }
    QuantizeOptions four = QuantizeOptions.of(QuantScheme.W4A16.withGroup(32));
    for (QuantScheme other :
        List.of(QuantScheme.W8A16, QuantScheme.W8A8, QuantScheme.W4A16.withGroup(16))) {
      for (String target : List.of("*.down_proj", "*.v_proj")) {
        all.add(
            Arguments.of(
                four.with(List.of(new QuantizeOptions.LayerRule(List.of(target), other)))));
      }
    }
    return all.stream();
  }

  @ParameterizedTest
  @MethodSource("options")
  void itRefusesWhatTheWriterWouldAndNothingElse(QuantizeOptions options) {
    for (WriteFormat format : WriteFormat.values()) {
      Path out = dir.resolve("out-" + format.label());
      boolean held = true;
      try (var source = Checkpoints.open(model)) {
        held =
            Preflight.problem(source.config(), options, Preflight.Method.ROUNDING, format)
                .isEmpty();
      }
      boolean written = write(options, format, out);
      assertThat(held).as("%s as %s", options, format.label()).isEqualTo(written);
    }
  }

  /** Layer by layer as far as it goes, with nothing asked before. */
  private boolean write(QuantizeOptions asked, WriteFormat format, Path out) {
    QuantizeOptions options = asked.storedAs(format);
    WriteOptions write = WriteOptions.of(true, false, "").as(format);
    try (var source = Checkpoints.open(model);
        var writer = CompressedTensorsWriter.open(out, model, write)) {
      ModelLayout.plain(
          source.config(), plain -> writer.addDense(plain.name(), source.tensor(plain.name())));
      ModelLayout.linears(
          source.config(),
          shape -> {
            var layer = source.linear(shape.module());
            QuantScheme scheme =
                LayerQuantizer.dividing(options.schemeOf(shape.module()), shape.columns());
            writer.add(
                shape.module(),
                options.ignores(shape.module())
                    ? layer
                    : LayerQuantizer.quantize(shape.module(), layer, scheme, Arena.ofAuto()));
          });
      writer.finish();
      return true;
    } catch (CheckpointException e) {
      return false;
    }
  }

  @Test
  void aRefusalNamesTheFormatTheReasonAndFormatsThatCan() {
    assertThatThrownBy(() -> run(QuantizeOptions.of(QuantScheme.W8A8), WriteFormat.GPTQ))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContainingAll(
            "format gptq: model.layers.0.self_attn.q_proj",
            "int8 token inputs",
            "; formats that can hold it: compressed-tensors, ascend");
    QuantizeOptions torn = QuantizeOptions.of(QuantScheme.W8A8).ignoring(List.of("*.k_proj"));
    assertThatThrownBy(() -> run(torn, WriteFormat.ASCEND))
        .hasMessageContainingAll(
            "format ascend", "k_proj is FLOAT", "ignore q_proj, k_proj and v_proj together");
    assertThat(dir).isDirectoryContaining(p -> p.equals(model));
    assertThat(dir.toFile().list()).hasSize(1);
  }

  private void run(QuantizeOptions options, WriteFormat format) {
    CheckpointQuantizer.run(
        model,
        dir.resolve("out"),
        null,
        options,
        WeightRounding.NEAREST,
        WriteOptions.of(false, false, "").as(format),
        (done, total, what) -> {
          throw new IllegalStateException("work was begun");
        });
  }

  /** What methods make of layers counts, too. */
  static Stream<Arguments> recipes() {
    QuantizeOptions w8a8 = QuantizeOptions.of(QuantScheme.W8A8);
    QuantizeOptions int4 = QuantizeOptions.of(QuantScheme.W4A16.withGroup(16));
    Rounding nearest = new Rounding.Nearest();
    return Stream.of(
        Arguments.of(new Recipe(null, IN_ORDER, false, int4), WriteFormat.AWQ, "act-order"),
        Arguments.of(new Recipe(null, IN_ORDER, false, int4), WriteFormat.ASCEND, "act-order"),
        Arguments.of(
            new Recipe(null, nearest, true, QuantizeOptions.of(QuantScheme.FP8_DYNAMIC)),
            WriteFormat.ASCEND,
            "fp8 static"),
        Arguments.of(
            new Recipe(new RotationOptions(0, true), null, IN_ORDER, null, null, int4),
            WriteFormat.GPTQ,
            "turns its input"),
        Arguments.of(
            new Recipe(null, nearest, null, AttentionQuant.FaQuant.USUAL, w8a8),
            WriteFormat.COMPRESSED_TENSORS,
            "written as ascend only"),
        Arguments.of(
            new Recipe(null, nearest, null, AttentionQuant.KvFp8.USUAL, w8a8),
            WriteFormat.ASCEND,
            "INT8 caches"));
  }

  @ParameterizedTest
  @MethodSource("recipes")
  void calibrationIsNotBegunForWhatCannotBeStored(
      Recipe recipe, WriteFormat format, String reason) {
    try (Kernels kernels = Providers.create("vector", 1)) {
      assertThatThrownBy(
              () ->
                  CalibratedQuantizer.run(
                      model,
                      dir.resolve("out"),
                      recipe,
                      TinyCheckpoint.sequences(2, 16),
                      kernels,
                      WriteOptions.of(false, false, "").as(format),
                      (done, total, what) -> {
                        throw new IllegalStateException("work was begun");
                      }))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContainingAll("format " + format.label(), reason);
    }
    assertThat(dir.toFile().list()).hasSize(1);
  }

  /** One group a row has no order of groups; several of INT8 are stored as GPTQ has them. */
  @Test
  void eightBitsInTheOrderOfImportanceAreWritten() throws IOException {
    for (QuantScheme scheme : List.of(QuantScheme.W8A16, QuantScheme.W8A16.withGroup(16))) {
      Path out = dir.resolve("g" + scheme.group());
      Recipe recipe = new Recipe(null, IN_ORDER, false, QuantizeOptions.of(scheme));
      try (Kernels kernels = Providers.create("vector", 1)) {
        CalibratedQuantizer.run(
            model,
            out,
            recipe,
            TinyCheckpoint.sequences(3, 48),
            kernels,
            WriteOptions.of(false, false, "").as(WriteFormat.GPTQ),
            Progress.NONE);
      }
      try (var written = Checkpoints.open(out)) {
        var weight = (Int8Weight) written.linear("model.layers.1.mlp.down_proj").weight();
        assertThat(weight.permutation() != null).isEqualTo(scheme.group() > 0);
      }
      String settings = Files.readString(out.resolve("quantize_config.json"));
      assertThat(settings.replaceAll("\\s", "")).contains("\"desc_act\":" + (scheme.group() > 0));
    }
  }
}
