package dev.octet.quantize.report;

import java.util.Arrays;
import java.util.List;

/**
 * Points of a chart that belong together.
 *
 * @param name in the legend; empty: not there
 * @param points in the order they are connected
 * @param connected whether a line goes through them
 */
public record Series(String name, List<Point> points, boolean connected) {
  public Series {
    points = List.copyOf(points);
  }

  /**
   * A point.
   *
   * @param label beside it; empty for none
   */
  public record Point(double x, double y, String label) {}

  /** A line through values one step apart, the first at 0. */
  public static Series line(String name, List<Double> values) {
    Point[] points = new Point[values.size()];
    Arrays.setAll(points, i -> new Point(i, values.get(i), ""));
    return new Series(name, List.of(points), true);
  }
}
