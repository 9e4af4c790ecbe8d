package dev.octet.cli;

import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.ProgressBar;
import dev.octet.engine.Tokenizer;
import dev.octet.kernels.Kernels;
import dev.octet.quantize.CheckpointQuantizer;
import dev.octet.quantize.CheckpointQuantizer.Outcome;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.calibrate.CalibratedQuantizer;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.tensor.QuantScheme;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet quantize}: writes a quantized checkpoint. */
@Command(
    name = "quantize",
    description = {
      "Writes a quantized copy of a model, by default as compressed-tensors, which vLLM reads too.",
      "Works layer by layer; what was interrupted can be continued with --resume. Nothing appears "
          + "in --out before all of it is written."
    },
    footer = {
      "  octet quantize --model DIR --out DIR-w8a8 --scheme w8a8",
      "  octet quantize --model DIR --out DIR-w4a16 --scheme w4a16 --group-size 32 \\",
      "      --ignore '*.down_proj'",
      "  octet quantize --model DIR --out DIR-awq --scheme w4a16-asym --format awq",
      "  octet quantize --model DIR --out DIR-fp8 --scheme fp8-dynamic --resume",
      "  octet quantize --model DIR --out DIR-gptq --scheme w4a16 --method gptq",
      "  octet quantize --model DIR --out DIR-w4a4 --scheme w4a4 --method rotation,gptq",
      "  octet quantize --model DIR --out DIR-sq --scheme w8a8 --static-inputs \\",
      "      --method smoothquant --calibration text.txt",
      "  octet quantize --model DIR --out model.gguf --format gguf --scheme q4_k"
    })
final class QuantizeCommand extends OctetCommand {
  @Mixin ModelOptions model = new ModelOptions();

  @Option(
      names = "--out",
      required = true,
      paramLabel = "PATH",
      description = "directory to write, or the file for --format gguf")
  Path out = Path.of("");

  @Option(
      names = "--scheme",
      required = true,
      paramLabel = "SCHEME",
      description = {
        "int8, int4, fp8, w8a8, w8a16, w4a16, w4a16-asym, w4a8, w4a4, fp8-dynamic, fp8-block",
        "none: no quantization, for --method rotation alone",
        "gguf: q8_0, q6_k, q4_k, q4_0, f16, bf16, f32"
      })
  String schemeName = "";

  private QuantScheme scheme = QuantScheme.W8A8;

  @Option(
      names = "--group-size",
      paramLabel = "N",
      defaultValue = "0",
      description = "columns that share a scale, for INT4 (default: 128)")
  int group;

  @Option(
      names = "--ignore",
      paramLabel = "GLOB",
      split = ",",
      description = "modules to leave unquantized besides lm_head, for instance '*.down_proj'")
  List<String> ignore = List.of();

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "compressed-tensors",
      description =
          "compressed-tensors (default), gptq (INT4, INT8 weights), awq (INT4 weights), fp8 (with "
              + "fp8-block), ascend (MindIE, vllm-ascend), gguf (one file, its tokenizer included)")
  String formatName = "";

  private WriteFormat format = WriteFormat.COMPRESSED_TENSORS;

  @Mixin MethodOptions method = new MethodOptions();

  @Mixin ComputeOptions compute = new ComputeOptions();

  @Option(names = "--force", description = "replace a model that is there already")
  boolean force;

  @Option(names = "--resume", description = "continue an interrupted run of the same settings")
  boolean resume;

  @Override
  public Integer call() {
    if (formatName.equals(GgufOutput.FORMAT)) {
      requireNothingElse();
      GgufOutput.write(model.directory(), out, schemeName, force, terminal());
      return ExitCode.OK;
    }
    format = named("--format", WriteFormat::of, formatName);
    QuantizeOptions options = options();
    Recipe recipe = method.recipe(options);
    if (method.explain) {
      recipe.steps().forEach(terminal().out()::println);
      return ExitCode.OK;
    }
    Path in = model.directory();
    Path begun = out.resolveSibling(out.getFileName() + ".partial");
    if (!resume && Files.isDirectory(begun)) {
      terminal().note(begun + ": starting over; with --resume a run is continued where it ended");
    }
    Outcome outcome = method.calibrates() ? calibrated(in, recipe) : nearest(in, options);
    outcome.notices().forEach(terminal()::note);
    terminal()
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "%s: %s, %s instead of %s (%.0f %%)",
                out,
                schemeName.equals("none")
                    ? "no layers quantized"
                    : outcome.quantizedLayers() + " layers as " + options.scheme(),
                Human.bytes(outcome.writtenBytes()),
                Human.bytes(outcome.modelBytes()),
                100.0 * outcome.writtenBytes() / outcome.modelBytes()));
    return ExitCode.OK;
  }

  /** Without a scheme every layer is left as the method makes it. */
  private QuantizeOptions options() {
    if (!schemeName.equals("none")) {
      scheme = named("--scheme", QuantScheme::of, schemeName);
      return QuantizeOptions.of(grouped()).ignoring(ignore);
    }
    if (method.rotation() == null || method.calibrates() || group != 0) {
      throw new CliException("--scheme none: for --method rotation, and nothing else to do");
    }
    return QuantizeOptions.of(scheme).ignoring(List.of("*"));
  }

  private static <T> T named(String option, Function<String, T> of, String name) {
    try {
      return of.apply(name);
    } catch (IllegalArgumentException e) {
      throw new CliException(option + ": " + e.getMessage());
    }
  }

  /** What has no meaning for GGUF must not seem to have had one. */
  private void requireNothingElse() {
    if (group != 0 || !ignore.isEmpty() || resume || method.explain || method.calibrates()) {
      throw new CliException(
          "--group-size, --ignore, --resume and methods have no meaning for --format gguf");
    }
  }

  private Outcome nearest(Path in, QuantizeOptions options) {
    try (ProgressBar bar = terminal().progress(scheme.name())) {
      return CheckpointQuantizer.run(
          in, out, format, method.rotation(), options, force, resume, bar::update);
    }
  }

  private Outcome calibrated(Path in, Recipe recipe) {
    List<int[]> sequences = sequences(in);
    String settings =
        "%s%n%s%n%s%n".formatted(in.toAbsolutePath().normalize(), recipe, method.textSettings());
    WriteOptions write = WriteOptions.of(force, resume, settings).as(format);
    try (Kernels kernels = compute.open(terminal());
        ProgressBar bar = terminal().progress(scheme.name())) {
      return CalibratedQuantizer.run(in, out, recipe, sequences, kernels, write, bar::update);
    }
  }

  private List<int[]> sequences(Path in) {
    try (Tokenizer tokenizer = Tokenizer.load(in)) {
      return method.sequences(method.read(tokenizer));
    }
  }

  private QuantScheme grouped() {
    if (group == 0) {
      return scheme;
    }
    if (group < 0 || scheme.group() == 0) {
      throw new CliException(
          group < 0
              ? "--group-size must be positive, not " + group
              : "--group-size: " + scheme.name() + " has no groups");
    }
    return scheme.withGroup(group);
  }
}
