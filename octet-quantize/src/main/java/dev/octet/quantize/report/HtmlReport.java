package dev.octet.quantize.report;

import dev.octet.checkpoint.WholeFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** A page of headings, paragraphs, tables and charts. It holds all it needs in itself. */
public final class HtmlReport {
  private final String title;
  private final Markup body = new Markup();

  /**
   * @param title at the top
   * @param subtitle under it
   */
  public HtmlReport(String title, String subtitle) {
    this.title = title;
    body.open("header").element("h1", title).element("p", subtitle).close("header").line();
  }

  public HtmlReport heading(String text) {
    body.element("h2", text).line();
    return this;
  }

  public HtmlReport paragraph(String text) {
    body.element("p", text).line();
    return this;
  }

  /** A paragraph with a coloured edge: {@code good}, {@code fair} or {@code poor}. */
  public HtmlReport verdict(String level, String name, String text) {
    body.open("p", "class", "verdict " + level).element("b", name).text(" " + text).close("p");
    body.line();
    return this;
  }

  /** Charts and maps, beside each other where there is room. */
  public HtmlReport figures(List<String> figures) {
    body.open("div", "class", "figures").line();
    figures.forEach(body::raw);
    body.close("div").line();
    return this;
  }

  /**
   * A table.
   *
   * @param titles of the columns
   * @param rows as many cells each
   */
  public HtmlReport table(List<Column> titles, List<List<String>> rows) {
    body.open("div", "class", "scroll").open("table").open("thead").open("tr");
    titles.forEach(t -> cell("th", t.title(), t));
    body.close("tr").close("thead").open("tbody").line();
    for (List<String> row : rows) {
      if (row.size() != titles.size()) {
        throw new IllegalArgumentException(row.size() + " cells for " + titles.size());
      }
      body.open("tr");
      for (int c = 0; c < row.size(); c++) {
        cell("td", row.get(c), titles.get(c));
      }
      body.close("tr").line();
    }
    body.close("tbody").close("table").close("div").line();
    return this;
  }

  private void cell(String element, String text, Column column) {
    if (column.number()) {
      body.element(element, text, "class", "n");
    } else {
      body.element(element, text);
    }
  }

  /**
   * A column of a table.
   *
   * @param number whether its cells touch the right edge
   */
  public record Column(String title, boolean number) {
    /** Columns of text, then columns of numbers. */
    public static List<Column> of(List<String> texts, List<String> numbers) {
      List<Column> columns = new ArrayList<>();
      texts.forEach(t -> columns.add(new Column(t, false)));
      numbers.forEach(t -> columns.add(new Column(t, true)));
      return columns;
    }
  }

  /** The whole page. */
  public String html() {
    Markup page = new Markup();
    page.raw("<!DOCTYPE html>\n").open("html", "lang", "en").open("head");
    page.empty("meta", "charset", "utf-8");
    page.empty("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    page.element("title", title).open("style").raw(style()).close("style").close("head").line();
    page.open("body").raw(body.toString()).close("body").close("html").line();
    return page.toString();
  }

  private static String style() {
    try (InputStream in = HtmlReport.class.getResourceAsStream("report.css")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Writes the page; the file appears whole or not at all. */
  public void write(Path file) {
    WholeFile.write(file, html());
  }
}
