package dev.octet.bench.conformance;

import dev.octet.bench.conformance.CaseResult.Measure;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Runs every codec that this build has over the numbers and codes of a codec case. A case with
 * codes of formats not built yet is skipped, with a word on what did hold; one wrong bit in a codec
 * that is built fails it all the same.
 */
final class CodecCheck {
  private static final Measure EXACT = new Measure(0, 0, null);

  private CodecCheck() {}

  static CaseResult run(CodecCase c) {
    try (ExpectedFile file = ExpectedFile.open(c.expected())) {
      SortedSet<String> unchecked = new TreeSet<>(file.tensors().keySet());
      List<String> exact = new ArrayList<>();
      List<String> problems = new ArrayList<>();
      for (CodecPart part : CodecPart.all()) {
        if (!file.has(part.result())) {
          continue;
        }
        Optional<String> problem = part.check().apply(file);
        problem.ifPresentOrElse(
            p -> problems.add(part.name() + ": " + p), () -> exact.add(part.name()));
        unchecked.removeAll(part.tensors());
      }
      if (!problems.isEmpty()) {
        return CaseResult.fail(c, String.join("; ", problems));
      }
      String checked = exact.isEmpty() ? "" : "bit-exact: " + String.join(", ", exact);
      if (exact.isEmpty() || !unchecked.isEmpty()) {
        return CaseResult.skip(
            c,
            "not built yet: "
                + String.join(", ", unchecked)
                + (checked.isEmpty() ? "" : "; " + checked));
      }
      return CaseResult.pass(c, EXACT, checked);
    }
  }
}
