package dev.octet.bench.conformance;

import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The outcome of one case.
 *
 * @param id the case
 * @param kind {@code model}, {@code attention}, {@code codec}, {@code malformed} …
 * @param status whether it passed
 * @param measure what was measured against which limit, if something was
 * @param message what else there is to say; empty if nothing
 * @param millis how long it took
 */
public record CaseResult(
    String id,
    String kind,
    Status status,
    Optional<Measure> measure,
    String message,
    double millis) {

  /** Outcomes. */
  public enum Status {
    PASS,
    FAIL,
    /** Not run: the case needs a format or feature that is not built. */
    SKIP
  }

  /**
   * A distance and what it may be at most.
   *
   * @param relL1 {@code sum|got - expected| / sum|expected|}
   * @param limit the largest that passes
   * @param tolerance name of the limit, null if it is the strict one
   */
  public record Measure(double relL1, double limit, @Nullable String tolerance) {
    /** How much of the limit is used; NaN counts as far beyond. */
    double ratio() {
      if (Double.isNaN(relL1)) {
        return Double.POSITIVE_INFINITY;
      }
      return limit > 0 ? relL1 / limit : relL1 > 0 ? Double.POSITIVE_INFINITY : 0;
    }

    boolean holds() {
      return relL1 <= limit;
    }

    @Override
    public String toString() {
      String text = "relL1=" + number(relL1) + " limit=" + number(limit);
      return tolerance == null ? text : text + " tol=" + tolerance;
    }
  }

  static CaseResult of(ConformanceCase c, Status status, Optional<Measure> measure, String text) {
    return new CaseResult(c.id(), c.kind(), status, measure, text, 0);
  }

  static CaseResult pass(ConformanceCase c, Measure measure, String message) {
    return of(c, Status.PASS, Optional.of(measure), message);
  }

  static CaseResult pass(ConformanceCase c, String message) {
    return of(c, Status.PASS, Optional.empty(), message);
  }

  static CaseResult fail(ConformanceCase c, String message) {
    return of(c, Status.FAIL, Optional.empty(), message);
  }

  static CaseResult fail(ConformanceCase c, Measure measure, String message) {
    return of(c, Status.FAIL, Optional.of(measure), message);
  }

  static CaseResult skip(ConformanceCase c, String message) {
    return of(c, Status.SKIP, Optional.empty(), message);
  }

  CaseResult took(double ms) {
    return new CaseResult(id, kind, status, measure, message, ms);
  }

  /** The outcome in one line: {@code PASS <case> relL1=<x> limit=<y>}. */
  public String line() {
    StringBuilder line = new StringBuilder(status.name()).append(' ').append(id);
    measure.ifPresent(m -> line.append(' ').append(m));
    if (!message.isEmpty()) {
      line.append(' ').append(message.strip().replaceAll("\\s*[\\r\\n]+\\s*", " "));
    }
    return line.toString();
  }

  /** Three significant digits, without a trailing run of zeros. */
  static String number(double value) {
    if (value == 0 || Double.isNaN(value) || Double.isInfinite(value)) {
      return value == 0 ? "0" : Double.toString(value);
    }
    String text = String.format(Locale.ROOT, "%.3g", value);
    if (text.contains("e")) {
      return text.replaceFirst("\\.?0*e", "e");
    }
    return text.contains(".") ? text.replaceFirst("\\.?0+$", "") : text;
  }
}
