package dev.octet.cli;

import java.util.List;
import picocli.CommandLine.Option;

/** {@code --quantization} and {@code --ignore}: quantizing weights while they are loaded. */
final class QuantizationOptions {
  @Option(
      names = "--quantization",
      paramLabel = "SCHEME",
      split = ",",
      description =
          "quantize weights at load: int8, int4, fp8, w8a8, w8a16, w4a16, w4a8, fp8-dynamic …; "
              + "none leaves them as stored (default)")
  List<QuantChoice> quantization = List.of();

  @Option(
      names = "--ignore",
      paramLabel = "GLOB",
      split = ",",
      description = "modules to leave unquantized besides lm_head, for instance '*.down_proj'")
  List<String> ignore = List.of();

  /** The values in the order given; {@code none} if there were none. */
  List<QuantChoice> choices() {
    return quantization.isEmpty() ? List.of(QuantChoice.NONE) : quantization;
  }

  /**
   * The only value.
   *
   * @throws CliException if there are several
   */
  QuantChoice only() {
    List<QuantChoice> choices = choices();
    if (choices.size() > 1) {
      throw new CliException("one --quantization here, not " + choices.size());
    }
    return choices.getFirst();
  }
}
