package dev.octet.cli;

import dev.octet.checkpoint.WriteFormat;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.ProgressBar;
import dev.octet.quantize.CheckpointQuantizer.Outcome;
import dev.octet.quantize.ConvertOptions;
import dev.octet.quantize.FormatConverter;
import dev.octet.tensor.DType;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code octet convert}: the same quantized weights in another format. */
@Command(
    name = "convert",
    description = {
      "Stores a quantized model in another format without changing a value: codes, scales and zero "
          + "points stay what they are.",
      "What a format cannot hold is refused, naming the layer and the reason. 'dense' stores the "
          + "floats that the codes stand for."
    },
    footer = {
      "  octet convert --model DIR-gptq --out DIR-ct --format compressed-tensors",
      "  octet convert --model DIR-awq --out model.gguf --format gguf",
      "  octet convert --model model-Q8_0.gguf --out DIR --format gptq",
      "  octet convert --model DIR-w8a8 --out DIR-gptq --format gptq --weights-only",
      "  octet convert --model DIR-fp8 --out DIR-bf16 --format dense --dtype bf16"
    })
final class ConvertCommand extends OctetCommand {
  @Option(
      names = "--model",
      required = true,
      paramLabel = "PATH",
      description = "directory of a quantized model, or a GGUF file")
  Path path = Path.of("");

  @Option(
      names = "--out",
      required = true,
      paramLabel = "PATH",
      description = "directory to write, or the file for --format gguf")
  Path out = Path.of("");

  @Option(
      names = "--format",
      required = true,
      paramLabel = "FORMAT",
      description = "compressed-tensors, gptq, awq, fp8, ascend, gguf or dense")
  String formatName = "";

  @Option(
      names = "--weights-only",
      description = "leave out what is said of activations and caches, where a format has no word")
  boolean weightsOnly;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description = "for dense: bf16, f16 or f32 (default: the model's own type)")
  @Nullable String dtype;

  @Option(names = "--force", description = "replace a model that is there already")
  boolean force;

  @Option(names = "--resume", description = "continue an interrupted run of the same settings")
  boolean resume;

  @Override
  public Integer call() {
    ModelOptions model = new ModelOptions();
    model.model = path;
    Path in = model.directory();
    ConvertOptions options = new ConvertOptions(weightsOnly, type(), force, resume);
    if (formatName.equalsIgnoreCase(GgufOutput.FORMAT)) {
      if (resume) {
        throw new CliException("--resume: one file is written at once; start over");
      }
      GgufOutput.convert(in, out, options, terminal());
      return ExitCode.OK;
    }
    WriteFormat format = GgufOutput.otherFormat(formatName);
    if (weightsOnly && format == WriteFormat.DENSE) {
      throw new CliException("--weights-only: dense has weights alone anyway; leave it out");
    }
    GgufOutput.requireFolder(out);
    Outcome outcome;
    try (ProgressBar bar = terminal().progress(format.label())) {
      outcome = FormatConverter.run(in, out, format, options, bar::update);
    }
    outcome.notices().forEach(terminal()::note);
    terminal()
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "%s: %d quantized layers as %s, %s instead of %s",
                out,
                outcome.quantizedLayers(),
                format.label(),
                Human.bytes(outcome.writtenBytes()),
                Human.bytes(outcome.modelBytes())));
    return ExitCode.OK;
  }

  private @Nullable DType type() {
    if (dtype == null) {
      return null;
    }
    return switch (dtype.toLowerCase(Locale.ROOT)) {
      case "bf16", "bfloat16" -> DType.BF16;
      case "f16", "float16" -> DType.F16;
      case "f32", "float32" -> DType.F32;
      default -> throw new CliException("--dtype " + dtype + ": choose bf16, f16 or f32");
    };
  }
}
