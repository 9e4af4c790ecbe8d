package dev.octet.checkpoint;

import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.Texts;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Recognizes the quantized formats that are not read yet, in the order that tells them apart, and
 * says so by name. Where a look at the settings shows that a checkpoint is broken, that is said
 * instead.
 */
final class ForeignFormats {
  private static final String READ =
      "; read are dense F32, F16 and BF16 and compressed-tensors (INT8, INT4, FP8)";

  private static final Map<String, String> METHODS =
      Map.ofEntries(
          Map.entry("gptq", "GPTQ"),
          Map.entry("gptq_marlin", "GPTQ Marlin"),
          Map.entry("awq", "AWQ"),
          Map.entry("fbgemm_fp8", "FBGEMM FP8"),
          Map.entry("mxfp4", "MXFP4"),
          Map.entry("bitsandbytes", "bitsandbytes"),
          Map.entry("hqq", "HQQ"),
          Map.entry("aqlm", "AQLM"),
          Map.entry("quanto", "Quanto"),
          Map.entry("torchao", "torchao"),
          Map.entry("eetq", "EETQ"),
          Map.entry("quark", "Quark"),
          Map.entry("auto-round", "AutoRound"),
          Map.entry("bitnet", "BitNet"));

  private ForeignFormats() {}

  /** What to say of a sound GGUF file; a damaged one is refused for its damage. */
  static UnsupportedCheckpointException gguf(Path file) {
    String architecture = GgufHeader.read(file).architecture();
    return unsupported(file, "GGUF (architecture %s)".formatted(Texts.quote(architecture)));
  }

  /** Formats that betray themselves by a file name. */
  static void refuseByFiles(Path directory) {
    Optional<Path> gguf = first(directory, "*.gguf");
    boolean safetensors = first(directory, "model*.safetensors").isPresent();
    if (gguf.isPresent() && !safetensors) {
      throw gguf(gguf.get());
    }
    Optional<Path> ascend = first(directory, "quant_model_description*.json");
    if (ascend.isPresent()) {
      checkAscend(ascend.get());
      throw unsupported(ascend.get(), "Ascend msModelSlim");
    }
    for (Map.Entry<String, String> e :
        List.of(
            Map.entry("hf_quant_config.json", "ModelOpt"),
            Map.entry("quantize_config.json", "GPTQ"),
            Map.entry("quant_config.json", "AWQ"))) {
      Path file = directory.resolve(e.getKey());
      if (Files.exists(file)) {
        throw unsupported(file, e.getValue());
      }
    }
  }

  /** Formats named by {@code quantization_config} of config.json. */
  static void refuseByConfig(Path directory, Fields config) {
    if (config.isFilled("quantization")) {
      throw unsupported(directory.resolve("config.json"), "MLX (field 'quantization')");
    }
    if (!config.isFilled("quantization_config")) {
      return;
    }
    Fields quantization = config.object("quantization_config").orElseThrow();
    String method = quantization.requireText("quant_method");
    if (method.equals("compressed-tensors")) {
      return;
    }
    if (method.equals("gptq")) {
      checkGptq(quantization);
    }
    Path file = directory.resolve("config.json");
    if (method.startsWith("modelopt")) {
      throw unsupported(file, "ModelOpt");
    }
    if (method.equals("fp8")) {
      throw unsupported(
          file, quantization.has("weight_block_size") ? "block FP8 (DeepSeek style)" : "FP8");
    }
    String name = METHODS.get(method);
    if (name == null) {
      throw quantization.unsupported(
          "quant_method", "names the unknown method " + Texts.quote(method) + READ);
    }
    throw unsupported(file, name);
  }

  /** First-generation files have no version; later ones have three numbers. */
  private static void checkAscend(Path description) {
    Fields fields = Fields.of(description.toString(), Json.readObject(description));
    String version = fields.text("version").orElse("0.0.0");
    if (!version.matches("\\d+\\.\\d+\\.\\d+")) {
      throw fields.problem("version", "is " + Texts.quote(version) + ", not like '1.0.0'");
    }
  }

  private static void checkGptq(Fields quantization) {
    int bits = quantization.requireInteger("bits", 1, 32);
    if (bits != 2 && bits != 3 && bits != 4 && bits != 8) {
      throw quantization.problem("bits", "is " + bits + ": GPTQ has 2, 3, 4 or 8 bits");
    }
    int group = quantization.integer("group_size", -1, Integer.MAX_VALUE).orElse(-1);
    if (group == 0) {
      throw quantization.problem("group_size", "is 0: it must be -1 or at least 1");
    }
  }

  private static UnsupportedCheckpointException unsupported(Path file, String format) {
    return new UnsupportedCheckpointException(
        "%s: %s checkpoints are not supported yet%s".formatted(file, format, READ));
  }

  private static Optional<Path> first(Path directory, String glob) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, glob)) {
      Iterator<Path> it = files.iterator();
      return it.hasNext()
          ? Optional.of(ModelFiles.requireInside(directory, it.next()))
          : Optional.empty();
    } catch (IOException e) {
      throw new CheckpointException(directory + ": cannot be read: " + Texts.reason(e), e);
    }
  }
}
