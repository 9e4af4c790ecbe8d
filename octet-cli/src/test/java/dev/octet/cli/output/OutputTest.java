package dev.octet.cli.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class OutputTest {
  private static final PrintStream NOWHERE =
      new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8);

  @Test
  void tableColumnsLineUpWhateverTheyHold() {
    Table table = new Table().text("name").number("n");
    table.row("ab", "1").row("日本", "22").row("\u001b[1mx\u001b[0m", "333").row("e\u0301", "4");
    assertThat(table.lines(new Ansi(false)))
        .containsExactly(
            "name    n", "ab      1", "日本   22", "\u001b[1mx\u001b[0m     333", "e\u0301       4");
  }

  @Test
  void tableRefusesARowOfAnotherLength() {
    assertThatThrownBy(() -> new Table().text("a").row("x", "y"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("2 cells for 1 columns");
  }

  @Test
  void cuttingNeverSplitsACharacterNorPassesTheWidth() {
    assertThat(DisplayWidth.fit("日本語", 5)).isEqualTo("日本…");
    assertThat(DisplayWidth.fit("日本語", 4)).isEqualTo("日…");
    assertThat(DisplayWidth.fit("😀😀", 3)).isEqualTo("😀…");
    assertThat(DisplayWidth.fit("short", 5)).isEqualTo("short");
    assertThat(DisplayWidth.fit("short", 0)).isEmpty();
  }

  @Test
  void jsonIsOneLineWithEverythingEscaped() {
    Json json =
        new Json()
            .put("a\"b", "x\\y\n\u0001é")
            .put("d", 0.5)
            .put("nan", Double.NaN)
            .put("inf", Float.POSITIVE_INFINITY)
            .put("n", 3L)
            .put("t", true)
            .put("none", null)
            .put("list", List.of(new Json().put("x", 1), "two", List.of()));
    assertThat(json)
        .hasToString(
            "{\"a\\\"b\":\"x\\\\y\\n\\u0001é\",\"d\":0.5,\"nan\":null,\"inf\":null,\"n\":3,"
                + "\"t\":true,\"none\":null,\"list\":[{\"x\":1},\"two\",[]]}");
  }

  @Test
  void sizesTimesAndRatesReadWell() {
    assertThat(Human.bytes(1023)).isEqualTo("1023 B");
    assertThat(Human.bytes(1536)).isEqualTo("1.5 KiB");
    assertThat(Human.bytes(8L << 30)).isEqualTo("8.0 GiB");
    assertThat(Human.seconds(3.21)).isEqualTo("3.2 s");
    assertThat(Human.seconds(75)).isEqualTo("1:15");
    assertThat(Human.seconds(3723)).isEqualTo("1:02:03");
    assertThat(Human.rate(8.531)).isEqualTo("8.53");
    assertThat(Human.rate(1234.4)).isEqualTo("1234");
    assertThat(Human.change(0.00123)).isEqualTo("+0.12 %");
    assertThat(Human.change(-0.02)).isEqualTo("-2.00 %");
  }

  @Test
  void coloursAreForTerminalsWithoutNoColorOnly() {
    System.setProperty("octet.tty", "12");
    try {
      assertThat(style(Map.of("TERM", "xterm"))).isEqualTo("\u001b[31mx\u001b[0m");
      assertThat(style(Map.of("TERM", "xterm", "NO_COLOR", "1"))).isEqualTo("x");
      assertThat(style(Map.of("TERM", "xterm", "NO_COLOR", ""))).contains("\u001b");
      assertThat(style(Map.of("TERM", "dumb"))).isEqualTo("x");
      System.setProperty("octet.tty", "1");
      assertThat(style(Map.of("TERM", "xterm"))).isEqualTo("x");
    } finally {
      System.clearProperty("octet.tty");
    }
  }

  private static String style(Map<String, String> environment) {
    return Terminal.system(NOWHERE, NOWHERE, environment).errStyle().red("x");
  }

  @Test
  void offATerminalProgressIsPlainLinesAtEveryTenth() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Terminal terminal =
        Terminal.plain(NOWHERE, new PrintStream(bytes, true, StandardCharsets.UTF_8));
    long[] clock = {0};
    try (ProgressBar bar = new ProgressBar(terminal, "working", () -> clock[0])) {
      for (int i = 1; i <= 1000; i++) {
        clock[0] += 10_000_000;
        bar.update(i, 1000, "tensor " + i);
      }
    }
    assertThat(bytes.toString(StandardCharsets.UTF_8).lines())
        .hasSize(10)
        .startsWith("working 10% 9.0 s left")
        .endsWith("working 100% 10 s")
        .noneMatch(l -> l.contains("\r") || l.contains("\u001b"));
  }

  @Test
  void onATerminalProgressRedrawsOneLineThatFits() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Terminal terminal =
        new Terminal(
            NOWHERE, new PrintStream(bytes, true, StandardCharsets.UTF_8), true, true, true, 40);
    long[] clock = {0};
    try (ProgressBar bar = new ProgressBar(terminal, "working", () -> clock[0])) {
      for (int i = 1; i <= 100; i++) {
        clock[0] += 20_000_000;
        bar.update(i, 100, "a tensor with a very long name indeed");
      }
    }
    String text = bytes.toString(StandardCharsets.UTF_8);
    assertThat(text).doesNotContain("\n").endsWith("\r\u001b[K");
    String[] frames = text.replace("\u001b[K", "").split("\r");
    assertThat(frames).hasSizeBetween(15, 30);
    assertThat(frames).allSatisfy(f -> assertThat(DisplayWidth.of(f)).isLessThan(40));
  }
}
