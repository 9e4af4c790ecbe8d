package dev.octet.bench.conformance;

import dev.octet.bench.conformance.CaseResult.Measure;
import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/**
 * Runs an attention case through every kind of attention, each both over keys and values at hand
 * and over a cache of the type that goes with it, and reports the one nearest to (or farthest
 * beyond) its limit.
 *
 * <p>Large scores can make rounding the inputs to BF16, which is what that kind of attention is,
 * move the log-sum-exp by more than its limit whatever the kernel does. The kernel is then held to
 * the same limit around the exact log-sum-exp of the rounded inputs, and the line says so.
 */
final class AttentionCheck {
  /** A kind of attention, the cache to run it over (null: none), and the limit it is held to. */
  private record Variant(AttentionKind kind, @Nullable KvType cache, String tolerance) {
    @Override
    public String toString() {
      return cache == null ? kind.label() : kind.label() + "/" + cache.label() + "-cache";
    }
  }

  private static final List<Variant> VARIANTS =
      List.of(
          new Variant(AttentionKind.F32, null, "f32"),
          new Variant(AttentionKind.F32, KvType.F32, "f32"),
          new Variant(AttentionKind.BF16, null, "bf16"),
          new Variant(AttentionKind.BF16, KvType.BF16, "bf16"),
          new Variant(AttentionKind.INT8, null, "int8"),
          new Variant(AttentionKind.INT8, KvType.INT8, "int8"),
          new Variant(AttentionKind.INT8_FAST, null, "int8"),
          new Variant(AttentionKind.INT8_FAST, KvType.INT8, "int8"),
          new Variant(AttentionKind.INT8_BF16, null, "int8"),
          new Variant(AttentionKind.INT8_BF16, KvType.INT8, "int8"));

  /** What a variant measured; {@code rounded}: against the log-sum-exp of rounded inputs. */
  private record Outcome(
      Variant variant, Measure measure, double lse, double lseLimit, boolean rounded) {
    boolean holds() {
      return measure.holds() && lse <= lseLimit;
    }

    double ratio() {
      return holds() == measure.holds() ? measure.ratio() : Double.POSITIVE_INFINITY;
    }
  }

  private record Results(float[] o, float[] lse) {}

  private final AttentionKernels kernels;

  AttentionCheck(AttentionKernels kernels) {
    this.kernels = kernels;
  }

  CaseResult run(AttentionCase c) {
    AttentionCase.Shape s = c.shape();
    try (ExpectedFile file = ExpectedFile.open(c.expected());
        Arena arena = Arena.ofShared()) {
      Results expected =
          new Results(
              file.getFloats("o", s.heads(), s.queries(), s.valueDim()),
              file.getFloats("lse", s.heads(), s.queries()));
      List<AttentionInput> inputs = AttentionInput.of(c, file, arena);
      List<Outcome> outcomes = new ArrayList<>();
      for (Variant variant : VARIANTS) {
        Results got = compute(variant, s, inputs);
        Outcome outcome = compare(variant, c.tolerances(), got, expected);
        boolean again = variant.kind == AttentionKind.BF16 && outcome.lse > outcome.lseLimit;
        outcomes.add(again ? ofRounded(outcome, s, inputs, got, arena) : outcome);
      }
      return judge(c, outcomes);
    }
  }

  /** Judges the log-sum-exp by what exact attention makes of inputs rounded to BF16. */
  private Outcome ofRounded(
      Outcome o, AttentionCase.Shape s, List<AttentionInput> inputs, Results got, Arena arena) {
    List<AttentionInput> rounded = inputs.stream().map(i -> i.rounded(arena)).toList();
    double error = lseError(got.lse, compute(VARIANTS.getFirst(), s, rounded).lse);
    return new Outcome(o.variant, o.measure, error, o.lseLimit, true);
  }

