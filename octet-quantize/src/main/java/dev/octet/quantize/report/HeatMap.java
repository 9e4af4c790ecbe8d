package dev.octet.quantize.report;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A table of numbers as colours, darker for more, by the logarithm: sensitivities span decades.
 *
 * @param title above the map
 * @param columns their names
 * @param rows from top to bottom
 */
public record HeatMap(String title, List<String> columns, List<Row> rows) {
  private static final double WIDTH = 640;
  private static final double CELL = 24;
  private static final double LEFT = 70;
  private static final double TOP = 24;

  public HeatMap {
    columns = List.copyOf(columns);
    rows = List.copyOf(rows);
  }

  /**
   * A row of cells.
   *
   * @param values one a column; NaN for none
   * @param texts what stands in them
   */
  public record Row(String label, List<Double> values, List<String> texts) {
    public Row {
      values = List.copyOf(values);
      texts = List.copyOf(texts);
    }
  }

  /** The map as a figure of HTML. */
  public String html() {
    double width = (WIDTH - LEFT) / Math.max(1, columns.size());
    double height = TOP + rows.size() * CELL + 4;
    @Nullable Axis range = range();
    Markup m = new Markup();
    m.open("figure").element("figcaption", title);
    m.open("svg", "viewBox", "0 0 " + Markup.number(WIDTH) + " " + Markup.number(height))
        .element("title", title);
    for (int c = 0; c < columns.size(); c++) {
      double x = LEFT + (c + 0.5) * width;
      m.element("text", columns.get(c), "x", x, "y", TOP - 8, "text-anchor", "middle");
    }
    for (int r = 0; r < rows.size(); r++) {
      row(m, rows.get(r), TOP + r * CELL, width, range);
    }
    return m.close("svg").close("figure").line().toString();
  }

  private static void row(Markup m, Row row, double y, double width, @Nullable Axis range) {
    m.element("text", row.label(), "x", LEFT - 8, "y", y + 16, "text-anchor", "end");
    for (int c = 0; c < row.values().size(); c++) {
      double value = row.values().get(c);
      double share = range == null || !(value > 0) ? 0 : range.place(value);
      double x = LEFT + c * width;
      m.empty(
          "rect",
          "class",
          "cell",
          "x",
          x + 1,
          "y",
          y + 1,
          "width",
          width - 2,
          "height",
          CELL - 2,
          "rx",
          3,
          "fill-opacity",
          0.06 + 0.94 * share);
      m.element(
          "text",
          row.texts().get(c),
          "class",
          share > 0.55 ? "cell strong" : "cell",
          "x",
          x + width / 2,
          "y",
          y + 16,
          "text-anchor",
          "middle");
    }
  }

  /** From the smallest positive value to the largest, exactly. */
  private @Nullable Axis range() {
    double[] positive =
        rows.stream()
            .flatMap(r -> r.values().stream())
            .mapToDouble(Double::doubleValue)
            .filter(v -> v > 0 && Double.isFinite(v))
            .sorted()
            .toArray();
    if (positive.length == 0) {
      return null;
    }
    double most = positive[positive.length - 1];
    return new Axis(Math.max(positive[0] * 0.8, most * 1e-4), most, true, List.of());
  }
}
