package dev.octet.quantize.mixed;

import dev.octet.quantize.MemorySize;
import java.util.Locale;

/** What a mix of schemes must keep to. */
public sealed interface Budget {
  /**
   * All weights in memory, the embedding's and scales included.
   *
   * @param bytes at most
   */
  record Size(long bytes) implements Budget {
    @Override
    public String toString() {
      return "weights of at most " + MemorySize.of(bytes);
    }
  }

  /**
   * Change of perplexity on the text that sensitivities are measured on.
   *
   * @param change at most; 0.01 is one per cent
   */
  record Loss(double change) implements Budget {
    public Loss {
      if (!(change > 0)) {
        throw new IllegalArgumentException("a loss of " + change + " is not positive");
      }
    }

    @Override
    public String toString() {
      return String.format(Locale.ROOT, "a loss of at most %.3g %%", 100 * change);
    }
  }

  /**
   * Decoding on this machine.
   *
   * @param tokensPerSecond at least
   */
  record Speed(double tokensPerSecond) implements Budget {
    public Speed {
      if (!(tokensPerSecond > 0) || Double.isInfinite(tokensPerSecond)) {
        throw new IllegalArgumentException(tokensPerSecond + " tokens/s is no speed");
      }
    }

    @Override
    public String toString() {
      return String.format(Locale.ROOT, "at least %.1f tokens/s", tokensPerSecond);
    }
  }
}
