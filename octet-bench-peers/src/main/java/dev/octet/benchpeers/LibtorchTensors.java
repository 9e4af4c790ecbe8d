package dev.octet.benchpeers;

import dev.octet.bench.peer.Precision;
import dev.octet.tensor.DType;
import java.util.Arrays;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/** Copies tensors into libtorch and back. */
final class LibtorchTensors {
  private LibtorchTensors() {}

  /** What libtorch calls that precision. */
  static torch.ScalarType type(Precision precision) {
    return switch (precision) {
      case F32 -> torch.ScalarType.Float;
      case BF16 -> torch.ScalarType.BFloat16;
      default -> throw new IllegalArgumentException("libtorch in " + precision);
    };
  }

  /** A copy with memory of its own; the caller closes it. */
  static Tensor copyOf(dev.octet.tensor.Tensor from, torch.ScalarType type) {
    try (PointerScope _ = new PointerScope()) {
      torch.ScalarType stored =
          from.dtype() == DType.BF16 ? torch.ScalarType.BFloat16 : torch.ScalarType.Float;
      TensorOptions options = new TensorOptions().dtype(new ScalarTypeOptional(stored));
      Tensor view = torch.from_blob(Memory.pointer(from), from.shape(), options);
      return view.to(type, false, true, new MemoryFormatOptional()).retainReference();
    }
  }

  /** Writes all values of {@code from} to F32 memory. */
  static void copyTo(Tensor from, dev.octet.tensor.Tensor to) {
    try (PointerScope _ = new PointerScope()) {
      if (from.numel() != to.size()) {
        throw new IllegalStateException(
            "libtorch's result has "
                + from.numel()
                + " values, not "
                + Arrays.toString(to.shape()));
      }
      TensorOptions options =
          new TensorOptions().dtype(new ScalarTypeOptional(torch.ScalarType.Float));
      Tensor view = torch.from_blob(Memory.pointer(to), to.shape(), options);
      view.copy_(from.reshape(to.shape()));
    }
  }
}
