package dev.octet.benchpeers;

import dev.octet.bench.peer.LinearTask;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** {@code at::linear}: x, weight and result in one type. */
final class LibtorchLinear implements PeerProgram {
  private final Precision precision;
  private final long bytes;
  private final Tensor x;
  private final List<Tensor> weights = new ArrayList<>();
  private @Nullable Tensor out;
  private int turn;

  LibtorchLinear(LinearTask task, Precision precision) {
    this.precision = precision;
    torch.ScalarType type = LibtorchTensors.type(precision);
    this.bytes = (long) task.n() * task.k() * (precision == Precision.F32 ? 4 : 2);
    this.x = LibtorchTensors.copyOf(task.x(), type);
    for (int i = 0; i < task.copies(bytes); i++) {
      weights.add(LibtorchTensors.copyOf(task.weight(), type));
    }
  }

  @Override
  public String variant() {
    return precision.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public Precision precision() {
    return precision;
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public void run() {
    try (PointerScope _ = new PointerScope()) {
      Tensor last = out;
      if (last != null) {
        last.close();
      }
      out = torch.linear(x, weights.get(turn++ % weights.size())).retainReference();
    }
  }

  @Override
  public void result(dev.octet.tensor.Tensor to) {
    LibtorchTensors.copyTo(Objects.requireNonNull(out), to);
  }

  @Override
  public void close() {
    weights.forEach(Tensor::close);
    x.close();
    if (out != null) {
      out.close();
    }
  }
}
