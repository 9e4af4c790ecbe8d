package dev.octet.cli.output;

import java.util.Locale;

/** Sizes, times and rates as people read them. */
public final class Human {
  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB"};

  private Human() {}

  /** {@code 1536} is {@code 1.5 KiB}. */
  public static String bytes(long bytes) {
    double value = bytes;
    int unit = 0;
    while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
      value /= 1024;
      unit++;
    }
    return unit == 0 ? bytes + " B" : String.format(Locale.ROOT, "%.1f %s", value, UNITS[unit]);
  }

  /** {@code 75.2} is {@code 1:15}, {@code 3.21} is {@code 3.2 s}. */
  public static String seconds(double seconds) {
    if (seconds < 10) {
      return String.format(Locale.ROOT, "%.1f s", seconds);
    }
    long whole = Math.round(seconds);
    if (whole < 60) {
      return whole + " s";
    }
    return whole < 3600
        ? String.format(Locale.ROOT, "%d:%02d", whole / 60, whole % 60)
        : String.format(Locale.ROOT, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  }

  /** Three significant digits or whole numbers: {@code 8.53}, {@code 85.3}, {@code 1234}. */
  public static String rate(double value) {
    int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return String.format(Locale.ROOT, "%." + decimals + "f", value);
  }

  /** A share as a signed percentage: {@code +0.12 %}. */
  public static String change(double share) {
    return String.format(Locale.ROOT, "%+.2f %%", share * 100 + 0.0);
  }
}
