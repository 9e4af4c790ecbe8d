package dev.octet.quantize.sensitivity;

import java.util.function.Consumer;

/**
 * What measuring will take, known once the model has run for the first time.
 *
 * @param seconds about
 * @param runs of the model from some layer on
 * @param known measurements that need no run, since an earlier one has made them
 * @param tokens of every run
 */
public record Forecast(double seconds, long runs, long known, int tokens) {
  /** Nobody listens. */
  public static final Consumer<Forecast> UNHEARD = _ -> {};
}
