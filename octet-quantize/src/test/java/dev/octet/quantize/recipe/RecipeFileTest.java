package dev.octet.quantize.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.quantize.GgufTarget;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizeOptions.LayerRule;
import dev.octet.quantize.calibrate.AttentionQuant;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.method.ActOrder;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.HqqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.QuantScheme;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class RecipeFileTest {
  @TempDir private Path dir;

  private static RecipeFile parse(String yaml) {
    return (RecipeFile) document(yaml);
  }

  private static RecipeDocument document(String yaml) {
    return RecipeDocument.parse("r.yaml", yaml, Path.of("/folder/r.yaml"));
  }

  /** A type alone is rounded as GGUF does, with anything besides as methods do. */
  @Test
  void ggufIsAFormatWithTypesOfItsOwn() {
    RecipeDocument own = document("scheme: q4_k\nignore: [\"*.down_proj\"]\nformat: GGUF\n");
    assertThat(own).isEqualTo(new GgufRecipe(GgufType.Q4_K, List.of("*.down_proj")));
    assertThat(document(own.toYaml())).isEqualTo(own);
    assertThat(own.steps()).first().asString().contains("q4_k");

    RecipeFile stepping =
        parse(
            """
            scheme: q4_0
            group-size: 64
            ignore: ["*.o_proj"]
            steps: [gptq]
            layers: [{targets: ["*.down_proj"], scheme: q8_0}]
            format: gguf
            """);
    QuantScheme four = GgufTarget.named("q4_0", 64).scheme();
    QuantScheme eight = GgufTarget.named("q8_0", 0).scheme();
    Recipe recipe =
        new Recipe(
            null,
            new Rounding.Compensated(GptqOptions.DEFAULT),
            false,
            QuantizeOptions.of(four)
                .ignoring(List.of("*.o_proj"))
                .with(List.of(new LayerRule(List.of("*.down_proj"), eight))));
    assertThat(stepping).isEqualTo(RecipeFile.ofGguf(recipe, CalibrationData.USUAL, GgufType.Q4_0));
    assertThat(stepping.target()).isEqualTo(GgufTarget.named("q4_0", 64));
    assertThat(stepping.ignoredLayers()).containsExactly("*.o_proj");
    assertThat(document(stepping.toYaml())).isEqualTo(stepping);
  }

  @Test
  void aTextThatNoStepLooksAtIsNotWritten() {
    RecipeFile rounded =
        parse("scheme: w8a8\nsteps: [rotation, hqq]\n".replace("w8a8", "w4a16-asym"));
    assertThat(rounded.toYaml()).doesNotContain("calibration");
    assertThat(document(rounded.toYaml())).isEqualTo(rounded);
    assertThat(parse("scheme: w8a8\nsteps: [gptq]\ncalibration: {samples: 3}\n").toYaml())
        .contains("calibration:\n  samples: 3");
  }

  @Test
  void theOutputLayerHasAKeyOfItsOwn() {
    QuantizeOptions options = parse("scheme: w4a16\nlm-head: w8a16\n").recipe().options();
    assertThat(options)
        .isEqualTo(QuantizeOptions.of(QuantScheme.W4A16).withHead(QuantScheme.W8A16));
    assertThat(options.ignores("lm_head")).isFalse();
    assertThat(options.schemeOf("lm_head")).isEqualTo(QuantScheme.W8A16);
    assertThat(options.schemeOf("model.layers.0.mlp.up_proj")).isEqualTo(QuantScheme.W4A16);
    RecipeFile file = parse("scheme: w4a16\nlm-head: w8a16\n");
    assertThat(parse(file.toYaml())).isEqualTo(file);
    assertThatThrownBy(() -> parse("scheme: w4a16\nlm-head: w8a16\nignore: [\"*\"]\n"))
        .hasMessageContaining("lm-head: lm_head is to be w8a16 and ignored (*)");
  }

  @Test
  void everythingThatCanBeSaidIsRead() {
    RecipeFile file =
        parse(
            """
            # all of it
            scheme: w4a8
            group-size: 64
            ignore: [lm_head, "*.o_proj"]
            steps:
              - smoothquant: {alpha: 0.75}
              - gptq:
                  act-order: group
                  damping: 0.05
                  clip: 99.5
              - static-inputs: {observer: percentile:99.9}
              - c8: {observer: "running:0.1", offsets: true}
            layers:
              - targets: ["model.layers.0.*", "re:.*down_proj$"]
                scheme: w8a8
            calibration: {text: texts/book.txt, samples: 8, length: 64, seed: 3}
            format: ascend
            """);
    QuantizeOptions options =
        new QuantizeOptions(QuantScheme.W4A8.withGroup(64), List.of("lm_head", "*.o_proj"))
            .with(
                List.of(
                    new LayerRule(
                        List.of("model.layers.0.*", "re:.*down_proj$"), QuantScheme.W8A8)));
    Recipe recipe =
        new Recipe(
            new Smoothing.SmoothQuant(0.75),
            new Rounding.Compensated(
                new GptqOptions(ActOrder.GROUP, 0.05, Clipping.ofPercentile(99.5))),
            ObserverSpec.of("percentile:99.9"),
            new AttentionQuant.C8(ObserverSpec.of("running:0.1"), true),
            options);
    CalibrationData data = new CalibrationData(Path.of("/folder/texts/book.txt"), 8, 64, 3);
    assertThat(file).isEqualTo(new RecipeFile(recipe, data, WriteFormat.ASCEND));
  }

  @Test
  void whatIsNotSaidIsUsual() {
    RecipeFile file = parse("scheme: w4a16\nsteps: [awq, kv-fp8]\n");
    assertThat(file.recipe().rounding()).isEqualTo(new Rounding.Clipped(Clipping.SEARCH));
    assertThat(file.recipe().attention()).isEqualTo(AttentionQuant.KvFp8.USUAL);
    assertThat(file.recipe().options()).isEqualTo(QuantizeOptions.of(QuantScheme.W4A16));
    assertThat(file.calibration()).isEqualTo(CalibrationData.USUAL);
    assertThat(file.format()).isEqualTo(WriteFormat.COMPRESSED_TENSORS);
    assertThat(parse("scheme: w8a8").recipe().calibrates()).isFalse();
  }

  static Stream<RecipeFile> recipes() {
    List<RecipeFile> all = new ArrayList<>();
    List<WriteFormat> formats =
        List.of(
            WriteFormat.COMPRESSED_TENSORS,
            WriteFormat.GPTQ,
            WriteFormat.AWQ,
            WriteFormat.FP8,
            WriteFormat.ASCEND);
    List<Rounding> roundings =
        List.of(
            new Rounding.Nearest(),
            new Rounding.Clipped(Clipping.SEARCH),
            new Rounding.Clipped(Clipping.ofPercentile(99.75)),
            new Rounding.Compensated(GptqOptions.DEFAULT),
            new Rounding.HalfQuadratic(new HqqOptions(5, 0.5, 3, 1.5)));
    AttentionQuant[] attentions = {
      null,
      new AttentionQuant.FaQuant(99.9, 99.99, 100),
      new AttentionQuant.C8(ObserverSpec.of("entropy"), true),
      new AttentionQuant.KvFp8(true, ObserverSpec.of("window:99.5")),
      AttentionQuant.KvFp8.USUAL
    };
    Smoothing[] smoothings = {
      null,
      new Smoothing.Awq(),
      new Smoothing.SmoothQuant(Double.NaN),
      new Smoothing.SmoothQuant(0.3),
      null
    };
    for (int i = 0; i < roundings.size(); i++) {
      QuantScheme scheme = i == 4 ? QuantScheme.W4A16_ASYM.withGroup(32) : QuantScheme.W8A8;
      QuantizeOptions options =
          new QuantizeOptions(scheme, List.of("lm_head", "*.\"o\\dd\" name", "null", "a: b #c"))
              .with(i < 3 ? List.of() : List.of(new LayerRule(List.of("*"), QuantScheme.FP8)));
      Recipe recipe =
          new Recipe(
              i >= 3 ? new RotationOptions(7, i == 3) : null,
              smoothings[i],
              roundings.get(i),
              i == 1 ? ObserverSpec.of("mse") : null,
              attentions[i],
              options);
      Path text = i % 2 == 0 ? null : Path.of("/a folder/ä: text.txt");
      CalibrationData data =
          recipe.calibrates() ? new CalibrationData(text, 1 + i, 2 + i, -i) : CalibrationData.USUAL;
      all.add(new RecipeFile(recipe, data, formats.get(i)));
    }
    return all.stream();
  }

  @ParameterizedTest
  @MethodSource("recipes")
  void whatIsWrittenReadsTheSame(RecipeFile recipe) throws IOException {
    Path file = dir.resolve("recipe.yaml");
    Files.writeString(file, recipe.toYaml());
    assertThat(RecipeDocument.read(file)).isEqualTo(recipe);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          schema: w8a8                               | line 1: unknown key 'schema' of the recipe; known are scheme, group-size
          steps: []                                  | a scheme is missing
          scheme: w3a3                               | line 1: scheme: unknown quantization 'w3a3'; choose one of w8a8
          scheme: "w3;;a3"                           | line 1: scheme: unknown quantization 'w3 a3'; choose one of w8a8
          scheme: w8a8;steps: ["s;;pin"]             | line 2: unknown step 's pin'
          scheme: [w8a8]                             | 'scheme' must be a single value
          scheme:                                    | 'scheme' has no value
          scheme: w8a8;group-size: 64                | line 2: group-size: w8a8 has no groups
          scheme: w4a16;group-size: many             | line 2: group-size: 'many' is no number
          scheme: w4a16;group-size: 0                | line 2: group-size: must be from 1
          scheme: w8a8;scheme: fp8                   | uplicate
          scheme: w8a8;ignore: "re:("                | line 2: ignore: 're:(' is no regular expression
          scheme: w8a8;ignore: [*.down_proj]         | line 2
          scheme: w8a8;steps: [spin]                 | line 2: unknown step 'spin'; known are rotation, smoothquant, awq
          scheme: w8a8;steps:;  - awq: {alpha: 1}    | line 3: awq takes no options, not 'alpha'
          scheme: w8a8;steps:;  - gptq: {damp: 1}    | line 3: unknown key 'damp' of gptq; known are act-order, damping, clip
          scheme: w8a8;steps:;  - gptq: {damping: 2} | line 3: damping must be in (0, 1]
          scheme: w8a8;steps:;  - gptq: {damping: NaN} | damping: must be finite
          scheme: w8a8;steps:;  - gptq: {act-order: up} | choose one of none, static, group
          scheme: w8a8;steps:;  - smoothquant: {alpha: 2} | line 3: alpha: 2: a number from 0 to 1, or auto
          scheme: w8a8;steps: [gptq, smoothquant]    | smoothquant comes too late
          scheme: w8a8;steps: [awq, rotation]           | rotation comes too late
          scheme: w8a8;steps: [gptq, rtn]            | rtn comes too late or twice
          scheme: w8a8;steps: [[gptq]]               | a step is a name
          scheme: w8a8;steps: [hqq]                  | line 2: hqq: chooses zero points, which w8a8 has none of; use w4a16-asym
          scheme: fp8;steps:;  - awq                 | line 3: clip: is for integer codes, fp8 has
          scheme: w4a16;steps: [static-inputs]       | line 2: static-inputs: inputs of w4a16 are a16, which has no static form
          scheme: fp8;steps: [gptq]                  | line 2: gptq: is for integer codes, fp8 has
          scheme: w8a8;steps:;  - kv-fp8: {scales: channel} | must be tensor or head
          scheme: w8a8;steps:;  - faquant: {key: 0}  | (0, 100]
          scheme: w8a8;steps:;  - c8: {offsets: yes} | must be true or false
          scheme: w8a8;steps:;  - c8: {observer: max}| unknown observer 'max'
          scheme: w8a8;layers: [{scheme: fp8}]       | targets are missing
          scheme: w8a8;layers: [fp8]                 | a rule must have keys: targets, scheme
          scheme: w8a8;steps: [gptq];calibration: {samples: 0} | samples: must be from 1
          scheme: w8a8;steps: [gptq];calibration: book.txt | calibration must have keys
          scheme: w8a8;format: exl2                  | format: unknown format 'exl2'
          scheme: w8a8;format: gguf                  | line 1: scheme: 'w8a8' is not written as GGUF with steps; choose one of q8_0, q4_1
          scheme: q4_k;steps: [gptq];format: gguf    | line 1: scheme: 'q4_k' is not written as GGUF with steps
          scheme: q4_0;group-size: 48;format: gguf   | line 1: scheme: GGUF has blocks of 32
          scheme: q4_0;lm-head: w8a16;format: gguf   | line 2: lm-head: a GGUF's output layer has its own rule
          scheme: w8a8;lm-head: w8a16;ignore: ["lm_*"] | line 2: lm-head: lm_head is to be w8a16 and ignored (lm_*)
          scheme: q4_0;steps: [kv-fp8];format: gguf  | line 2: kv-fp8: GGUF holds no scales of attention
          scheme: w8a8;calibration: {samples: 4}     | line 2: calibration: no step looks at a text; smoothquant, awq
          scheme: w8a8;steps: [rtn];calibration: {}  | line 3: calibration: no step looks at a text
          scheme: !x w8a8                            | tags
          scheme: &a w8a8;format: *a                 | alias
          scheme: {                                  | not valid YAML
          w8a8                                       | the recipe must have keys
          scheme: w8a8;---;scheme: fp8               | one
          """)
  void whatIsWrongIsNamedWithItsLine(String yaml, String message) {
    assertThatThrownBy(() -> parse(yaml.replace(';', '\n') + "\n"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("r.yaml: ")
        .hasMessageContaining(message)
        .satisfies(e -> assertThat(String.valueOf(e.getMessage()).lines()).hasSize(1));
  }

  @Test
  void whatIsNoFileIsRefused() throws IOException {
    assertThatThrownBy(() -> RecipeDocument.read(dir)).hasMessageContaining("not a regular file");
    assertThatThrownBy(() -> RecipeDocument.read(dir.resolve("none")))
        .hasMessageContaining("no such");
    Path empty = Files.writeString(dir.resolve("empty"), "# nothing\n");
    assertThatThrownBy(() -> RecipeDocument.read(empty)).hasMessageContaining("is empty");
    Path bytes = Files.write(dir.resolve("bytes"), new byte[] {(byte) 0xC3, 0x28});
    assertThatThrownBy(() -> RecipeDocument.read(bytes)).hasMessageContaining("UTF-8");
  }
}
