package dev.octet.quantize.report;

import java.util.List;

/**
 * Horizontal bars, grouped under labels.
 *
 * @param title above the chart
 * @param names of the bars of a group, in the legend where there are several
 * @param groups from top to bottom
 */
public record Bars(String title, List<String> names, List<Group> groups) {
  private static final double WIDTH = 640;
  private static final double BAR = 16;
  private static final double GAP = 9;
  private static final double VALUE = 92;
  private static final double CHARACTER = 6.6;

  public Bars {
    names = List.copyOf(names);
    groups = List.copyOf(groups);
  }

  /**
   * Bars side by side.
   *
   * @param values one a name; NaN for none
   * @param texts what stands at their ends
   */
  public record Group(String label, List<Double> values, List<String> texts) {
    public Group {
      values = List.copyOf(values);
      texts = List.copyOf(texts);
      if (values.size() != texts.size()) {
        throw new IllegalArgumentException(values.size() + " bars, " + texts.size() + " texts");
      }
    }
  }

  /** The chart as a figure of HTML. */
  public String html() {
    double most =
        groups.stream()
            .flatMap(g -> g.values().stream())
            .filter(Double::isFinite)
            .mapToDouble(Math::abs)
            .max()
            .orElse(0);
    int longest = groups.stream().mapToInt(g -> g.label().length()).max().orElse(0);
    double left = Math.min(WIDTH / 2, 12 + longest * CHARACTER);
    double room = WIDTH - left - VALUE;
    double height = groups.stream().mapToDouble(g -> g.values().size() * BAR + GAP).sum() + GAP;
    Markup m = new Markup();
    m.open("figure").element("figcaption", title);
    legend(m);
    m.open("svg", "viewBox", "0 0 " + Markup.number(WIDTH) + " " + Markup.number(height))
        .element("title", title);
    double y = GAP;
    for (Group group : groups) {
      double middle = y + group.values().size() * BAR / 2 + 4;
      m.element("text", group.label(), "x", left - 8, "y", middle, "text-anchor", "end");
      for (int i = 0; i < group.values().size(); i++) {
        double value = group.values().get(i);
        double length = most > 0 && Double.isFinite(value) ? Math.abs(value) / most * room : 0;
        m.empty(
            "rect",
            "class",
            "bar c" + i % Chart.COLOURS,
            "x",
            left,
            "y",
            y + 1.5,
            "width",
            length,
            "height",
            BAR - 3,
            "rx",
            2);
        m.element("text", group.texts().get(i), "x", left + length + 6, "y", y + BAR - 4);
        y += BAR;
      }
      y += GAP;
    }
    return m.close("svg").close("figure").line().toString();
  }

  private void legend(Markup m) {
    if (names.size() < 2) {
      return;
    }
    m.open("ul", "class", "legend");
    for (int i = 0; i < names.size(); i++) {
      m.open("li").element("i", "", "class", "c" + i % Chart.COLOURS);
      m.text(names.get(i)).close("li");
    }
    m.close("ul");
  }
}
