package dev.octet.cli;

import dev.octet.quantize.OuterSchemes;
import dev.octet.tensor.QuantScheme;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --lm-head} and {@code --embedding}: what {@code --quantization} leaves as it is. */
final class OuterOptions {
  @Option(
      names = "--lm-head",
      paramLabel = "SCHEME",
      defaultValue = "none",
      description =
          "quantize the output layer, too: w8a16, w8a8, w4a16 … (default: none); where the embedding "
              + "is the output layer, both")
  String head = "none";

  @Option(
      names = "--embedding",
      paramLabel = "SCHEME",
      defaultValue = "none",
      description = "quantize an embedding that is not the output layer, too (default: none)")
  String embedding = "none";

  /**
   * What was chosen.
   *
   * @throws CliException for an unknown scheme, listing the known ones
   */
  OuterSchemes schemes() {
    return new OuterSchemes(scheme("--lm-head", head), scheme("--embedding", embedding));
  }

  /** The options as they were given, each after a space; empty where nothing is quantized. */
  String flags() {
    OuterSchemes schemes = schemes();
    return (schemes.head() == null ? "" : " --lm-head " + head)
        + (schemes.embedding() == null ? "" : " --embedding " + embedding);
  }

  private static @Nullable QuantScheme scheme(String option, String name) {
    if (name.toLowerCase(Locale.ROOT).equals("none")) {
      return null;
    }
    return OptionValue.of(option, QuantScheme::of, name);
  }
}
