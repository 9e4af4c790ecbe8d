package dev.octet.checkpoint;

import dev.octet.checkpoint.compressedtensors.CompressedTensorsFormat;
import dev.octet.checkpoint.gptq.GptqFormat;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.StoredTensors;
import java.util.List;
import java.util.stream.Collectors;

/**
 * All formats, in the order that tells them apart: some are known by a file, others by what
 * config.json says, and what says nothing is dense.
 */
final class FormatReaders {
  private static final List<FormatReader> IN_ORDER =
      List.of(
          new GgufReader(),
          new AscendReader(),
          new SafetensorsReader(
              "GPTQ", FormatReaders::gptq, (folder, _, tensors) -> gptq(folder, tensors)),
          new SafetensorsReader(
              "compressed-tensors (INT8, INT4, FP8, FP4)",
              folder -> folder.quantizedBy("compressed-tensors"),
              (folder, config, tensors) ->
                  new CompressedTensorsFormat(folder.quantization(), config, tensors)),
          new UnreadFormats(),
          new SafetensorsReader(
              "dense F32, F16 and BF16", _ -> true, (_, _, tensors) -> new DenseFormat(tensors)));

  private static final String GPTQ_FILE = "quantize_config.json";

  private FormatReaders() {}

  /** Older GPTQ checkpoints say nothing in config.json. */
  private static boolean gptq(ModelFolder folder) {
    return folder.quantized()
        ? folder.quantizedBy("gptq")
        : folder.has(GPTQ_FILE)
            && folder.settings(GPTQ_FILE).text("quant_method").orElse("gptq").equals("gptq");
  }

  private static GptqFormat gptq(ModelFolder folder, StoredTensors tensors) {
    if (!folder.quantized()) {
      return new GptqFormat(folder.settings(GPTQ_FILE), null, tensors);
    }
    Fields other = folder.has(GPTQ_FILE) ? folder.settings(GPTQ_FILE) : null;
    return new GptqFormat(folder.quantization(), other, tensors);
  }

  /** The first that recognizes a model. */
  static FormatReader of(ModelFolder folder) {
    return IN_ORDER.stream().filter(r -> r.recognizes(folder)).findFirst().orElseThrow();
  }

  /** The formats that are read, for messages. */
  static String names() {
    return IN_ORDER.stream()
        .map(FormatReader::name)
        .filter(name -> !name.isEmpty())
        .collect(Collectors.joining(", "));
  }
}
