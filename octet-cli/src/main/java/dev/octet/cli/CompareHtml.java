package dev.octet.cli;

import dev.octet.bench.demo.SpeedProbe;
import dev.octet.cli.output.Human;
import dev.octet.quantize.Verdict;
import dev.octet.quantize.compare.Comparison;
import dev.octet.quantize.compare.DistanceSummary;
import dev.octet.quantize.report.Bars;
import dev.octet.quantize.report.Chart;
import dev.octet.quantize.report.HtmlReport;
import dev.octet.quantize.report.HtmlReport.Column;
import dev.octet.quantize.report.Series;
import dev.octet.quantize.report.Series.Point;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Models beside their original, as a page with charts. */
final class CompareHtml {
  private static final double MIB = 1 << 20;

  private final CompareReport report;
  private final List<ComparedRow> others;

  CompareHtml(CompareReport report) {
    this.report = report;
    this.others = report.rows().subList(1, report.rows().size());
  }

  HtmlReport page() {
    ComparedRow base = report.rows().getFirst();
    long tokens = others.getFirst().comparison() == null ? 0 : comparison(0).distance().tokens();
    HtmlReport page =
        new HtmlReport(
            base.model().label() + ": what quantizing cost",
            "%s, %d tokens predicted; %s"
                .formatted(
                    report.text().name(), tokens, ComputeOptions.describe(report.kernels())));
    for (ComparedRow row : others) {
      Verdict verdict = row.verdict();
      if (verdict != null) {
        page.verdict(level(verdict), row.model().label(), verdict.toString());
      }
    }
    page.heading("At a glance").table(columns(), report.rows().stream().map(this::cells).toList());
    page.figures(figures());
    page.heading("Layers that add most to the error").table(layerColumns(), worstLayers());
    page.heading("What the figures mean");
    page.paragraph(
        "Change: of perplexity, exp of the mean surprise at every token; under 1 % is fine. KL: "
            + "how far a prediction is from the original's, in nats, over the whole vocabulary; it "
            + "sees changes that cancel out in perplexity. Same top: how often both find the same "
            + "token the likeliest.");
    page.paragraph(
        "Residual stream: the mean over tokens of |h' - h| / |h| after every layer; where a line "
            + "climbs, a layer loses accuracy. Speeds are medians of rounds in which all models "
            + "took turns.");
    return page;
  }

  private static String level(Verdict verdict) {
    return switch (verdict.level()) {
      case FINE -> "good";
      case ACCEPTABLE -> "fair";
      case POOR -> "poor";
    };
  }

  private static List<Column> columns() {
    return Column.of(
        List.of("model", "attention", "KV cache"),
        List.of(
            "weights",
            "perplexity",
            "change",
            "± se",
            "KL mean",
            "median",
            "99 %",
            "max",
            "same top",
            "Δp rms",
            "prefill",
            "decode"));
  }

  private static List<Column> layerColumns() {
    return Column.of(List.of("model"), List.of("layer", "adds", "error after it", "at the end"));
  }

  /** The worst first, model by model. */
  private List<List<String>> worstLayers() {
    List<List<String>> rows = new ArrayList<>();
    for (int m = 0; m < others.size(); m++) {
      Comparison comparison = comparison(m);
      String end = CompareReport.percent(comparison.layerErrors().getLast());
      for (Comparison.LayerError worst : comparison.worst(CompareReport.WORST)) {
        rows.add(
            List.of(
                others.get(m).model().label(),
                String.valueOf(worst.layer()),
                String.format(Locale.ROOT, "%+.2f %%", 100 * worst.growth()),
                CompareReport.percent(worst.error()),
                end));
      }
    }
    return rows;
  }

  private List<String> cells(ComparedRow row) {
    List<String> cells =
        new ArrayList<>(
            List.of(
                row.model().label(),
                row.attention().label(),
                row.kvType().label(),
                Human.bytes(row.weightBytes()),
                CompareReport.exact(row.perplexity())));
    Comparison comparison = row.comparison();
    if (comparison == null) {
      cells.addAll(List.of("", "", "", "", "", "", "", ""));
    } else {
      DistanceSummary d = comparison.distance();
      cells.addAll(
          List.of(
              Human.change(d.change()),
              CompareReport.percent(d.nllError()),
              CompareReport.small(d.divergence()),
              CompareReport.small(d.quantile(0.5)),
              CompareReport.small(d.quantile(0.99)),
              CompareReport.small(d.quantile(1)),
              CompareReport.percent(d.agreement()),
              CompareReport.percent(d.probabilityChange())));
    }
    SpeedProbe.Speed speed = row.speed();
    cells.add(speed == null ? "" : Human.rate(speed.prefill()));
    cells.add(speed == null ? "" : Human.rate(speed.decode()));
    return cells;
  }

  private Comparison comparison(int index) {
    Comparison comparison = others.get(index).comparison();
    if (comparison == null) {
      throw new IllegalStateException(others.get(index).model().label() + " was not compared");
    }
    return comparison;
  }

  private List<String> figures() {
    List<String> figures = new ArrayList<>();
    figures.add(sizes());
    figures.add(layers());
    figures.add(divergences());
    if (report.rows().stream().allMatch(r -> r.speed() != null)) {
      figures.add(speeds());
    }
    return figures;
  }

  private String sizes() {
    List<Series> points = new ArrayList<>();
    List<ComparedRow> rows = new ArrayList<>(others); // colours as in the other charts
    rows.add(report.rows().getFirst());
    for (ComparedRow row : rows) {
      Point at = new Point(row.weightBytes() / MIB, row.perplexity(), row.model().label());
      points.add(new Series(row.model().label(), List.of(at), false));
    }
    return new Chart(
            "Size and perplexity", "weights, MiB", "perplexity", false, false, unnamed(points))
        .html();
  }

  /** Points that say their names themselves need no legend. */
  private static List<Series> unnamed(List<Series> series) {
    return series.stream().map(s -> new Series("", s.points(), s.connected())).toList();
  }

  private String layers() {
    List<Series> lines = new ArrayList<>();
    for (int m = 0; m < others.size(); m++) {
      List<Double> percent =
          comparison(m).layerErrors().stream().map(error -> 100 * error).toList();
      lines.add(Series.line(others.get(m).model().label(), percent));
    }
    return new Chart(
            "Error of the residual stream", "after layer", "relative error, %", false, false, lines)
        .html();
  }

  private String divergences() {
    double[] levels = DistanceSummary.levels();
    List<Series> lines = new ArrayList<>();
    for (int m = 0; m < others.size(); m++) {
      List<Point> points = new ArrayList<>();
      for (double level : levels) {
        if (level > 0 && level < 1) {
          points.add(new Point(100 * level, comparison(m).distance().quantile(level), ""));
        }
      }
      lines.add(new Series(others.get(m).model().label(), points, true));
    }
    return new Chart(
            "Divergence token by token",
            "% of the tokens below",
            "KL divergence, nats",
            false,
            true,
            lines)
        .html();
  }

  private String speeds() {
    List<Bars.Group> groups = new ArrayList<>();
    SpeedProbe.Speed first = report.rows().getFirst().speed();
    for (ComparedRow row : report.rows()) {
      SpeedProbe.Speed speed = row.speed();
      if (speed != null && first != null) {
        groups.add(
            new Bars.Group(
                row.model().label(),
                List.of(speed.prefill() / first.prefill(), speed.decode() / first.decode()),
                List.of(
                    Human.rate(speed.prefill()) + " t/s", Human.rate(speed.decode()) + " t/s")));
      }
    }
    return new Bars("Speed against the original", List.of("prefill", "decode"), groups).html();
  }
}
