package dev.octet.quantize.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;

/**
 * An axis: which values it spans, and where it is marked.
 *
 * @param low smallest value, a mark
 * @param high largest, a mark
 * @param logarithmic whether steps multiply
 * @param ticks what is marked, ascending
 */
record Axis(double low, double high, boolean logarithmic, List<Double> ticks) {
  private static final int TICKS = 6;

  /** Marks of a logarithmic axis lie further apart where it spans more decades than this. */
  private static final int DECADES = 6;

  /** An axis from 0 or the smallest value to the largest, with round marks. */
  static Axis linear(double least, double most) {
    double from = least > 0 && least < 0.6 * most ? 0 : least;
    double span = most > from ? most - from : Math.max(1e-12, Math.abs(most));
    double step = round(span / TICKS);
    double low = Math.floor(from / step + 1e-9) * step;
    double high = Math.ceil(most / step - 1e-9) * step;
    if (high <= low) {
      high = low + step;
    }
    List<Double> ticks = new ArrayList<>();
    for (int i = 0; low + i * step <= high + step / 2; i++) {
      ticks.add(low + i * step);
    }
    return new Axis(low, high, false, List.copyOf(ticks));
  }

  /** An axis over whole powers of ten; values that are not positive lie at its low end. */
  static Axis logarithmic(double least, double most) {
    double top = Math.max(most, 1e-300);
    int high = (int) Math.ceil(Math.log10(top) - 1e-9);
    int low = (int) Math.floor(Math.log10(Math.max(least, top * 1e-9)) + 1e-9);
    if (low >= high) {
      low = high - 1;
    }
    int step = (high - low + DECADES - 1) / DECADES;
    List<Double> ticks = new ArrayList<>();
    for (int e = low; e <= high; e += step) {
      ticks.add(Math.pow(10, e));
    }
    return new Axis(Math.pow(10, low), Math.pow(10, high), true, List.copyOf(ticks));
  }

  /** An axis for some values; those that are not finite (nor positive, if logarithmic) are none. */
  static Axis over(DoubleStream values, boolean logarithmic) {
    double[] all = values.filter(v -> Double.isFinite(v) && (!logarithmic || v > 0)).toArray();
    if (all.length == 0) {
      return logarithmic ? logarithmic(0.1, 1) : linear(0, 1);
    }
    double least = DoubleStream.of(all).min().orElseThrow();
    double most = DoubleStream.of(all).max().orElseThrow();
    return logarithmic ? logarithmic(least, most) : linear(least, most);
  }

  private static double round(double step) {
    double unit = Math.pow(10, Math.floor(Math.log10(step)));
    double digit = step / unit;
    return unit * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
  }

  /** Where a value lies, 0 at the low end and 1 at the high. */
  double place(double value) {
    double share =
        logarithmic
            ? (Math.log(Math.max(value, low)) - Math.log(low)) / (Math.log(high) - Math.log(low))
            : (value - low) / (high - low);
    return Math.clamp(share, 0, 1);
  }

  /** A mark's value as short as it can be told from the others. */
  String label(double tick) {
    if (!logarithmic && Math.abs(tick) < (high - low) * 1e-9) {
      return "0";
    }
    double size = Math.abs(tick);
    if (size >= 1e5 || size < 1e-4) {
      return String.format(Locale.ROOT, "%.0e", tick).replace("e-0", "e-").replace("e+0", "e");
    }
    String digits = String.format(Locale.ROOT, "%.6f", tick);
    return digits.replaceFirst("\\.?0+$", "");
  }
}
