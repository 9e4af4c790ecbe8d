package dev.octet.checkpoint;

import dev.octet.checkpoint.awq.AwqFormat;
import dev.octet.checkpoint.compressedtensors.CompressedTensorsFormat;
import dev.octet.checkpoint.fp8.Fp8Format;
import dev.octet.checkpoint.gptq.GptqFormat;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.modelopt.ModelOptFormat;
import java.util.List;
import java.util.Set;
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
              "ModelOpt (FP8, NVFP4, W4A16_AWQ)",
              FormatReaders::modelOpt,
              (folder, config, tensors) ->
                  new ModelOptFormat(modelOptSettings(folder), config, tensors)),
          new SafetensorsReader(
              "GPTQ", FormatReaders::gptq, (folder, _, tensors) -> gptq(folder, tensors)),
          new SafetensorsReader(
              "AWQ",
              FormatReaders::awq,
              (folder, _, tensors) -> new AwqFormat(awqSettings(folder), tensors)),
          new SafetensorsReader(
              "FP8",
              folder -> folder.quantizedBy("fp8", "fbgemm_fp8"),
              (folder, config, tensors) -> new Fp8Format(folder.quantization(), config, tensors)),
          new SafetensorsReader(
              "compressed-tensors (INT8, INT4, FP8, FP4)",
              folder -> folder.quantizedBy("compressed-tensors"),
              (folder, config, tensors) ->
                  new CompressedTensorsFormat(folder.quantization(), config, tensors)),
          new UnreadFormats(),
          new SafetensorsReader(
              "dense F32, F16 and BF16", _ -> true, (_, _, tensors) -> new DenseFormat(tensors)));

  private static final String GPTQ_FILE = "quantize_config.json";
  private static final String AWQ_FILE = "quant_config.json";
  private static final String MODELOPT_FILE = "hf_quant_config.json";

  /** Files beside config.json that say how a model is quantized. */
  static final Set<String> SETTINGS = Set.of(GPTQ_FILE, AWQ_FILE, MODELOPT_FILE);

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

  /** AutoAWQ's first releases wrote a file of their own, GPTQModel writes GPTQ's. */
  private static boolean awq(ModelFolder folder) {
    return folder.quantized()
        ? folder.quantizedBy("awq")
        : folder.has(AWQ_FILE)
            || (folder.has(GPTQ_FILE)
                && folder.settings(GPTQ_FILE).text("quant_method").orElse("").equals("awq"));
  }

  private static Fields awqSettings(ModelFolder folder) {
    return folder.quantized()
        ? folder.quantization()
        : folder.settings(folder.has(AWQ_FILE) ? AWQ_FILE : GPTQ_FILE);
  }

  private static boolean modelOpt(ModelFolder folder) {
    return folder.has(MODELOPT_FILE)
        || (folder.quantized()
            && folder.quantization().text("quant_method").orElse("").startsWith("modelopt"));
  }

  private static Fields modelOptSettings(ModelFolder folder) {
    if (!folder.has(MODELOPT_FILE)) {
      Fields inConfig = folder.quantization();
      return inConfig.object("quantization").orElse(inConfig);
    }
    Fields file = folder.settings(MODELOPT_FILE);
    return file.object("quantization")
        .orElseThrow(() -> file.problem("quantization", "is missing"));
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
