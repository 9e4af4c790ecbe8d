package dev.octet.quantize.report;

import dev.octet.quantize.report.Series.Point;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Lines and points over two axes.
 *
 * @param title above the chart
 * @param x what runs to the right
 * @param y what runs upwards
 * @param logarithmicX whether steps to the right multiply
 * @param logarithmicY whether steps upwards do
 */
public record Chart(
    String title,
    String x,
    String y,
    boolean logarithmicX,
    boolean logarithmicY,
    List<Series> series) {
  private static final double WIDTH = 640;
  private static final double HEIGHT = 340;
  private static final double LEFT = 64;
  private static final double RIGHT = 18;
  private static final double TOP = 14;
  private static final double BOTTOM = 46;
  private static final double LABEL = 12;
  private static final double LABEL_WIDTH = 90;

  /** Colours that differ for every eye; series beyond them begin again. */
  static final int COLOURS = 8;

  public Chart {
    series = List.copyOf(series);
  }

  /** The chart as a figure of HTML. */
  public String html() {
    Axis across = Axis.over(points(Point::x), logarithmicX);
    Axis up = Axis.over(points(Point::y), logarithmicY);
    Markup m = new Markup();
    m.open("figure").element("figcaption", title);
    legend(m);
    m.open("svg", "viewBox", "0 0 " + Markup.number(WIDTH) + " " + Markup.number(HEIGHT))
        .element("title", title);
    grid(m, across, up);
    List<double[]> labels = new ArrayList<>();
    for (int s = 0; s < series.size(); s++) {
      draw(m, series.get(s), "c" + s % COLOURS, across, up, labels);
    }
    return m.close("svg").close("figure").line().toString();
  }

  private java.util.stream.DoubleStream points(java.util.function.ToDoubleFunction<Point> of) {
    return series.stream().flatMap(s -> s.points().stream()).mapToDouble(of);
  }

  private void legend(Markup m) {
    if (series.stream().allMatch(s -> s.name().isEmpty())) {
      return;
    }
    m.open("ul", "class", "legend");
    for (int s = 0; s < series.size(); s++) {
      if (!series.get(s).name().isEmpty()) {
        m.open("li").element("i", "", "class", "c" + s % COLOURS);
        m.text(series.get(s).name()).close("li");
      }
    }
    m.close("ul");
  }

  private static double atX(Axis axis, double value) {
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT);
  }

  private static double atY(Axis axis, double value) {
    return HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM);
  }

  private void grid(Markup m, Axis across, Axis up) {
    double bottom = HEIGHT - BOTTOM;
    for (double tick : up.ticks()) {
      double at = atY(up, tick);
      m.empty("line", "class", "grid", "x1", LEFT, "x2", WIDTH - RIGHT, "y1", at, "y2", at);
      m.element("text", up.label(tick), "x", LEFT - 8, "y", at + 4, "text-anchor", "end");
    }
    for (double tick : across.ticks()) {
      double at = atX(across, tick);
      m.empty("line", "class", "grid", "x1", at, "x2", at, "y1", TOP, "y2", bottom);
      m.element("text", across.label(tick), "x", at, "y", bottom + 18, "text-anchor", "middle");
    }
    double middle = (LEFT + WIDTH - RIGHT) / 2;
    m.element("text", x, "class", "axis", "x", middle, "y", HEIGHT - 8, "text-anchor", "middle");
    m.element(
        "text",
        y,
        "class",
        "axis",
        "text-anchor",
        "middle",
        "transform",
        String.format(Locale.ROOT, "translate(14 %.1f) rotate(-90)", (TOP + bottom) / 2));
  }

  private static void draw(
      Markup m, Series s, String colour, Axis across, Axis up, List<double[]> labels) {
    List<Point> shown =
        s.points().stream().filter(p -> Double.isFinite(p.x()) && Double.isFinite(p.y())).toList();
    if (s.connected()) {
      String path =
          shown.stream()
              .map(p -> Markup.number(atX(across, p.x())) + "," + Markup.number(atY(up, p.y())))
              .collect(Collectors.joining(" "));
      m.empty("polyline", "class", "line " + colour, "points", path);
    }
    for (Point p : shown) {
      double x = atX(across, p.x());
      double y = atY(up, p.y());
      m.open("circle", "class", "dot " + colour, "cx", x, "cy", y, "r", s.connected() ? 2.5 : 4.5);
      String where = String.format(Locale.ROOT, "%.5g, %.5g", p.x(), p.y());
      String name = p.label().isEmpty() ? s.name() : p.label();
      m.element("title", name + ": " + where).close("circle");
      if (!p.label().isEmpty()) {
        label(m, p.label(), x, y, labels);
      }
    }
  }

  /** Beside its point, below those that are in the way. */
  private static void label(Markup m, String text, double x, double y, List<double[]> labels) {
    double top = y - 6;
    boolean free = false;
    while (!free) {
      double at = top;
      free =
          labels.stream()
              .noneMatch(l -> Math.abs(l[0] - x) < LABEL_WIDTH && Math.abs(l[1] - at) < LABEL);
      top = free ? top : top + LABEL;
    }
    labels.add(new double[] {x, top});
    boolean left = x > WIDTH * 0.7;
    m.element(
        "text",
        text,
        "class",
        "label",
        "x",
        left ? x - 8 : x + 8,
        "y",
        top,
        "text-anchor",
        left ? "end" : "start");
  }
}
