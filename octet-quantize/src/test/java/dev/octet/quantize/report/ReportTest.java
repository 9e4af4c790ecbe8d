package dev.octet.quantize.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.quantize.report.HtmlReport.Column;
import dev.octet.quantize.report.Series.Point;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

class ReportTest {
  @TempDir private Path dir;

  private static Document parse(String figure) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(figure)));
  }

  private static List<String> figures() {
    Point odd = new Point(2, Double.NaN, "<odd>");
    return List.of(
        new Chart(
                "a & b",
                "x",
                "y",
                false,
                true,
                List.of(
                    new Series("<s>", List.of(new Point(1, 0.1, ""), odd), true),
                    new Series("t", List.of(new Point(3, 5, "here")), false)))
            .html(),
        new Bars(
                "b",
                List.of("one", "two"),
                List.of(new Bars.Group("g\"", List.of(1.0, Double.NaN), List.of("1", ""))))
            .html(),
        new HeatMap(
                "h",
                List.of("p", "q"),
                List.of(new HeatMap.Row("r", List.of(0.0, 3.0), List.of("0", "3"))))
            .html());
  }

  @Test
  void figuresAreWellFormedWhateverTheirNames() throws Exception {
    for (String figure : figures()) {
      assertThat(parse(figure).getElementsByTagName("svg").getLength()).isEqualTo(1);
    }
    Document chart = parse(figures().getFirst());
    assertThat(chart.getElementsByTagName("circle").getLength())
        .as("NaN has no place")
        .isEqualTo(2);
  }

  @Test
  void aPageNeedsNothingFromElsewhere() throws Exception {
    HtmlReport page = new HtmlReport("<t>", "s").figures(figures());
    page.heading("h").table(Column.of(List.of("a"), List.of("b")), List.of(List.of("x", "<1>")));
    Path file = dir.resolve("r.html");
    page.write(file);
    String html = Files.readString(file);
    assertThat(html)
        .startsWith("<!DOCTYPE html>")
        .contains("&lt;t&gt;", "&lt;1&gt;", "<style>")
        .doesNotContain("<script", "http:", "https:", "<t>", "@import", "url(", "src=");
    try (Stream<Path> left = Files.list(dir)) {
      assertThat(left).containsExactly(file);
    }
  }

  @Test
  void aPlaceThatCannotBeWrittenIsNamed() {
    Path nowhere = dir.resolve("no/such/folder/r.html");
    assertThatThrownBy(() -> new HtmlReport("t", "s").write(nowhere))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("r.html");
  }

  @Property(tries = 60)
  void everyValueLiesOnItsAxis(
      @ForAll @DoubleRange(min = -1e6, max = 1e6) double a,
      @ForAll @DoubleRange(min = -1e6, max = 1e6) double b) {
    Axis axis = Axis.over(DoubleStream.of(a, b), false);
    double slack = 1e-9 * Math.max(1, Math.max(Math.abs(a), Math.abs(b)));
    assertThat(axis.low()).isLessThanOrEqualTo(Math.min(a, b) + slack);
    assertThat(axis.high()).isGreaterThanOrEqualTo(Math.max(a, b) - slack);
    assertThat(axis.ticks()).hasSizeBetween(2, 14).isSorted();
    assertThat(axis.place(a)).isBetween(0.0, 1.0);
  }

  @Property(tries = 60)
  void aLogarithmicAxisHoldsPowersOfTen(
      @ForAll @DoubleRange(min = -7, max = 7) double first,
      @ForAll @DoubleRange(min = -7, max = 7) double second) {
    double a = Math.pow(10, first);
    double b = Math.pow(10, second);
    Axis axis = Axis.over(DoubleStream.of(a, b), true);
    double most = Math.max(a, b);
    assertThat(axis.high()).isGreaterThanOrEqualTo(most * (1 - 1e-6));
    assertThat(axis.low()).isLessThanOrEqualTo(Math.max(Math.min(a, b), most * 1e-9) * (1 + 1e-6));
    assertThat(axis.place(most)).isGreaterThan(0.0);
  }

  @Test
  void ticksReadAsPeopleWriteThem() {
    Axis axis = Axis.linear(0, 1);
    assertThat(axis.ticks().stream().map(axis::label)).startsWith("0", "0.2", "0.4");
    Axis decades = Axis.logarithmic(1e-6, 1e6);
    assertThat(decades.label(1e6)).isEqualTo("1e6");
    assertThat(decades.label(1e-6)).isEqualTo("1e-6");
  }
}
