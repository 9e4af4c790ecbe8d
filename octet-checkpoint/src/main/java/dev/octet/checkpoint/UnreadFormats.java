package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Texts;
import java.nio.file.Path;
import java.util.Map;

/** Recognizes the quantized formats that are not read and says so by name. */
final class UnreadFormats implements FormatReader {
  private static final Map<String, String> METHODS =
      Map.ofEntries(
          Map.entry("gptq_marlin", "GPTQ Marlin"),
          Map.entry("mxfp4", "MXFP4 of gpt-oss"),
          Map.entry("bitsandbytes", "bitsandbytes"),
          Map.entry("hqq", "HQQ"),
          Map.entry("aqlm", "AQLM"),
          Map.entry("quanto", "Quanto"),
          Map.entry("torchao", "torchao"),
          Map.entry("eetq", "EETQ"),
          Map.entry("quark", "Quark"),
          Map.entry("auto-round", "AutoRound"),
          Map.entry("bitnet", "BitNet"));

  @Override
  public String name() {
    return "";
  }

  @Override
  public boolean recognizes(ModelFolder folder) {
    return folder.config().isFilled("quantization") || folder.quantized();
  }

  @Override
  public Checkpoint open(ModelFolder folder) {
    Path config = folder.path().resolve("config.json");
    if (!folder.quantized()) {
      throw unsupported(config, "MLX (field 'quantization')");
    }
    Fields quantization = folder.quantization();
    String method = quantization.requireText("quant_method");
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
