package dev.octet.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LossLogTest {
  @TempDir Path directory;

  private static TrainListener.Progress step(long step, double loss) {
    return new TrainListener.Progress(step, 100, loss, 1e-3, 0.5, 4000, 60);
  }

  @Test
  void resumingDropsWhatTheInterruptedRunWroteAfterItsState() {
    Path file = directory.resolve("loss.jsonl");
    try (LossLog log = new LossLog(file, 0)) {
      LongStream.rangeClosed(1, 5).forEach(s -> log.train(step(s, 8.0 / s)));
      log.validation(3, 2.5);
    }
    try (LossLog log = new LossLog(file, 3)) {
      log.train(step(4, 1.5));
    }
    assertThat(LossLog.read(file))
        .extracting(LossLog.Entry::step)
        .containsExactly(1L, 2L, 3L, 3L, 4L);
    assertThat(LossLog.read(file)).last().isEqualTo(new LossLog.Entry(4, false, 1.5));
  }

  @Test
  void theChartHoldsEveryValidationAndIsWellFormed() throws Exception {
    Path file = directory.resolve("loss.jsonl");
    try (LossLog log = new LossLog(file, 0)) {
      LongStream.rangeClosed(1, 500).forEach(s -> log.train(step(s, 2 + 6.0 / s)));
      log.validation(200, 2.4);
      log.validation(400, 2.2);
    }
    String svg = LossChart.ofLog(file);
    assertThat(svg.split("<circle", -1)).hasSize(3);
    Path out = Files.writeString(directory.resolve("loss.svg"), svg);
    var factory = javax.xml.parsers.DocumentBuilderFactory.newInstance();
    assertThat(factory.newDocumentBuilder().parse(out.toFile()).getDocumentElement().getTagName())
        .isEqualTo("svg");
  }

  @Test
  void anEmptyLogHasNoChart() throws IOException {
    Path file = Files.createFile(directory.resolve("loss.jsonl"));
    assertThatThrownBy(() -> LossChart.ofLog(file)).isInstanceOf(TrainException.class);
  }
}
