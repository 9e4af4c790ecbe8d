package dev.octet.train;

import java.nio.file.Path;

/**
 * A text file to train on and how much it counts.
 *
 * @param file UTF-8 text; a line {@code <|endoftext|>} stands between documents
 * @param weight how often its tokens are drawn compared with those of a file of weight 1
 */
public record TextSource(Path file, double weight) {
  /** Refuses weights that are not positive numbers. */
  public TextSource {
    if (!(weight > 0) || !Double.isFinite(weight)) {
      throw new TrainException(
          "the weight of %s must be a positive number, not %s".formatted(file, weight));
    }
  }

  /** Reads {@code FILE} or {@code FILE@WEIGHT}, such as {@code tales.txt@8}. */
  public static TextSource parse(String text) {
    int at = text.lastIndexOf('@');
    if (at > 0) {
      try {
        return new TextSource(
            Path.of(text.substring(0, at)), Double.parseDouble(text.substring(at + 1)));
      } catch (NumberFormatException e) {
        return new TextSource(Path.of(text), 1);
      }
    }
    return new TextSource(Path.of(text), 1);
  }
}
