package dev.octet.cli;

import dev.octet.quantize.QuantizeOptions;
import dev.octet.tensor.QuantScheme;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --scheme} and what belongs to it: what layers of a written checkpoint become. */
final class SchemeOptions {
  /** Weights stay as they are. */
  private static final String NO_SCHEME = "none";

  @Option(
      names = "--scheme",
      paramLabel = "SCHEME",
      description = {
        "int8, int4, fp8, w8a8, w8a16, w4a16, w4a16-asym, w4a8, w4a4, fp8-dynamic, fp8-block",
        "none: weights stay as they are, for --method rotation, faquant, c8 or kv-fp8",
        "gguf: q8_0, q6_k, q4_k, q4_1, q4_0, f16, bf16, f32, and with methods q8_0, q4_1, q4_0"
      })
  @Nullable String name;

  @Option(
      names = "--group-size",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "columns that share a scale, for INT4; 0 for the scheme's own (default: 0: 128)")
  int group;

  @Option(
      names = "--ignore",
      paramLabel = "GLOB",
      split = ",",
      description = "modules to leave unquantized besides lm_head, for instance '*.down_proj'")
  List<String> ignore = List.of();

  @Option(
      names = "--lm-head",
      paramLabel = "SCHEME",
      defaultValue = NO_SCHEME,
      description =
          "quantize the output layer, too, to the nearest: w8a16, w8a8, w4a16 … (default: none); one "
              + "that is the embedding becomes a matrix of its own; compressed-tensors and gptq")
  String head = NO_SCHEME;

  /** Whether any of these is given. */
  boolean anyGiven() {
    return name != null || group != 0 || !ignore.isEmpty() || headGiven();
  }

  /** Whether the output layer is to be quantized. */
  boolean headGiven() {
    return !head.equals(NO_SCHEME);
  }

  /**
   * What every layer becomes.
   *
   * @param scheme of {@code --scheme}
   * @param method what else is done; something, where no weight is quantized
   * @throws CliException if the options do not go together
   */
  QuantizeOptions layers(String scheme, MethodOptions method) {
    if (!headGiven()) {
      return body(scheme, method);
    }
    QuantScheme outer = OptionValue.of("--lm-head", QuantScheme::of, head);
    if (!scheme.equals(NO_SCHEME)) {
      return body(scheme, method).withHead(outer);
    }
    requireNoLayers();
    return QuantizeOptions.of(outer).ignoring(List.of("model.*")).withHead(outer);
  }

  private QuantizeOptions body(String scheme, MethodOptions method) {
    if (!scheme.equals(NO_SCHEME)) {
      QuantScheme all = grouped(OptionValue.of("--scheme", QuantScheme::of, scheme));
      return QuantizeOptions.of(all).ignoring(ignore);
    }
    requireNoLayers();
    if (!method.leavesWeights()) {
      throw new CliException(
          "--scheme none: for --method rotation, faquant, c8 or kv-fp8, and nothing else to do");
    }
    return QuantizeOptions.of(QuantScheme.W8A8).ignoring(List.of("*"));
  }

  /** Options of layers are for layers that are quantized. */
  private void requireNoLayers() {
    if (group != 0 || !ignore.isEmpty()) {
      throw new CliException(
          "%s: --scheme none leaves all layers as they are; leave it out"
              .formatted(group != 0 ? "--group-size" : "--ignore"));
    }
  }

  private QuantScheme grouped(QuantScheme scheme) {
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
