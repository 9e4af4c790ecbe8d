package dev.octet.kernels.linear;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory for a result, kept from call to call. */
final class KeptMemory {
  private MemorySegment there = MemorySegment.NULL;

  /** At least {@code bytes} bytes, overwritten by the next call. */
  MemorySegment atLeast(long bytes) {
    if (there.byteSize() < bytes) {
      there = Arena.ofAuto().allocate(bytes, Tensor.ALIGNMENT);
    }
    return there;
  }

  /** F32 [rows, columns], overwritten by the next call. */
  Tensor floats(long rows, long columns) {
    long bytes = Tensor.byteSize(DType.F32, rows, columns);
    return Tensor.of(DType.F32, atLeast(bytes).asSlice(0, bytes), rows, columns);
  }
}
