package dev.octet.kernels;

import java.util.Locale;

/**
 * What unquantized inputs of linear layers are multiplied in; sums of products are exact or F32.
 */
public enum Products {
  /** As they are: nothing is rounded. */
  F32,

  /**
   * Where a layer's weights are integers and meet more than one row, as 16-bit fixed-point numbers
   * with a scale for every token and at most 128 inputs that share a weight's scale; as F32
   * otherwise. The error is a sixtieth of BF16's, and not above it where one input is a thousand
   * times as large as its neighbours; with AVX-512 nearly twice as fast as F32.
   */
  INT16,

  /**
   * Rounded to BF16 where a layer has more than a few rows and BF16 holds its weights exactly:
   * about twice as fast with AVX-512, and what other engines mean by running in BF16.
   */
  BF16;

  /** As on the command line. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Reads a name in any case.
   *
   * @throws IllegalArgumentException for any other, saying which there are
   */
  public static Products parse(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "f32" -> F32;
      case "int16" -> INT16;
      case "bf16" -> BF16;
      default ->
          throw new IllegalArgumentException(
              "unknown products '" + name + "'; choose one of auto, f32, int16, bf16");
    };
  }
}