  private static CaseResult judge(AttentionCase c, List<Outcome> outcomes) {
    Outcome worst = outcomes.stream().max(Comparator.comparingDouble(Outcome::ratio)).orElseThrow();
    StringBuilder text = new StringBuilder("kind=" + worst.variant);
    text.append(" lse=").append(CaseResult.number(worst.lse));
    text.append(" lse_limit=").append(CaseResult.number(worst.lseLimit));
    List<String> others = new ArrayList<>();
    List<String> notes = new ArrayList<>();
    for (Outcome o : outcomes) {
      if (!o.equals(worst)) {
        String failed = o.holds() ? "" : " FAILS (lse " + CaseResult.number(o.lse) + ")";
        others.add(o.variant + " " + CaseResult.number(o.measure.relL1()) + failed);
      }
      if (o.rounded) {
        notes.add("lse of " + o.variant + " held to that of BF16 inputs");
      }
    }
    text.append(" (").append(String.join(", ", others)).append(')');
    notes.forEach(note -> text.append("; ").append(note));
    return outcomes.stream().allMatch(Outcome::holds)
        ? CaseResult.pass(c, worst.measure, text.toString())
        : CaseResult.fail(c, worst.measure, text.toString());
  }

  private static Outcome compare(
      Variant variant, SortedMap<String, Tolerance> limits, Results got, Results expected) {
    Tolerance limit = limits.get(variant.tolerance);
    if (limit == null) {
      throw new CaseException("tolerance '" + variant.tolerance + "' is missing");
    }
    String name = variant.tolerance.equals("f32") ? null : variant.tolerance;
    return new Outcome(
        variant,
        new Measure(Distance.relL1(got.o, expected.o), limit.maxRelL1(), name),
        lseError(got.lse, expected.lse),
        limit.lseMaxAbs(),
        false);
  }

  /** Largest difference where finite; infinite where one is −∞ or NaN and the other is not. */
  private static double lseError(float[] got, float[] expected) {
    double worst = 0;
    for (int i = 0; i < got.length; i++) {
      if (got[i] != expected[i]) {
        double difference = Math.abs((double) got[i] - expected[i]);
        worst = Math.max(worst, difference >= 0 ? difference : Double.POSITIVE_INFINITY);
      }
    }
    return worst;
  }

  private Results compute(Variant variant, AttentionCase.Shape s, List<AttentionInput> inputs) {
    float[] o = new float[s.heads() * s.queries() * s.valueDim()];
    float[] lse = new float[s.heads() * s.queries()];
    Arrays.fill(o, Float.NaN); // what a kernel leaves out shows
    Arrays.fill(lse, Float.NaN);
    for (AttentionInput input : inputs) {
      if (input.queries() > 0) {
        attend(variant, s, input, o, lse);
      }
    }
    return new Results(o, lse);
  }

  private void attend(
      Variant variant, AttentionCase.Shape s, AttentionInput in, float[] o, float[] lse) {
    int m = in.queries();
    try (Arena arena = Arena.ofShared()) {
      Tensor out = Tensor.allocate(arena, DType.F32, m, s.heads(), s.valueDim());
      Tensor sums = Tensor.allocate(arena, DType.F32, s.heads(), m);
      if (variant.cache == null) {
        kernels.attend(variant.kind, in.spec(), in.q(), in.k(), in.v(), out, sums);
      } else {
        KvSpec spec = new KvSpec(s.kvHeads(), s.dim(), s.valueDim(), variant.cache, null);
        try (KvLayer cache = kernels.newKvLayer(spec)) {
          cache.append(in.k(), in.v());
          kernels.attend(variant.kind, in.spec(), in.q(), cache, out, sums);
        }
      }
      for (int h = 0; h < s.heads(); h++) {
        for (int i = 0; i < m; i++) {
          int row = h * s.queries() + in.firstQuery() + i;
          lse[row] = sums.getFloat((long) h * m + i);
          for (int d = 0; d < s.valueDim(); d++) {
            o[row * s.valueDim() + d] = out.getFloat(((long) i * s.heads() + h) * s.valueDim() + d);
          }
        }
      }
    }
  }
}
