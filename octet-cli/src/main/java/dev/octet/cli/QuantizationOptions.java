package dev.octet.cli;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.cli.output.Terminal;
import dev.octet.quantize.ModulePattern;
import dev.octet.quantize.QuantizeOptions;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code --quantization} and {@code --ignore}: quantizing weights while they are loaded. */
final class QuantizationOptions {
  @Option(
      names = "--quantization",
      paramLabel = "SCHEME",
      split = ",",
      description =
          "quantize weights at load: int8, int4, fp8, w8a8, w8a16, w4a16, w4a8, w4a4, fp8-dynamic …; "
              + "auto: the fastest here of those that fit, measured; none leaves them as stored "
              + "(default)")
  List<QuantChoice> quantization = List.of();

  @Option(
      names = "--ignore",
      paramLabel = "GLOB",
      split = ",",
      description = "modules to leave unquantized besides lm_head, for instance '*.down_proj'")
  List<String> ignore = List.of();

  @Mixin OuterOptions outer = new OuterOptions();

  /** Says which of {@code --ignore} mean nothing in a model. */
  void noteUnmatched(ModelConfig config, Terminal terminal) {
    QuantizeOptions.unmatched(ignore, config)
        .forEach(pattern -> terminal.note("--ignore " + pattern + ": no layer of this model"));
  }

  /**
   * The values in the order given; {@code none} if there were none.
   *
   * @throws IllegalArgumentException if {@code --ignore} holds something that is no pattern
   */
  List<QuantChoice> choices() {
    ignore.forEach(ModulePattern::of);
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
