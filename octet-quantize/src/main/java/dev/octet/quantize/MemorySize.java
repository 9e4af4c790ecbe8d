package dev.octet.quantize;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An amount of memory, read as people write it: {@code 8GiB}, {@code 512MB}, {@code 1.5 g}.
 *
 * @param bytes at least 0
 */
public record MemorySize(long bytes) {
  private static final Pattern FORM = Pattern.compile("(\\d{1,18}(?:\\.\\d{1,6})?)\\s*([a-z]*)");

  public MemorySize {
    if (bytes < 0) {
      throw new IllegalArgumentException("a size of " + bytes + " bytes");
    }
  }

  public static MemorySize of(long bytes) {
    return new MemorySize(bytes);
  }

  /**
   * Reads a size: KB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB and K, M, G, T of 1024.
   *
   * @throws IllegalArgumentException if it is none, is zero or is beyond 2⁶³
   */
  public static MemorySize parse(String text) {
    Matcher form = FORM.matcher(text.strip().toLowerCase(Locale.ROOT));
    if (!form.matches()) {
      throw invalid(text);
    }
    double bytes = Double.parseDouble(form.group(1)) * unit(form.group(2), text);
    if (bytes < 1 || bytes >= 0x1p63) {
      throw invalid(text);
    }
    return new MemorySize((long) bytes);
  }

  private static double unit(String unit, String text) {
    return switch (unit) {
      case "", "b" -> 1;
      case "kb" -> 1e3;
      case "mb" -> 1e6;
      case "gb" -> 1e9;
      case "tb" -> 1e12;
      case "k", "kib" -> 0x1p10;
      case "m", "mib" -> 0x1p20;
      case "g", "gib" -> 0x1p30;
      case "t", "tib" -> 0x1p40;
      default -> throw invalid(text);
    };
  }

  private static IllegalArgumentException invalid(String text) {
    return new IllegalArgumentException(
        "'" + text + "' is no amount of memory; write 8GiB, 512MB or a number of bytes");
  }

  @Override
  public String toString() {
    String[] units = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = bytes;
    int unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
      value /= 1024;
      unit++;
    }
    return unit == 0 ? bytes + " bytes" : String.format(Locale.ROOT, "%.1f %s", value, units[unit]);
  }
}
