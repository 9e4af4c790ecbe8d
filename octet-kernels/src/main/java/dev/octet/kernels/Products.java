package dev.octet.kernels;

import java.util.Locale;

/** What unquantized inputs of linear layers are multiplied in; sums are always F32. */
public enum Products {
  /** As they are: nothing is rounded. */
  F32,

  /**
   * Rounded to BF16 where a layer has more than a few rows and BF16 holds its weights exactly:
   * about twice as fast with AVX-512, and what other engines mean by running in BF16.
   */
  BF16;

  /**
   * Reads a name in any case.
   *
   * @throws IllegalArgumentException for any other, saying which there are
   */
  public static Products parse(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "f32" -> F32;
      case "bf16" -> BF16;
      default ->
          throw new IllegalArgumentException(
              "unknown products '" + name + "'; choose one of f32, bf16");
    };
  }
}
