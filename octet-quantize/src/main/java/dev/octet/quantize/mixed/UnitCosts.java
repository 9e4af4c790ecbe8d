package dev.octet.quantize.mixed;

import dev.octet.checkpoint.WeightSource;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Unit;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;

/** Bytes of a unit's weights as a candidate has them, without making them. */
final class UnitCosts {
  private UnitCosts() {}

  static long bytes(WeightSource source, Unit unit, Candidate candidate) {
    long bytes = 0;
    for (String module : unit.modules()) {
      LinearWeights stored = source.linear(module);
      long rows = stored.weight().rows();
      long columns = stored.weight().columns();
      QuantScheme scheme = candidate.on(columns);
      long bias = stored.byteSize() - stored.weight().byteSize();
      bytes +=
          scheme == null
              ? stored.byteSize()
              : bias + (long) Math.ceil(scheme.bitsPerWeight(columns) * rows * columns / 8);
    }
    return bytes;
  }

  /** Weights of a unit. */
  static long elements(WeightSource source, Unit unit) {
    return unit.modules().stream()
        .map(module -> source.linear(module).weight())
        .mapToLong(weight -> Math.multiplyExact(weight.rows(), weight.columns()))
        .sum();
  }
}
