package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.tensor.DenseWeight;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufCommandsTest {
  @TempDir Path dir;

  private CliRun quantize(Path out, String... more) {
    return CliRun.of(
        Stream.concat(
                Stream.of("quantize", "--out", out.toString(), "--format", "gguf"), Stream.of(more))
            .toArray(String[]::new));
  }

  private List<String> left() throws IOException {
    try (Stream<Path> files = Files.list(dir)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  /** The bundled model as one file says what it says as a directory. */
  @Test
  void aFileAloneGeneratesTheTextOfItsModel() throws IOException {
    Path file = dir.resolve("m.gguf");
    CliRun made = quantize(file, "--scheme", "bf16");
    assertThat(made.status()).as(made.err()).isZero();
    assertThat(made.out()).contains("36 BF16, 11 F32");
    assertThat(left()).containsExactly("m.gguf");
    String[] ask = {
      "generate", "--prompt", "Once upon a time", "--max-tokens", "12", "--temperature", "0"
    };
    CliRun want = CliRun.of(ask);
    CliRun got =
        CliRun.of(
            Stream.concat(Stream.of(ask), Stream.of("--model", file.toString()))
                .toArray(String[]::new));
    assertThat(got.status()).as(got.err()).isZero();
    assertThat(got.out()).isEqualTo(want.out());
  }

  @Test
  void aFileThatIsThereIsReplacedOnlyWhenAsked() throws IOException {
    Path file = Files.writeString(dir.resolve("m.gguf"), "mine");
    CliRun refused = quantize(file, "--scheme", "q4_k");
    assertThat(refused.status()).isEqualTo(2);
    assertThat(refused.err()).contains("exists already", "--force");
    assertThat(Files.readString(file)).isEqualTo("mine");
    CliRun made = quantize(file, "--scheme", "q4_k", "--force");
    assertThat(made.status()).as(made.err()).isZero();
    assertThat(made.out()).contains("35 Q4_K", "1 Q6_K");
    assertThat(left()).containsExactly("m.gguf");
    CliRun again =
        CliRun.of(
            "quantize",
            "--model",
            file.toString(),
            "--out",
            dir.resolve("n.gguf").toString(),
            "--format",
            "gguf",
            "--scheme",
            "q4_0");
    assertThat(again.status()).isEqualTo(2);
    assertThat(again.err()).contains("quantize the original");
  }

  /** What a method made of the layers is in the file; the directory it grew in is gone. */
  @Test
  void methodsWriteTheBlocksThatHoldTheirResult() throws IOException {
    Path text =
        Files.writeString(dir.resolve("text.txt"), "Once upon a time there was a fox. ".repeat(40));
    for (String[] each :
        new String[][] {
          {"q4_0", "30 Q4_0"}, {"q4_1", "30 Q4_1"}, {"q8_0", "31 Q8_0"},
        }) {
      Path file = dir.resolve(each[0] + ".gguf");
      CliRun made =
          quantize(
              file,
              "--scheme",
              each[0],
              "--method",
              "gptq",
              "--calibration",
              text.toString(),
              "--samples",
              "4",
              "--sample-length",
              "64",
              "--ignore",
              "*.down_proj");
      assertThat(made.status()).as(made.err()).isZero();
      assertThat(made.out()).contains(each[1], "instead of 9.5 MiB");
      try (Checkpoint read = Checkpoints.open(file)) {
        assertThat(read.linear("model.layers.0.mlp.down_proj").weight())
            .isInstanceOf(DenseWeight.class);
      }
    }
    assertThat(left()).containsExactly("q4_0.gguf", "q4_1.gguf", "q8_0.gguf", "text.txt");
  }

  /** A file of 16-bit weights is an original: what is made of it is what its directory gives. */
  @Test
  void anUnquantizedFileIsQuantizedAsItsDirectoryIs() throws IOException {
    Path file = dir.resolve("m.gguf");
    assertThat(quantize(file, "--scheme", "bf16").status()).isZero();
    String[] calibrated = {
      "--scheme",
      "w4a16",
      "--group-size",
      "32",
      "--method",
      "gptq",
      "--samples",
      "2",
      "--sample-length",
      "64"
    };
    for (String[] how : new String[][] {{"--scheme", "w8a8"}, calibrated}) {
      Path got = dir.resolve("of-file" + how.length);
      Path want = dir.resolve("of-directory" + how.length);
      CliRun made = run(how, "quantize", "--model", file.toString(), "--out", got.toString());
      assertThat(made.status()).as(made.err()).isZero();
      assertThat(run(how, "quantize", "--out", want.toString()).status()).isZero();
      assertThat(got.resolve("tokenizer.json")).exists();
      try (Checkpoint a = Checkpoints.open(got);
          Checkpoint b = Checkpoints.open(want)) {
        for (String module : List.of("self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj")) {
          assertThat(row(a, "model.layers.2." + module))
              .containsExactly(row(b, "model.layers.2." + module));
        }
      }
    }
    Path small = dir.resolve("small.gguf");
    CliRun again = run(new String[] {"--model", file.toString()}, quantizeTo(small, "q4_k"));
    assertThat(again.status()).as(again.err()).isZero();
    Path direct = dir.resolve("direct.gguf");
    assertThat(quantize(direct, "--scheme", "q4_k").status()).isZero();
    String[] ask = {"generate", "--prompt", "Once upon a time", "--max-tokens", "8"};
    CliRun said = run(new String[] {"--model", small.toString(), "--temperature", "0"}, ask);
    assertThat(said.status()).as(said.err()).isZero();
    assertThat(said.out())
        .isEqualTo(
            run(new String[] {"--model", direct.toString(), "--temperature", "0"}, ask).out());
    CliRun held =
        run(
            new String[] {"--force"},
            "quantize",
            "--model",
            file.toString(),
            "--scheme",
            "w8a8",
            "--out",
            dir.toString());
    assertThat(held.status()).isEqualTo(2);
    assertThat(held.err()).contains("is the source or holds it");
  }

  private static String[] quantizeTo(Path out, String scheme) {
    return new String[] {
      "quantize", "--out", out.toString(), "--format", "gguf", "--scheme", scheme
    };
  }

  private static CliRun run(String[] more, String... begin) {
    return CliRun.of(Stream.concat(Stream.of(begin), Stream.of(more)).toArray(String[]::new));
  }

  private static float[] row(Checkpoint checkpoint, String module) {
    var weight = checkpoint.linear(module).weight();
    float[] row = new float[Math.toIntExact(weight.columns())];
    weight.dequantizeRow(5, row);
    return row;
  }

  @Test
  void whatGgufDoesNotHaveIsRefused() {
    Path file = dir.resolve("m.gguf");
    assertThat(quantize(file, "--scheme", "w8a8").err())
        .isEqualToIgnoringNewLines(
            "octet: --scheme: 'w8a8' is not written as GGUF; choose one of f32, bf16, f16, q8_0,"
                + " q6_k, q4_k, q4_0, q4_1, w8a16, w4a16, w4a16-asym");
    assertThat(quantize(file, "--scheme", "q6_k", "--group-size", "64").err())
        .isEqualToIgnoringNewLines(
            "octet: --scheme: 'q6_k' is not written as GGUF with --group-size; choose one of q8_0,"
                + " q4_1, q4_0, w8a16, w4a16, w4a16-asym");
    assertThat(quantize(file, "--scheme", "q4_0", "--method", "c8").err())
        .contains("GGUF holds no scales of attention");
    assertThat(
            quantize(file, "--scheme", "w4a16", "--method", "gptq", "--act-order", "group").err())
        .contains("act-order", "which GGUF cannot hold");
    assertThat(quantize(file, "--scheme", "w4a16", "--group-size", "48").err())
        .contains("blocks of 32", "48");
    assertThat(quantize(file, "--scheme", "q4_k", "--method", "gptq").err())
        .contains("with --method", "q4_1");
    assertThat(quantize(dir, "--scheme", "q4_0").err()).contains("ends in .gguf");
    CliRun folder = CliRun.of("quantize", "--out", file.toString(), "--scheme", "w4a16");
    assertThat(folder.status()).isEqualTo(2);
    assertThat(folder.err())
        .contains("m.gguf: a directory is written in this format; --format gguf");
    assertThat(file).doesNotExist();
    CliRun unknown = CliRun.of("quantize", "--out", "x", "--format", "exl2", "--scheme", "w8a8");
    assertThat(unknown.status()).isEqualTo(2);
    assertThat(unknown.err()).contains("--format: unknown format 'exl2'", "gguf");
    CliRun scheme = CliRun.of("quantize", "--out", "x", "--scheme", "q4_0");
    assertThat(scheme.status()).isEqualTo(2);
    assertThat(scheme.err()).contains("unknown quantization 'q4_0'");
  }
}
