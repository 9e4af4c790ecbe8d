package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.WeightSource;
import dev.octet.cli.output.Human;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.quantize.OuterSource;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizedSource;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet logits}: one causal pass over given tokens, every position's logits to a file. */
@Command(
    name = "logits",
    description = {
      "Computes the logits of every position in one causal pass over given token ids.",
      "",
      "Meant for comparing numbers: unless told otherwise nothing is rounded that the checkpoint "
          + "does not ask for (F32 attention; an F32 cache, or the one that the checkpoint has "
          + "calibrated scales for). Writes a safetensors file with 'logits' F32 [tokens, "
          + "vocabulary]; an older result of that name is replaced, whole and at once."
    },
    footer = {
      "  octet logits --model DIR --ids 1,2,3 --out logits.safetensors",
      "  octet logits --model DIR --ids expected.safetensors --out l.safetensors \\",
      "      --quantization w8a8 --attention int8 --kv-cache-dtype int8"
    })
final class LogitsCommand extends OctetCommand {
  @Mixin ModelOptions model = new ModelOptions();

  @Option(
      names = "--ids",
      required = true,
      paramLabel = "IDS",
      description =
          "token ids: 1,2,3 or a safetensors file with the tensor input_ids or only one of integers")
  String ids = "";

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "the safetensors file to write")
  Path out = Path.of("");

  @Mixin QuantizationOptions quantization = new QuantizationOptions();

  @Option(
      names = "--attention",
      paramLabel = "KIND",
      description =
          "f32, bf16, int8, int8-fast, int8-bf16, int-flash or int-flash-half (default: f32)")
  @Nullable AttentionKind attention;

  @Option(
      names = "--kv-cache-dtype",
      paramLabel = "TYPE",
      description =
          "f32, bf16, f16, int8, int4, fp8_e4m3, fp8_e5m2 or auto, 16-bit (default: f32, or what the "
              + "checkpoint has scales for)")
  @Nullable KvType kvType;

  @Mixin ScalePolicyOption scales = new ScalePolicyOption();

  @Mixin ComputeOptions compute = new ComputeOptions();

  @Override
  public Integer call() {
    Path directory = model.directory();
    requireWritable(directory);
    int[] tokens = TokenIds.parse(ids);
    try (Checkpoint checkpoint = Checkpoints.open(directory)) {
      TokenIds.requireWithin(tokens, checkpoint.config().vocabSize());
      quantization.noteUnmatched(checkpoint.config(), terminal());
      try (Kernels kernels = compute.create();
          CausalLm lm = CausalLm.load(quantized(checkpoint), kernels, options());
          KvCache cache = lm.newCache()) {
        lm.notices().forEach(terminal()::note);
        Tensor logits = lm.forward(tokens, cache, false);
        requireFinite(logits);
        SafetensorsWriter.write(out, Map.of("logits", logits));
        terminal()
            .note(
                "%s: logits F32 %dx%d, %s (%s attention, %s cache, %s)"
                    .formatted(
                        out,
                        logits.dim(0),
                        logits.dim(1),
                        Human.bytes(logits.byteSize()),
                        lm.attention().label(),
                        lm.kvType().label(),
                        kernels.name()));
      }
    }
    return ExitCode.OK;
  }

  private void requireFinite(Tensor logits) {
    float[] row = new float[Math.toIntExact(logits.columns())];
    for (long r = 0; r < logits.rows(); r++) {
      logits.copyRange(r * row.length, row);
      for (float value : row) {
        if (!Float.isFinite(value)) {
          throw new CliException(
              "--out %s: not written, position %d has a logit that is %s; the weights hold a value that is not finite, or activations overflow"
                  .formatted(out, r, value));
        }
      }
    }
  }

  private RunOptions options() {
    RunOptions exact = RunOptions.exact();
    return new RunOptions(
        attention == null ? exact.attention() : attention,
        kvType,
        exact.kvDefault(),
        scales.policy());
  }

  private WeightSource quantized(Checkpoint checkpoint) {
    QuantChoice choice = quantization.only();
    if (choice.equals(QuantChoice.AUTO)) {
      throw new CliException("--quantization auto depends on the machine; name a scheme here");
    }
    QuantScheme scheme = choice.scheme();
    WeightSource source =
        scheme == null
            ? checkpoint
            : new QuantizedSource(
                checkpoint, QuantizeOptions.of(scheme).ignoring(quantization.ignore));
    return OuterSource.of(source, quantization.outer.schemes());
  }

  /** A result must not land on what it is made from, nor fail after all the work. */
  private void requireWritable(Path directory) {
    Path parent = out.toAbsolutePath().normalize().getParent();
    if (parent == null || !Files.isDirectory(parent)) {
      throw new CliException("--out " + out + ": no such directory " + parent);
    }
    if (Files.isDirectory(out)) {
      throw new CliException("--out " + out + ": is a directory; name a file");
    }
    if (Files.exists(out) && !Files.isRegularFile(out)) {
      throw new CliException("--out " + out + ": is no plain file, and would be replaced by one");
    }
    if (!Files.isWritable(parent)) {
      throw new CliException("--out " + out + ": " + parent + " is not writable");
    }
    if (isSame(parent, directory) && Files.exists(out) || isSame(out, Path.of(ids))) {
      throw new CliException("--out " + out + ": would replace a file of the input");
    }
  }

  private static boolean isSame(Path a, Path b) {
    try {
      return Files.isSameFile(a, b);
    } catch (IOException e) {
      return false; // one of them is not there
    }
  }
}
