package dev.octet.quantize.sensitivity;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer and what every scheme does to it.
 *
 * @param unit where it is
 * @param module its full name
 * @param rows output features
 * @param columns input features
 * @param kurtosis of the weights; 3 for a normal distribution
 * @param inputs what it is given
 * @param effects one a scheme
 */
public record LinearReport(
    Unit unit,
    String module,
    long rows,
    long columns,
    double kurtosis,
    InputProfile inputs,
    List<Effect> effects) {
  public LinearReport {
    effects = List.copyOf(effects);
  }

  /**
   * What one scheme does.
   *
   * @param error of the layer by itself
   * @param loss of the model if only this layer is quantized; null if that was not asked for
   */
  public record Effect(LinearError error, @Nullable Loss loss) {}
}
