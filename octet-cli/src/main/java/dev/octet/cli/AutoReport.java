package dev.octet.cli;

import dev.octet.cli.output.Human;
import dev.octet.cli.output.Table;
import dev.octet.cli.output.Terminal;
import dev.octet.quantize.mixed.MixPoint;
import dev.octet.quantize.mixed.Plan;
import dev.octet.quantize.report.Chart;
import dev.octet.quantize.report.HeatMap;
import dev.octet.quantize.report.HtmlReport;
import dev.octet.quantize.report.HtmlReport.Column;
import dev.octet.quantize.report.Series;
import dev.octet.quantize.report.Series.Point;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Unit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * What {@code --auto} found: the chosen mix among all others.
 *
 * @param model its name
 * @param machine what it was measured with
 */
record AutoReport(Plan plan, String model, String machine) {
  private static final double MIB = 1 << 20;
  private static final List<String> UNITS = List.of("qkv", "o", "gate_up", "down");

  void print(Terminal terminal) {
    Table table =
        new Table()
            .text("")
            .text("mix")
            .number("weights")
            .number("bits")
            .number("KL predicted")
            .number("measured")
            .number("perplexity")
            .number("± se")
            .text("of");
    for (MixPoint point : points()) {
      boolean chosen = point.equals(plan.chosen());
      List<String> cells = cells(point);
      table.row(
          chosen ? terminal.outStyle().green("→") : "",
          cells.get(0),
          cells.get(1),
          cells.get(2),
          cells.get(3),
          cells.get(4),
          cells.get(5),
          cells.get(6),
          cells.get(7));
    }
    table.print(terminal.out(), terminal.outStyle());
    plan.notes().forEach(terminal::note);
    terminal.note(
        "KL: divergence from the original's predictions in nats on the calibration text; predicted:"
            + " the sum of layers measured alone");
  }

  /** Mixes and uniform schemes by size. */
  private List<MixPoint> points() {
    return Stream.concat(plan.frontier().stream(), plan.uniform().stream())
        .sorted(Comparator.comparingLong(MixPoint::bytes))
        .toList();
  }

  private static List<String> cells(MixPoint p) {
    boolean uniform = p.name().startsWith("all ");
    return List.of(
        p.name(),
        Human.bytes(p.bytes()),
        String.format(Locale.ROOT, "%.2f", p.bits()),
        CompareReport.small(p.predicted()),
        CompareReport.small(p.measured().divergence()),
        Human.change(p.measured().change()),
        CompareReport.percent(p.measured().standardError()),
        uniform ? "" : p.mix().toString());
  }

  /** What was chosen, a line each. */
  private List<String> summary() {
    MixPoint chosen = plan.chosen();
    return List.of(
        "%s; %s of weights, %.2f bits each in the decoder's linear layers"
            .formatted(chosen.mix(), Human.bytes(chosen.bytes()), chosen.bits()),
        "on the calibration text: KL %.5f, perplexity %s"
            .formatted(chosen.measured().divergence(), Human.change(chosen.measured().change())));
  }

  HtmlReport page() {
    HtmlReport page =
        new HtmlReport(model + ": a scheme for every layer", plan.budget() + "; " + machine);
    summary().forEach(page::paragraph);
    page.figures(List.of(frontier(), map()));
    page.heading("Mixes and single schemes, by size");
    page.table(
        Column.of(
            List.of("mix"),
            List.of("weights", "bits", "KL predicted", "KL measured", "perplexity", "± se", "of")),
        points().stream().map(AutoReport::cells).toList());
    page.paragraph(
        "KL: mean Kullback-Leibler divergence from the original's predictions, in nats. Predicted: "
            + "the sum over the layers, each measured alone; measured: the whole mix.");
    return page;
  }

  private String frontier() {
    List<Series> series = new ArrayList<>();
    series.add(new Series("mixes", points(plan.frontier(), false), true));
    series.add(new Series("one scheme for all", points(plan.uniform(), true), false));
    series.add(new Series("chosen", points(List.of(plan.chosen()), false), false));
    return new Chart("Size against loss, measured", "weights, MiB", "KL, nats", false, true, series)
        .html();
  }

  /** Without what loses nothing, which has no place on a logarithmic axis. */
  private static List<Point> points(List<MixPoint> points, boolean named) {
    return points.stream()
        .filter(p -> p.measured().divergence() > 1e-9)
        .map(
            p ->
                new Point(
                    p.bytes() / MIB,
                    p.measured().divergence(),
                    named ? p.name().substring("all ".length()) : ""))
        .toList();
  }

  /** Which unit became what; darker for more bits. */
  private String map() {
    List<HeatMap.Row> rows = new ArrayList<>();
    List<Unit> units = plan.chosen().mix().units();
    List<Candidate> chosen = plan.chosen().mix().candidates();
    for (int u = 0; u < units.size(); u += UNITS.size()) {
      List<Candidate> layer = chosen.subList(u, u + UNITS.size());
      rows.add(
          new HeatMap.Row(
              "layer " + units.get(u).layer(),
              layer.stream().map(AutoReport::bits).toList(),
              layer.stream().map(Candidate::label).toList()));
    }
    return new HeatMap("What every layer becomes, darker for more bits", UNITS, rows).html();
  }

  private static double bits(Candidate candidate) {
    return candidate.scheme() == null ? 16 : candidate.scheme().bitsPerWeight(4096);
  }
}
