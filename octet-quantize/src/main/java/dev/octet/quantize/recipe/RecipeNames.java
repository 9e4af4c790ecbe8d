package dev.octet.quantize.recipe;

import dev.octet.tensor.Clipping;

/** Values of recipe options that are words or numbers, on the command line and in YAML alike. */
public final class RecipeNames {
  private RecipeNames() {}

  /**
   * SmoothQuant's alpha: a number from 0 to 1, or {@code auto}, which is NaN.
   *
   * @throws IllegalArgumentException for anything else
   */
  public static double alpha(String text) {
    if (text.equals("auto")) {
      return Double.NaN;
    }
    try {
      double value = Double.parseDouble(text);
      if (value >= 0 && value <= 1) {
        return value;
      }
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(text + ": a number from 0 to 1, or auto", e);
    }
    throw new IllegalArgumentException(text + ": a number from 0 to 1, or auto");
  }

  static String alpha(double value) {
    return Double.isNaN(value) ? "auto" : Double.toString(value);
  }

  /**
   * How ranges of weights are narrowed: {@code none}, {@code search}, or a percentile.
   *
   * @throws IllegalArgumentException for anything else
   */
  public static Clipping clipping(String text) {
    return switch (text) {
      case "none" -> Clipping.NONE;
      case "search" -> Clipping.SEARCH;
      default -> percentile(text);
    };
  }

  private static Clipping percentile(String text) {
    try {
      return Clipping.ofPercentile(Double.parseDouble(text));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(text + ": none, search or a percentile", e);
    }
  }

  static String clipping(Clipping clipping) {
    if (clipping.equals(Clipping.NONE)) {
      return "none";
    }
    if (clipping.equals(Clipping.SEARCH)) {
      return "search";
    }
    if (clipping.equals(Clipping.ofPercentile(clipping.percentile()))) {
      return Double.toString(clipping.percentile());
    }
    throw new IllegalArgumentException(clipping + " has no name in a recipe");
  }
}
