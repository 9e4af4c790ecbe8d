package dev.octet.checkpoint.gguf;

import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Which row of a stored matrix (or element of a vector) is which row of the model's. The llama
 * family's query and key rows are stored for a rotation of neighbours: row {@code 2i + p} of a head
 * is the model's row {@code p·D/2 + i}.
 *
 * @param headDim D; 0: rows are in the model's order
 */
public record RowOrder(int headDim) {
  /** As the model has it. */
  public static final RowOrder SAME = new RowOrder(0);

  /** The stored row that is row {@code row} of the model. */
  long stored(long row) {
    if (headDim == 0) {
      return row;
    }
    long within = row % headDim;
    long half = headDim / 2;
    return row - within + 2 * (within % half) + within / half;
  }

  /** The inverse of {@link #stored}. */
  long model(long row) {
    if (headDim == 0) {
      return row;
    }
    long within = row % headDim;
    return row - within + within % 2 * (headDim / 2) + within / 2;
  }

  /** A tensor with its rows, or a vector with its elements, in the model's order. */
  Tensor apply(Tensor stored) {
    if (headDim == 0) {
      return stored;
    }
    Tensor out = Tensor.allocate(Arena.ofAuto(), stored.dtype(), stored.shape());
    long rowBytes = stored.byteSize() / stored.dim(0);
    for (long row = 0; row < stored.dim(0); row++) {
      MemorySegment.copy(
          stored.segment(), stored(row) * rowBytes, out.segment(), row * rowBytes, rowBytes);
    }
    return out;
  }
}
