package dev.octet.quantize;

import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.WeightType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** The scheme that a checkpoint's linear layers were quantized by, as far as they show it. */
public final class StoredScheme {
  private StoredScheme() {}

  /**
   * The scheme of most layers among those of fewest bits, which cost most accuracy; empty if none
   * is quantized in a way that has a scheme.
   */
  public static Optional<QuantScheme> of(WeightSource source) {
    List<QuantScheme> schemes = new ArrayList<>();
    ModelLayout.linears(
        source.config(), shape -> of(source.linear(shape.module())).ifPresent(schemes::add));
    return schemes.stream()
        .distinct()
        .min(
            Comparator.<QuantScheme>comparingInt(s -> s.type().bits())
                .thenComparingLong(s -> -schemes.stream().filter(s::equals).count()));
  }

  /** One layer's; empty for what is not quantized, and for FP4, which no scheme makes. */
  static Optional<QuantScheme> of(LinearWeights layer) {
    return switch (layer.weight()) {
      case DenseWeight _, Fp4Weight _ -> Optional.empty();
      case Int8Weight w -> Optional.of(scheme(WeightType.INT8, w.grid(), layer));
      case Int4Weight w -> Optional.of(scheme(WeightType.INT4, w.grid(), layer));
      case Fp8Weight(var codes, ScaleGrid grid) ->
          Optional.of(
              scheme(
                  codes.dtype() == DType.F8_E5M2 ? WeightType.FP8_E5M2 : WeightType.FP8_E4M3,
                  grid,
                  layer));
    };
  }

  private static QuantScheme scheme(WeightType type, ScaleGrid grid, LinearWeights layer) {
    ScaleGranularity granularity = grid.granularity();
    boolean grouped =
        granularity == ScaleGranularity.GROUP || granularity == ScaleGranularity.BLOCK;
    boolean fp8 = type == WeightType.FP8_E4M3 || type == WeightType.FP8_E5M2;
    return new QuantScheme(
        "stored",
        type,
        granularity,
        grouped ? Math.toIntExact(grid.columnBlock()) : 0,
        fp8 || grid.symmetric(),
        layer.activation());
  }
}
