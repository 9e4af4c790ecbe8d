package dev.octet.quantize.recipe;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Which text a recipe calibrates on.
 *
 * @param text UTF-8 file; null: the text that comes with Octet
 * @param samples sequences taken from it
 * @param length tokens of each
 * @param seed of the choice of sequences
 */
public record CalibrationData(@Nullable Path text, int samples, int length, long seed) {
  /** Octet's own text, 128 sequences of 512 tokens. */
  public static final CalibrationData USUAL = new CalibrationData(null, 128, 512, 0);

  /**
   * @throws IllegalArgumentException if there would be nothing to learn from
   */
  public CalibrationData {
    if (samples < 1 || length < 2) {
      throw new IllegalArgumentException(
          "calibration takes at least 1 sample of 2 tokens, not %d of %d"
              .formatted(samples, length));
    }
  }
}
