package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Texts;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Recognizes the quantized formats that are not read and says so by name. Where a look at the
 * settings shows that a checkpoint is broken, that is said instead.
 */
final class UnreadFormats implements FormatReader {
  private static final Map<String, String> METHODS =
      Map.ofEntries(
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

  private static final List<Map.Entry<String, String>> FILES =
      List.of(Map.entry("hf_quant_config.json", "ModelOpt"), Map.entry("quant_config.json", "AWQ"));

  @Override
  public String name() {
    return "";
  }

  @Override
  public boolean recognizes(ModelFolder folder) {
    return file(folder).isPresent()
        || folder.config().isFilled("quantization")
        || folder.quantized();
  }

  private static Optional<Map.Entry<String, String>> file(ModelFolder folder) {
    return FILES.stream().filter(e -> folder.has(e.getKey())).findFirst();
  }

  @Override
  public Checkpoint open(ModelFolder folder) {
    Optional<Map.Entry<String, String>> known = file(folder);
    if (known.isPresent()) {
      throw unsupported(folder.path().resolve(known.get().getKey()), known.get().getValue());
    }
    Path config = folder.path().resolve("config.json");
    if (folder.config().isFilled("quantization")) {
      throw unsupported(config, "MLX (field 'quantization')");
    }
    Fields quantization = folder.quantization();
    String method = quantization.requireText("quant_method");
    if (method.startsWith("modelopt")) {
      throw unsupported(config, "ModelOpt");
    }
    if (method.equals("fp8")) {
      throw unsupported(
          config, quantization.has("weight_block_size") ? "block FP8 (DeepSeek style)" : "FP8");
    }
    String name = METHODS.get(method);
    if (name == null) {
      throw quantization.unsupported(
          "quant_method", "names the unknown method " + Texts.quote(method) + read());
    }
    throw unsupported(config, name);
  }

  static UnsupportedCheckpointException unsupported(Path file, String format) {
    return new UnsupportedCheckpointException(
        "%s: %s checkpoints are not supported yet%s".formatted(file, format, read()));
  }

  private static String read() {
    return "; read are " + FormatReaders.names();
  }
}
