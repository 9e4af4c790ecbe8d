package dev.octet.train;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The loss of every update, one JSON object a line: {@code {"step":1,"loss":8.31,"lr":1e-5}}, and
 * {@code {"step":100,"valid_loss":4.2}} for validation.
 */
final class LossLog implements AutoCloseable {
  /** A line of the log; {@code validation} tells which loss it is. */
  record Entry(long step, boolean validation, double loss) {}

  private static final Pattern LINE =
      Pattern.compile("\\{\"step\":(\\d+),\"(valid_)?loss\":([-+.0-9eE]+).*\\}");

  private final Path file;
  private final Writer out;

  /** Goes on after {@code step}: lines of later steps, from before an interruption, are dropped. */
  LossLog(Path file, long step) {
    this.file = file;
    try {
      List<String> kept = new ArrayList<>();
      if (step > 0 && Files.exists(file)) {
        for (String line : Files.readAllLines(file)) {
          Matcher matcher = LINE.matcher(line);
          if (matcher.matches() && Long.parseLong(matcher.group(1)) <= step) {
            kept.add(line);
          }
        }
      }
      Files.write(file, kept);
      out = Files.newBufferedWriter(file, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new TrainException(
          "cannot write the loss log " + file + ": " + TrainException.reason(e), e);
    }
  }

  void train(TrainListener.Progress p) {
    line(
        String.format(
            Locale.ROOT,
            "{\"step\":%d,\"loss\":%.5f,\"lr\":%.4e,\"grad_norm\":%.4f,\"tokens_per_s\":%.0f}",
            p.step(),
            p.loss(),
            p.learningRate(),
            p.gradientNorm(),
            p.tokensPerSecond()));
  }

  void validation(long step, double loss) {
    line(String.format(Locale.ROOT, "{\"step\":%d,\"valid_loss\":%.5f}", step, loss));
  }

  private void line(String line) {
    try {
      out.write(line + "\n");
    } catch (IOException e) {
      throw new TrainException(
          "cannot write the loss log " + file + ": " + TrainException.reason(e), e);
    }
  }

  void flush() {
    try {
      out.flush();
    } catch (IOException e) {
      throw new TrainException(
          "cannot write the loss log " + file + ": " + TrainException.reason(e), e);
    }
  }

  /** Reads a log. */
  static List<Entry> read(Path file) {
    try {
      List<Entry> entries = new ArrayList<>();
      for (String line : Files.readAllLines(file)) {
        Matcher matcher = LINE.matcher(line);
        if (matcher.matches()) {
          entries.add(
              new Entry(
                  Long.parseLong(matcher.group(1)),
                  matcher.group(2) != null,
                  Double.parseDouble(matcher.group(3))));
        }
      }
      return entries;
    } catch (IOException e) {
      throw new TrainException(
          "cannot read the loss log " + file + ": " + TrainException.reason(e), e);
    }
  }

  @Override
  public void close() {
    try {
      out.close();
    } catch (IOException e) {
      throw new TrainException(
          "cannot write the loss log " + file + ": " + TrainException.reason(e), e);
    }
  }
}
