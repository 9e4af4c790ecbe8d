package dev.octet.bench.conformance;

import dev.octet.bench.conformance.CaseResult.Measure;
import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Products;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Runs a model case: weights, then the logits of every position in one causal pass, exact (F32
 * attention and cache, unless the checkpoint itself quantizes them). With products in BF16 the
 * case's limit for BF16 intermediates holds.
 */
final class ModelCheck {
  private final Kernels kernels;

  ModelCheck(Kernels kernels) {
    this.kernels = kernels;
  }

  CaseResult run(ModelCase c) {
    try (Checkpoint checkpoint = Checkpoints.open(c.model());
        ExpectedFile expected = ExpectedFile.open(c.expected())) {
      WeightCheck.Outcome weights = WeightCheck.run(c, checkpoint, expected);
      int[] ids = expected.getInts("input_ids", -1);
      int vocab = checkpoint.config().vocabSize();
      float[] want = expected.getFloats("logits", ids.length, vocab);
      int[] argmax = expected.getInts("argmax", ids.length);
      float[] got = logits(checkpoint, ids, kernels);
      String rounded = kernels.products() == Products.BF16 ? "logits_bf16_intermediates" : null;
      double limit = limit(c, rounded == null ? "logits" : rounded);
      Measure strict = new Measure(Distance.relL1(got, want), limit, rounded);
      List<String> problems = new ArrayList<>(weights.problems());
      argmaxProblem(got, argmax, vocab).ifPresent(problems::add);
      if (strict.holds() && problems.isEmpty()) {
        return CaseResult.pass(c, strict, weights.summary());
      }
      Optional<Measure> other =
          weights.problems().isEmpty()
              ? alternative(c, expected, got, want, vocab)
              : Optional.empty();
      if (other.isPresent()) {
        return CaseResult.pass(c, other.get(), weights.summary());
      }
      if (!strict.holds()) {
        firstDifference(checkpoint, ids, expected, strict.limit()).ifPresent(problems::add);
      }
      return CaseResult.fail(c, strict, String.join("; ", problems));
    }
  }

  private static float[] logits(Checkpoint checkpoint, int[] ids, Kernels kernels) {
    try (CausalLm model = CausalLm.load(checkpoint, kernels, RunOptions.exact());
        KvCache cache = model.newCache()) {
      return model.forward(ids, cache, false).toFloats();
    }
  }

  /** Where the residual stream of the last two positions first leaves the expected one. */
  private Optional<String> firstDifference(
      Checkpoint checkpoint, int[] ids, ExpectedFile expected, double limit) {
    ModelConfig config = checkpoint.config();
    int width = config.hiddenSize();
    if (!expected.has("hidden") || config.qkNorm() && config.headDim() == width) {
      return Optional.empty();
    }
    ResidualTrace trace = new ResidualTrace(kernels, width, 2);
    logits(checkpoint, ids, trace);
    List<float[]> got = trace.streams();
    float[] hidden = expected.getFloats("hidden", config.layers() + 1L, 2, width);
    for (int i = 0; i < Math.min(got.size(), config.layers() + 1); i++) {
      float[] want = Arrays.copyOfRange(hidden, 2 * i * width, 2 * (i + 1) * width);
      double distance =
          got.get(i).length == want.length ? Distance.relL1(got.get(i), want) : Double.NaN;
      if (!(distance <= limit)) {
        String where = i == 0 ? "in the embedding" : "in layer " + (i - 1);
        return Optional.of("goes wrong " + where + ": hidden relL1=" + CaseResult.number(distance));
      }
    }
    return Optional.of("the hidden states agree: the final norm or lm_head is wrong");
  }

  private static double limit(ModelCase c, String name) {
    Tolerance t = c.tolerances().get(name);
    if (t == null) {
      throw new CaseException("case.json: tolerance '" + name + "' is missing");
    }
    return t.maxRelL1();
  }

  private static Optional<String> argmaxProblem(float[] got, int[] argmax, int vocab) {
    List<String> wrong = new ArrayList<>();
    for (int t = 0; t < argmax.length; t++) {
      int best = Distance.argmax(got, t * vocab, vocab);
      if (best != argmax[t]) {
        wrong.add("%d (%d, not %d)".formatted(t, best, argmax[t]));
      }
    }
    return wrong.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "argmax differs at %d of %d positions, first %s"
                .formatted(wrong.size(), argmax.length, wrong.getFirst()));
  }

  /** The accepted alternative that the last positions match, greedy tokens included. */
  private Optional<Measure> alternative(
      ModelCase c, ExpectedFile expected, float[] got, float[] strict, int vocab) {
    int positions = got.length / vocab;
    if (kernels.name().equals("reference")) {
      return Optional.empty(); // it defines what is right, so it has one answer
    }
    for (ModelCase.Alternative a : c.alternatives()) {
      if (!a.accepted()) {
        continue;
      }
      float[] want = expected.getFloats(a.key(), -1, vocab);
      int rows = want.length / vocab;
      if (rows < 1 || rows > positions) {
        throw new CaseException("'" + a.key() + "' has " + rows + " rows");
      }
      float[] last = Arrays.copyOfRange(got, (positions - rows) * vocab, positions * vocab);
      Measure measure = new Measure(Distance.relL1(last, want), a.maxRelL1(), a.key());
      // Its limit may be wide: the result has to be this one rather than a bad copy of the first.
      boolean nearer =
          measure.relL1()
              < Distance.relL1(
                  last, Arrays.copyOfRange(strict, strict.length - last.length, strict.length));
      if (measure.holds() && nearer && sameArgmax(last, want, vocab)) {
        return Optional.of(measure);
      }
    }
    return Optional.empty();
  }

  private static boolean sameArgmax(float[] got, float[] want, int vocab) {
    for (int from = 0; from < got.length; from += vocab) {
      if (Distance.argmax(got, from, vocab) != Distance.argmax(want, from, vocab)) {
        return false;
      }
    }
    return true;
  }
}
