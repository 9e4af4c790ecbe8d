package dev.octet.benchpeers;

import dev.octet.tensor.Tensor;
import org.bytedeco.javacpp.Pointer;

/** Addresses of our tensors for the bindings. */
final class Memory {
  private static final class At extends Pointer {
    At(long address, long bytes) {
      this.address = address;
      this.limit = bytes;
      this.capacity = bytes;
    }
  }

  private Memory() {}

  /** The memory of a contiguous tensor, which must outlive the use. */
  static Pointer pointer(Tensor tensor) {
    return new At(tensor.segment().address(), tensor.byteSize());
  }
}
