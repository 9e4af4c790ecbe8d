package dev.octet.bench.conformance;

import java.nio.file.Files;
import java.time.Duration;
import java.util.Optional;

/** Opens broken input and judges the error that comes of it. */
final class MalformedCheck {
  /** Processor's time within which broken input must be refused. */
  static final Duration TIME_LIMIT = Duration.ofSeconds(5);

  /** Heap that refusing it may take: nothing is to be allocated according to a declared size. */
  static final long HEAP_LIMIT = 64L << 20;

  private final Opener opener;

  MalformedCheck(Opener opener) {
    this.opener = opener;
  }

  CaseResult run(MalformedCase c) {
    if (!Files.exists(c.open())) {
      return CaseResult.fail(c, "case.json opens " + c.open().getFileName() + ", which is absent");
    }
    Attempt attempt = Attempt.of(() -> opener.open(c.open()), TIME_LIMIT);
    if (attempt.timedOut()) {
      return CaseResult.fail(
          c, "not refused within " + TIME_LIMIT.toSeconds() + " seconds of computing");
    }
    Throwable thrown = attempt.thrown();
    if (thrown == null) {
      return CaseResult.fail(c, "accepted: opening it raised no error");
    }
    Optional<String> flaw = Refusal.flaw(c.open(), thrown);
    if (flaw.isPresent()) {
      return CaseResult.fail(c, flaw.get());
    }
    if (attempt.allocated() > HEAP_LIMIT) {
      return CaseResult.fail(
          c, "refused, but only after allocating " + (attempt.allocated() >> 20) + " MiB");
    }
    return CaseResult.pass(c, "refused: " + thrown.getMessage());
  }
}
