package dev.octet.checkpoint.fp4;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.util.Set;

/**
 * The tensors that hold a layer's FP4 codes and group scales: U8 [n, k/2], low nibble first, and
 * E4M3 or E8M0 [n, k/group].
 *
 * @param codes name of the codes
 * @param scales name of the group scales
 * @param kind which of the two formats
 */
public record StoredFp4(String codes, String scales, Kind kind) {
  /** NVFP4 or MXFP4. */
  public enum Kind {
    /** Groups of 16, E4M3 scales under a global one. */
    NVFP4(16),
    /** Groups of 32, scales that are powers of two. */
    MXFP4(32);

    private final int group;

    Kind(int group) {
      this.group = group;
    }

    /** Columns that share a scale. */
    public int group() {
      return group;
    }
  }

  /** Checks names, types, shapes and scales. */
  public void check(StoredTensors tensors, LinearShape shape) {
    read(tensors, shape, 1);
  }

  /** The weight, a view of the file, under a global scale. */
  public Fp4Weight read(StoredTensors tensors, LinearShape shape, double global) {
    Tensor packed =
        tensors.require(
            codes, Set.of(DType.U8), shape.rows(), ScaleGrid.blocks(shape.columns(), 2));
    return new Fp4Weight(
        packed, shape.columns(), groupScales(tensors, shape), kind.group(), global);
  }

  private Tensor groupScales(StoredTensors tensors, LinearShape shape) {
    long groups = ScaleGrid.blocks(shape.columns(), kind.group());
    Tensor stored =
        kind == Kind.NVFP4
            ? tensors.require(scales, Set.of(DType.F8_E4M3), shape.rows(), groups)
            : tensors.require(scales, Set.of(DType.U8, DType.F8_E8M0), shape.rows(), groups);
    Tensor typed =
        kind == Kind.NVFP4
            ? stored
            : Tensor.of(DType.F8_E8M0, stored.segment(), shape.rows(), groups);
    for (long i = 0; i < typed.size(); i++) {
      float s = typed.getFloat(i);
      if (!(s >= 0)) {
        throw tensors.problem(
            scales, "holds the scale %s at index %d; it must be a positive number".formatted(s, i));
      }
    }
    return typed;
  }
}
