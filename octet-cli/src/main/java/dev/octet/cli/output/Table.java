package dev.octet.cli.output;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Columns that line up: text to the left, numbers to the right, two spaces between. */
public final class Table {
  private static final String GAP = "  ";

  /** Which edge a column's cells touch. */
  public enum Align {
    LEFT,
    RIGHT
  }

  private record Column(String title, Align align) {}

  private final List<Column> columns = new ArrayList<>();

  /** An empty row is a blank line. */
  private final List<List<String>> rows = new ArrayList<>();

  /** A table without columns. */
  public Table() {}

  /** Adds a column of text. */
  public Table text(String title) {
    columns.add(new Column(title, Align.LEFT));
    return this;
  }

  /** Adds a column of numbers. */
  public Table number(String title) {
    columns.add(new Column(title, Align.RIGHT));
    return this;
  }

  /** Adds a row of as many cells as there are columns; they may hold escape sequences. */
  public Table row(String... cells) {
    if (cells.length != columns.size()) {
      throw new IllegalArgumentException(
          cells.length + " cells for " + columns.size() + " columns");
    }
    rows.add(List.copyOf(Arrays.asList(cells)));
    return this;
  }

  /** Adds a blank line. */
  public Table blank() {
    rows.add(List.of());
    return this;
  }

  /** The table's lines, title first, no blanks at their ends. */
  public List<String> lines(Ansi style) {
    int[] widths = widths();
    List<String> lines = new ArrayList<>();
    List<String> titles = columns.stream().map(Column::title).toList();
    if (titles.stream().anyMatch(t -> !t.isEmpty())) {
      lines.add(style.bold(line(titles, widths)));
    }
    for (List<String> row : rows) {
      lines.add(row.isEmpty() ? "" : line(row, widths));
    }
    return lines;
  }

  public void print(PrintStream out, Ansi style) {
    lines(style).forEach(out::println);
  }

  /** {@code text} cut to {@code columns} of a terminal, with an ellipsis where it was cut. */
  public static String fit(String text, int columns) {
    return DisplayWidth.fit(text, columns);
  }

  private int[] widths() {
    int[] widths = new int[columns.size()];
    for (int c = 0; c < widths.length; c++) {
      widths[c] = DisplayWidth.of(columns.get(c).title());
      for (List<String> row : rows) {
        if (!row.isEmpty()) {
          widths[c] = Math.max(widths[c], DisplayWidth.of(row.get(c)));
        }
      }
    }
    return widths;
  }

  private String line(List<String> cells, int[] widths) {
    StringBuilder line = new StringBuilder();
    for (int c = 0; c < widths.length; c++) {
      String pad = " ".repeat(widths[c] - DisplayWidth.of(cells.get(c)));
      boolean left = columns.get(c).align() == Align.LEFT;
      line.append(c == 0 ? "" : GAP)
          .append(left ? cells.get(c) : pad)
          .append(left ? pad : cells.get(c));
    }
    return line.toString().stripTrailing();
  }
}
