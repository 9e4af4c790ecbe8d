package dev.octet.cli;

import dev.octet.cli.output.Human;
import dev.octet.cli.output.Json;
import dev.octet.cli.output.Table;
import dev.octet.cli.output.Terminal;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.LinearReport;
import dev.octet.quantize.sensitivity.Loss;
import dev.octet.quantize.sensitivity.SensitivityReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What every layer loses, for terminals and programs.
 *
 * @param text what it was measured on
 */
record AnalyzeReport(SensitivityReport found, Path model, String text) {

  /** Scheme by scheme a line for every linear layer, every decoder layer, and the whole. */
  List<Json> json() {
    List<Json> lines = new ArrayList<>();
    for (int s = 0; s < found.schemes().size(); s++) {
      String scheme = found.schemes().get(s).label();
      for (LinearReport linear : found.linears()) {
        lines.add(json(linear, scheme, linear.effects().get(s)));
      }
      for (int l = 0; l < found.layers().size(); l++) {
        lines.add(put(line("layer", scheme).put("layer", l), found.layers().get(l).get(s)));
      }
      lines.add(
          put(line("model", scheme), found.whole().get(s))
              .put("tokens", found.tokens())
              .put("perplexity", found.perplexity()));
    }
    return lines;
  }

  private Json line(String what, String scheme) {
    return new Json().put("what", what).put("path", model).put("input", text).put("scheme", scheme);
  }

  private Json json(LinearReport linear, String scheme, LinearReport.Effect effect) {
    Json json =
        line("linear", scheme)
            .put("module", linear.module())
            .put("layer", linear.unit().layer())
            .put("rows", linear.rows())
            .put("columns", linear.columns())
            .put("weight_error", effect.error().weight())
            .put("weight_snr_db", effect.error().decibels())
            .put("output_error", effect.error().output())
            .put("weight_kurtosis", linear.kurtosis())
            .put("input_kurtosis", linear.inputs().kurtosis())
            .put("outlier_channels", linear.inputs().outliers())
            .put("worst_channel_ratio", linear.inputs().worst());
    return put(json, effect.loss());
  }

  private static Json put(Json json, @Nullable Loss loss) {
    return loss == null
        ? json
        : json.put("kl", loss.divergence())
            .put("nll_change", loss.nllChange())
            .put("nll_standard_error", loss.standardError())
            .put("perplexity_change", loss.change());
  }

  /** {@code 12.3 %} without a sign. */
  static String percent(double share) {
    return String.format(Locale.ROOT, share < 0.001 ? "%.3f %%" : "%.2f %%", 100 * share);
  }

  static String decimals(double value) {
    return String.format(Locale.ROOT, "%.1f", value);
  }

  /** Thousandths of a nat: divergences of single layers are small. */
  static String millinats(double divergence) {
    double milli = 1000 * divergence;
    return String.format(Locale.ROOT, milli < 0.1 ? "%.4f" : milli < 10 ? "%.3f" : "%.1f", milli);
  }

  void print(Terminal terminal, int top) {
    for (int s = 0; s < found.schemes().size(); s++) {
      terminal.out().println(terminal.outStyle().cyan(title(s)));
      ranking(s, top).print(terminal.out(), terminal.outStyle());
      terminal.out().println(summary(s));
      terminal.out().println();
    }
    terminal.note(
        "%s: %d tokens predicted, perplexity %.3f unquantized; mnat: thousandths of a nat"
            .formatted(text, found.tokens(), found.perplexity()));
  }

  private String title(int s) {
    Candidate scheme = found.schemes().get(s);
    return "%s: the most sensitive of %d linear layers"
        .formatted(scheme.scheme() == null ? scheme : scheme.scheme(), found.linears().size());
  }

  private Table ranking(int s, int top) {
    Table table =
        new Table()
            .text("layer")
            .number("KL, mnat")
            .number("perplexity")
            .number("output")
            .number("weights")
            .number("SNR, dB")
            .number("kurtosis w")
            .number("x")
            .number("outliers")
            .number("worst");
    found.ranking(s).stream().limit(top).forEach(l -> add(table, l, l.effects().get(s)));
    return table;
  }

  private static void add(Table table, LinearReport linear, LinearReport.Effect effect) {
    Loss loss = effect.loss();
    table.row(
        linear.unit().toString(),
        loss == null ? "" : millinats(loss.divergence()),
        loss == null ? "" : Human.change(loss.change()),
        percent(effect.error().output()),
        percent(effect.error().weight()),
        decimals(effect.error().decibels()),
        decimals(linear.kurtosis()),
        decimals(linear.inputs().kurtosis()),
        Integer.toString(linear.inputs().outliers()),
        decimals(linear.inputs().worst()) + "×");
  }

  /** Whether losses add up, which a choice of layers must know. */
  String summary(int s) {
    Loss whole = found.whole().get(s);
    String all =
        "all at once: KL %s mnat, perplexity %s"
            .formatted(millinats(whole.divergence()), Human.change(whole.change()));
    return found.layers().isEmpty()
        ? all
        : all
            + String.format(
                Locale.ROOT,
                "; each alone they sum to %s mnat (%.2f of it)",
                millinats(found.sum(s)),
                found.sum(s) / whole.divergence());
  }
}
