package dev.octet.kernels.cpu;

import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory that C can reach. */
final class NativeMemory {
  private NativeMemory() {}

  /** The tensor's memory, or a copy of it where it lies in a Java array. */
  static MemorySegment of(Tensor tensor) {
    Tensor contiguous = tensor.isContiguous() ? tensor : tensor.contiguous(Arena.ofAuto());
    MemorySegment segment = contiguous.segment();
    if (segment.isNative()) {
      return segment;
    }
    MemorySegment copy = Arena.ofAuto().allocate(segment.byteSize(), Tensor.ALIGNMENT);
    return copy.copyFrom(segment);
  }
}
