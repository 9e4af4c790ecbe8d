package dev.octet.quantize.observe;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Which observer, and its one number.
 *
 * @param kind which
 * @param number per cent of {@code percentile} and {@code window}, the averaging constant of {@code
 *     running}; 0 for the others
 */
public record ObserverSpec(Kind kind, double number) {
  /** Nothing is clipped. */
  public static final ObserverSpec MIN_MAX = new ObserverSpec(Kind.MINMAX, 0);

  /** What there is. */
  public enum Kind {
    /** The smallest and the largest value. */
    MINMAX(0),
    /** The magnitude below which so many per cent lie. */
    PERCENTILE(99.99),
    /** The least squared error of rounding and clipping. */
    MSE(0),
    /** The least Kullback–Leibler divergence. */
    ENTROPY(0),
    /** Extremes averaged over batches. */
    RUNNING(0.01),
    /** The shortest window that holds so many per cent. */
    WINDOW(99.99);

    private final double usual;

    Kind(double usual) {
      this.usual = usual;
    }

    String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * @throws IllegalArgumentException if the number is none for that kind
   */
  public ObserverSpec {
    double most = kind == Kind.RUNNING ? 1 : 100;
    if (kind.usual == 0 ? number != 0 : !(number > 0 && number <= most)) {
      throw new IllegalArgumentException(
          kind.usual == 0
              ? "observer " + kind.label() + " takes no number"
              : "observer %s takes a number in (0, %s], not %s"
                  .formatted(kind.label(), number(most), number));
    }
  }

  /**
   * From its name: {@code minmax}, {@code percentile}, {@code percentile:99.9}, {@code mse}, {@code
   * entropy}, {@code running:0.01}, {@code window:99.99}.
   *
   * @throws IllegalArgumentException for another name, listing the known ones
   */
  public static ObserverSpec of(String text) {
    int colon = text.indexOf(':');
    String name = colon < 0 ? text : text.substring(0, colon);
    Kind kind =
        Arrays.stream(Kind.values())
            .filter(k -> k.label().equals(name.toLowerCase(Locale.ROOT)))
            .findFirst()
            .orElseThrow(() -> unknown(text));
    if (colon < 0) {
      return new ObserverSpec(kind, kind.usual);
    }
    try {
      return new ObserverSpec(kind, Double.parseDouble(text.substring(colon + 1)));
    } catch (NumberFormatException e) {
      throw unknown(text);
    }
  }

  private static IllegalArgumentException unknown(String text) {
    return new IllegalArgumentException(
        "unknown observer '%s'; choose one of %s"
            .formatted(
                text,
                Arrays.stream(Kind.values())
                    .map(k -> k.usual == 0 ? k.label() : k.label() + ":" + number(k.usual))
                    .collect(Collectors.joining(", "))));
  }

  /** A new observer for codes of that kind. */
  public Observer create(CodeGrid grid) {
    return switch (kind) {
      case MINMAX -> new Extremes();
      case RUNNING -> new MovingAverage(number);
      case PERCENTILE -> new HistogramObserver(new ClippingRule.Percentile(number));
      case WINDOW ->
          number == 100 ? new Extremes() : new HistogramObserver(new ClippingRule.Window(number));
      case MSE -> new HistogramObserver(new ClippingRule.LeastSquares(grid));
      case ENTROPY -> new HistogramObserver(new ClippingRule.Entropy(grid));
    };
  }

  /** As {@link #of} reads it. */
  @Override
  public String toString() {
    return kind.usual == 0 ? kind.label() : kind.label() + ":" + number(number);
  }

  private static String number(double value) {
    return value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value);
  }
}
