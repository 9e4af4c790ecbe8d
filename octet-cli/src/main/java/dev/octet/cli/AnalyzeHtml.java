package dev.octet.cli;

import dev.octet.cli.output.Human;
import dev.octet.quantize.report.Bars;
import dev.octet.quantize.report.Chart;
import dev.octet.quantize.report.HeatMap;
import dev.octet.quantize.report.HtmlReport;
import dev.octet.quantize.report.HtmlReport.Column;
import dev.octet.quantize.report.Series;
import dev.octet.quantize.sensitivity.InputProfile;
import dev.octet.quantize.sensitivity.LinearReport;
import dev.octet.quantize.sensitivity.Loss;
import dev.octet.quantize.sensitivity.SensitivityReport;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** What every layer loses, as a page with charts. */
final class AnalyzeHtml {
  private static final int RANKED = 14;
  private static final List<String> PARTS = List.of("q", "k", "v", "o", "gate", "up", "down");

  private final AnalyzeReport report;
  private final SensitivityReport found;
  private final String machine;

  AnalyzeHtml(AnalyzeReport report, String machine) {
    this.report = report;
    this.found = report.found();
    this.machine = machine;
  }

  private boolean losses() {
    return !found.layers().isEmpty();
  }

  HtmlReport page() {
    HtmlReport page =
        new HtmlReport(
            report.model().getFileName() + ": sensitivity of its layers",
            "%s, %d tokens predicted, perplexity %.3f unquantized; %s"
                .formatted(report.text(), found.tokens(), found.perplexity(), machine));
    for (int s = 0; s < found.schemes().size(); s++) {
      page.paragraph(found.schemes().get(s).label() + ", " + report.summary(s) + ".");
    }
    page.heading("Across the layers").figures(overview());
    for (int s = 0; s < found.schemes().size(); s++) {
      String scheme = found.schemes().get(s).label();
      page.heading(scheme).figures(List.of(map(s), ranking(s)));
    }
    page.heading("All linear layers").table(columns(), rows());
    page.heading("What the figures mean");
    page.paragraph(
        "KL: how far the model's predictions move, in nats, if only that layer is quantized; mnat "
            + "is a thousandth. Output error: |y' - y| / |y| on sample inputs, quantized inputs "
            + "included. Weight error: the same of the weights; SNR is it in decibels. Kurtosis: "
            + "how heavy the tails are, 3 for a normal distribution.");
    page.paragraph(
        String.format(
            Locale.ROOT,
            "Outliers: input channels whose largest magnitude is more than %.0f times the median "
                + "channel's; worst is the largest such ratio.",
            InputProfile.OUTLIER));
    return page;
  }

  private List<String> overview() {
    List<String> figures = new ArrayList<>();
    if (losses()) {
      List<Series> lines = new ArrayList<>();
      for (int s = 0; s < found.schemes().size(); s++) {
        int scheme = s;
        lines.add(
            Series.line(
                found.schemes().get(s).label(),
                found.layers().stream().map(l -> 1000 * l.get(scheme).divergence()).toList()));
      }
      figures.add(
          new Chart("One whole layer quantized", "layer", "KL, mnat", false, true, lines).html());
    }
    figures.add(byPart("Tails of the inputs", "kurtosis", true, l -> l.inputs().kurtosis()));
    figures.add(
        byPart(
            "Largest input channel", "times the median channel's", true, l -> l.inputs().worst()));
    figures.add(byPart("Tails of the weights", "kurtosis", false, LinearReport::kurtosis));
    return figures;
  }

  /**
   * A line for every linear layer of the decoder layers, or for every input, which several share.
   */
  private String byPart(
      String title, String unit, boolean inputs, ToDoubleFunction<LinearReport> value) {
    List<Series> lines = new ArrayList<>();
    for (String part : PARTS) {
      if (!inputs || !List.of("k", "v", "up").contains(part)) {
        lines.add(
            Series.line(
                inputs ? reader(part) : part,
                found.linears().stream()
                    .filter(l -> l.unit().name().equals(part))
                    .map(value::applyAsDouble)
                    .toList()));
      }
    }
    return new Chart(title, "layer", unit, false, inputs, lines).html();
  }

  /** Who reads an input: some are read by several. */
  private static String reader(String part) {
    return switch (part) {
      case "q" -> "q, k, v";
      case "gate" -> "gate, up";
      default -> part;
    };
  }

  private double value(LinearReport linear, int scheme) {
    LinearReport.Effect effect = linear.effects().get(scheme);
    Loss loss = effect.loss();
    return loss == null ? effect.error().output() : loss.divergence();
  }

  private String text(double value) {
    return losses() ? AnalyzeReport.millinats(value) : AnalyzeReport.percent(value);
  }

  private String measure() {
    return losses() ? "KL in mnat if only that layer is quantized" : "output error";
  }

  private String map(int scheme) {
    List<HeatMap.Row> rows = new ArrayList<>();
    int layers = found.linears().stream().mapToInt(l -> l.unit().layer()).max().orElse(-1) + 1;
    for (int l = 0; l < layers; l++) {
      int layer = l;
      List<Double> values =
          found.linears().stream()
              .filter(x -> x.unit().layer() == layer)
              .map(x -> value(x, scheme))
              .toList();
      rows.add(new HeatMap.Row("layer " + l, values, values.stream().map(this::text).toList()));
    }
    return new HeatMap(capital(measure()), PARTS, rows).html();
  }

  private static String capital(String text) {
    return text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1);
  }

  private String ranking(int scheme) {
    List<Bars.Group> groups =
        found.ranking(scheme).stream()
            .limit(RANKED)
            .map(
                l ->
                    new Bars.Group(
                        l.unit().toString(),
                        List.of(value(l, scheme)),
                        List.of(text(value(l, scheme)))))
            .toList();
    return new Bars("The most sensitive: " + measure(), List.of(""), groups).html();
  }

  private List<Column> columns() {
    List<String> numbers =
        new ArrayList<>(List.of("shape", "kurtosis w", "kurtosis x", "outliers", "worst"));
    for (var scheme : found.schemes()) {
      if (losses()) {
        numbers.add(scheme.label() + " KL, mnat");
        numbers.add("perplexity");
      }
      numbers.add(losses() ? "output" : scheme.label() + " output");
      numbers.add("weights");
      numbers.add("SNR, dB");
    }
    return Column.of(List.of("module"), numbers);
  }

  private List<List<String>> rows() {
    return found.linears().stream().map(this::row).toList();
  }

  private List<String> row(LinearReport linear) {
    List<String> cells =
        new ArrayList<>(
            List.of(
                linear.module(),
                linear.rows() + " × " + linear.columns(),
                AnalyzeReport.decimals(linear.kurtosis()),
                AnalyzeReport.decimals(linear.inputs().kurtosis()),
                Integer.toString(linear.inputs().outliers()),
                AnalyzeReport.decimals(linear.inputs().worst()) + "×"));
    for (LinearReport.Effect effect : linear.effects()) {
      Loss loss = effect.loss();
      if (loss != null) {
        cells.add(AnalyzeReport.millinats(loss.divergence()));
        cells.add(Human.change(loss.change()));
      }
      cells.add(AnalyzeReport.percent(effect.error().output()));
      cells.add(AnalyzeReport.percent(effect.error().weight()));
      cells.add(AnalyzeReport.decimals(effect.error().decibels()));
    }
    return cells;
  }
}
