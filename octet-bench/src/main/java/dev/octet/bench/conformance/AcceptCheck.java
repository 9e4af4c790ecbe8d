package dev.octet.bench.conformance;

import dev.octet.bench.conformance.CaseResult.Measure;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/** Opens unusual but valid input, and compares the tensors in it where they are known. */
final class AcceptCheck {
  private static final Measure EXACT = new Measure(0, 0, null);

  private final Opener opener;

  AcceptCheck(Opener opener) {
    this.opener = opener;
  }

  CaseResult run(AcceptCase c) {
    opener.open(c.open());
    if (c.expected() == null) {
      return CaseResult.pass(c, "loaded");
    }
    List<String> problems = new ArrayList<>();
    try (SafetensorsFile got = SafetensorsFile.open(c.open());
        ExpectedFile expected = ExpectedFile.open(c.expected())) {
      expected
          .tensors()
          .forEach((name, e) -> compare(name, e, got.tensors()).ifPresent(problems::add));
      return problems.isEmpty()
          ? CaseResult.pass(c, EXACT, "loaded, " + expected.tensors().size() + " tensors bit-exact")
          : CaseResult.fail(c, String.join("; ", problems));
    }
  }

  private static Optional<String> compare(
      String name, Tensor expected, SortedMap<String, Tensor> stored) {
    Tensor got = stored.get(name);
    if (got == null) {
      got = namedByType(name, stored);
    }
    if (got == null || got.size() != expected.size()) {
      return Optional.of("tensor '" + name + "' is " + (got == null ? "absent" : got.toString()));
    }
    for (long i = 0; i < expected.size(); i++) {
      // Not by ==, which takes −0 for 0 and no NaN for itself.
      if (Float.floatToIntBits(got.getFloat(i)) != Float.floatToIntBits(expected.getFloat(i))) {
        return Optional.of(
            "tensor '%s' holds %s at %d, not %s"
                .formatted(name, got.getFloat(i), i, expected.getFloat(i)));
      }
    }
    return Optional.empty();
  }

  /**
   * {@code f32} stands for the only tensor whose name begins with {@code unaligned} and goes on
   * with that word: names outside ASCII are not repeated in the expected file.
   */
  private static @Nullable Tensor namedByType(String type, SortedMap<String, Tensor> stored) {
    List<Tensor> found =
        stored.entrySet().stream()
            .filter(e -> e.getKey().startsWith("unaligned " + type))
            .map(Map.Entry::getValue)
            .toList();
    return found.size() == 1 ? found.getFirst() : null;
  }
}
