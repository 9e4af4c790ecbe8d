package dev.octet.checkpoint.modelopt;

import dev.octet.checkpoint.internal.Fields;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** What {@code quant_algo} may name of what is read. */
enum Algorithm {
  /** E4M3 under one scale, inputs under another. */
  FP8,
  /** E4M3 with a scale for each output, inputs quantized token by token. */
  FP8_PER_CHANNEL_PER_TOKEN,
  /** E4M3 in square blocks, inputs as they are. */
  FP8_PB_WO,
  /** FP4 in groups of 16, inputs too. */
  NVFP4,
  /** The same behind AWQ's scales. */
  NVFP4_AWQ,
  /** FP4 weights, inputs as they are. */
  W4A16_NVFP4,
  /** INT4 in groups, behind AWQ's scales. */
  W4A16_AWQ;

  static Algorithm of(Fields f) {
    String name = f.requireText("quant_algo").toUpperCase(Locale.ROOT);
    return Arrays.stream(values())
        .filter(a -> a.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                f.unsupported("quant_algo", "is '%s'; supported are %s".formatted(name, names())));
  }

  private static String names() {
    return Arrays.stream(values()).map(Enum::name).collect(Collectors.joining(", "));
  }
}
