package dev.octet.bench.conformance;

import dev.octet.checkpoint.WeightSource;
import dev.octet.checkpoint.gguf.GgufCheckpoint;
import dev.octet.checkpoint.gguf.GgufNames;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.RowTable;
import java.util.ArrayList;
import java.util.List;

/**
 * Compares dequantized weights with a model case's {@code dequant.<module>} (every element) and
 * {@code rowdot.<module>} (one number a row, {@code sum_j W[i,j]·u(j)}, which a wrong group, lane,
 * row or column changes).
 */
final class WeightCheck {
  private static final String DEQUANT = "dequant.";
  private static final String ROWDOT = "rowdot.";
  private static final List<String> PROJECTIONS =
      List.of(
          "self_attn.q_proj",
          "self_attn.k_proj",
          "self_attn.v_proj",
          "self_attn.o_proj",
          "mlp.gate_proj",
          "mlp.up_proj",
          "mlp.down_proj");

  private final ModelCase c;
  private final WeightSource weights;
  private final ExpectedFile expected;
  private final List<String> problems = new ArrayList<>();
  private double worstElement;
  private double worstRow;
  private int rowModules;

  private WeightCheck(ModelCase c, WeightSource weights, ExpectedFile expected) {
    this.c = c;
    this.weights = weights;
    this.expected = expected;
  }

  /**
   * The outcome.
   *
   * @param problems what does not hold, one line each
   * @param summary errors measured; empty if the case has nothing to compare
   */
  record Outcome(List<String> problems, String summary) {}

  static Outcome run(ModelCase c, WeightSource weights, ExpectedFile expected) {
    WeightCheck check = new WeightCheck(c, weights, expected);
    check.requireComplete();
    for (String name : expected.tensors().keySet()) {
      if (name.startsWith(DEQUANT)) {
        check.elements(name.substring(DEQUANT.length()));
      } else if (name.startsWith(ROWDOT)) {
        check.rowDots(name.substring(ROWDOT.length()));
      }
    }
    return new Outcome(List.copyOf(check.problems), check.summary());
  }

  private String summary() {
    return rowModules == 0
        ? ""
        : "dequant=%s rowdot=%s (%d modules)"
            .formatted(CaseResult.number(worstElement), CaseResult.number(worstRow), rowModules);
  }

  /** A comparison that cannot be made for want of a tensor must not look like one that held. */
  private void requireComplete() {
    for (String module : c.storedWhole()) {
      if (!expected.has(DEQUANT + module)) {
        problems.add("expected has no " + DEQUANT + module);
      }
    }
    if (c.rowDots()) {
      for (String module : modules()) {
        if (!(rows(module) instanceof DenseWeight) && !expected.has(ROWDOT + module)) {
          problems.add("expected has no " + ROWDOT + module);
        }
      }
    }
  }

  /** Modules of which each has a row dot if it is quantized. */
  private List<String> modules() {
    List<String> modules = new ArrayList<>();
    for (int layer = 0; layer < weights.config().layers(); layer++) {
      for (String projection : PROJECTIONS) {
        String module = "model.layers." + layer + "." + projection;
        modules.add(
            c.gguf()
                ? GgufNames.of(module + ".weight").orElseThrow().replace(".weight", "")
                : module);
      }
    }
    return modules;
  }

  /** A module's weight; of a GGUF file as it lies there, its rows not yet in the model's order. */
  private RowTable rows(String module) {
    return weights instanceof GgufCheckpoint gguf
        ? gguf.file().rows(module + ".weight")
        : weights.linear(module).weight();
  }

  private double limit(String name, boolean elementwise) {
    Tolerance t = c.tolerances().get(name);
    double limit =
        t == null
            ? Double.POSITIVE_INFINITY
            : elementwise ? t.maxRelElementwise() : t.maxAbsOverSumAbs();
    if (Double.isInfinite(limit)) {
      throw new CaseException("case.json: tolerance '" + name + "' is missing");
    }
    return limit;
  }

  private void elements(String module) {
    double limit = limit("dequant", true);
    RowTable w = rows(module);
    int columns = Math.toIntExact(w.columns());
    float[] want = expected.getFloats(DEQUANT + module, w.rows(), columns);
    float[] row = new float[columns];
    String first = "";
    int wrong = 0;
    for (int i = 0; i < w.rows(); i++) {
      w.dequantizeRow(i, row);
      for (int j = 0; j < columns; j++) {
        double e = want[i * columns + j];
        double error = row[j] == e ? 0 : Math.abs(row[j] - e) / Math.abs(e);
        worstElement = Math.max(worstElement, error);
        if (!(error <= limit)) {
          first = wrong++ == 0 ? "[%d, %d] is %s, not %s".formatted(i, j, row[j], e) : first;
        }
      }
    }
    if (wrong > 0) {
      problems.add(
          "dequant %s: %d of %d elements off, first %s"
              .formatted(module, wrong, want.length, first));
    }
  }

  private void rowDots(String module) {
    double limit = limit("rowdot", false);
    rowModules++;
    RowTable w = rows(module);
    float[] want = expected.getFloats(ROWDOT + module, w.rows());
    float[] row = new float[Math.toIntExact(w.columns())];
    String first = "";
    int wrong = 0;
    for (int i = 0; i < w.rows(); i++) {
      w.dequantizeRow(i, row);
      double sum = 0;
      double total = 0;
      for (int j = 0; j < row.length; j++) {
        double term = row[j] * probe(j);
        sum += term;
        total += Math.abs(term);
      }
      double error = sum == want[i] ? 0 : Math.abs(sum - want[i]) / total;
      worstRow = Math.max(worstRow, error);
      if (!(error <= limit)) {
        first = wrong++ == 0 ? "row %d gives %s, not %s".formatted(i, sum, want[i]) : first;
      }
    }
    if (wrong > 0) {
      problems.add(
          "rowdot %s: %d of %d rows off, first %s".formatted(module, wrong, want.length, first));
    }
  }

  /** The conformance suite's u(j). */
  static double probe(long j) {
    return ((37 * j + 11) % 64 - 31.5) / 32;
  }
}
