package dev.octet.quantize.mixed;

import dev.octet.quantize.Progress;
import dev.octet.quantize.sensitivity.Forecast;

/** Hears of the parts of a long task, one after another. */
@FunctionalInterface
public interface Phases {
  /** Says nothing. */
  Phases NONE = name -> Progress.NONE;

  /** A part begins; the one before has ended. */
  Progress begin(String name);

  /** What the next part, by far the longest, will take. */
  default void expect(Forecast forecast) {}
}
