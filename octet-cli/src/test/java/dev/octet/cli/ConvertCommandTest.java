package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConvertCommandTest {
  @TempDir Path dir;

  private static CliRun run(String... args) {
    return CliRun.of(args);
  }

  private CliRun convert(String from, String to, String format, String... more) {
    return CliRun.of(
        Stream.concat(
                Stream.of(
                    "convert",
                    "--model",
                    dir.resolve(from).toString(),
                    "--out",
                    dir.resolve(to).toString(),
                    "--format",
                    format),
                Arrays.stream(more))
            .toArray(String[]::new));
  }

  private String generated(String name) {
    CliRun run =
        run(
            "generate",
            "--model",
            dir.resolve(name).toString(),
            "--prompt",
            "Once upon a time",
            "--max-tokens",
            "12",
            "--temperature",
            "0");
    assertThat(run.status()).as(run.err()).isZero();
    return run.out();
  }

  /** The bundled model by way of four formats says what its first quantization says. */
  @Test
  void aConvertedModelGeneratesTheSameText() {
    CliRun made =
        run(
            "quantize",
            "--out",
            dir.resolve("m.gguf").toString(),
            "--format",
            "gguf",
            "--scheme",
            "w8a16",
            "--ignore",
            "lm_head,model.embed_tokens");
    assertThat(made.status()).as(made.err()).isZero();
    assertThat(convert("m.gguf", "gptq", "gptq").out()).contains("35 quantized layers as gptq");
    assertThat(convert("gptq", "ct", "compressed-tensors").status()).isZero();
    assertThat(convert("ct", "again.gguf", "gguf").out()).contains("35 Q8_0");
    String said = generated("m.gguf");
    assertThat(generated("ct")).isEqualTo(said);
    assertThat(generated("again.gguf")).isEqualTo(said);
  }

  @Test
  void whatCannotBeIsRefusedInOneLine() {
    String ct = dir.resolve("ct").toString();
    assertThat(run("quantize", "--out", ct, "--scheme", "w8a8").status()).isZero();
    CliRun inputs = convert("ct", "x", "gptq");
    assertThat(inputs.status()).isEqualTo(2);
    assertThat(inputs.err()).contains("q_proj", "int8 token inputs", "--weights-only");
    assertThat(convert("ct", "x", "gptq", "--weights-only").status()).isZero();
    assertThat(convert("ct", "y", "awq").err()).contains("AWQ stores INT4");
    assertThat(convert("ct", "y", "exl2").err()).contains("unknown format 'exl2'");
    assertThat(convert("ct", "y", "dense", "--dtype", "int8").err()).contains("bf16, f16 or f32");
    assertThat(convert("ct", "y", "dense", "--dtype", "f32").status()).isZero();
    assertThat(convert("y", "z", "ascend").err()).contains("is not quantized");
  }
}
