package dev.octet.benchpeers;

import dev.octet.bench.peer.AttentionTask;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.Precision;
import java.util.Locale;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * {@code scaled_dot_product_attention}, which on a CPU is libtorch's flash attention.
 *
 * <p>Grouped queries: a key/value head is the batch index and its query heads are the heads, keys
 * and values being repeated by a stride of 0. So nothing is copied, which {@code enable_gqa} does
 * at every call. Its {@code is_causal} lines up the first query with the first key; where the
 * queries are the last ones of a longer sequence, a mask is the only way it has.
 */
final class LibtorchAttention implements PeerProgram {
  private final Precision precision;
  private final AttentionTask task;
  private final Tensor q;
  private final Tensor k;
  private final Tensor v;
  private final TensorOptional mask;
  private final boolean causal;
  private final DoubleOptional scale;
  private @Nullable Tensor out;

  LibtorchAttention(AttentionTask task, Precision precision) {
    this.precision = precision;
    this.task = task;
    torch.ScalarType type = LibtorchTensors.type(precision);
    int group = task.heads() / task.kvHeads();
    try (PointerScope _ = new PointerScope()) {
      q = grouped(task.q(), type, task.kvHeads(), group).retainReference();
      k = repeated(task.k(), type, group).retainReference();
      v = repeated(task.v(), type, group).retainReference();
      causal = task.causal() && task.queries() == task.keys();
      mask = mask(task, causal, type).retainReference();
      scale = new DoubleOptional(1 / Math.sqrt(task.d())).retainReference();
    }
  }

  /** [rows, heads, d] as [kvHeads, group, rows, d]. */
  private static Tensor grouped(
      dev.octet.tensor.Tensor x, torch.ScalarType type, long kvHeads, long group) {
    return LibtorchTensors.copyOf(x, type)
        .view(x.dim(0), kvHeads, group, x.dim(2))
        .permute(1, 2, 0, 3)
        .contiguous();
  }

  /** [rows, kvHeads, d] as [kvHeads, group, rows, d], one copy for the whole group. */
  private static Tensor repeated(dev.octet.tensor.Tensor x, torch.ScalarType type, long group) {
    return LibtorchTensors.copyOf(x, type)
        .view(x.dim(0), x.dim(1), 1, x.dim(2))
        .permute(1, 2, 0, 3)
        .contiguous()
        .expand(x.dim(1), group, x.dim(0), x.dim(2));
  }

  /** 0 where a key is seen and −∞ where not; none where all are seen or the flag says it. */
  private static TensorOptional mask(AttentionTask task, boolean flag, torch.ScalarType type) {
    if (!task.causal() || flag || task.queries() == 1) {
      return new TensorOptional();
    }
    float[] values = new float[task.queries() * task.keys()];
    int offset = task.keys() - task.queries();
    for (int i = 0; i < task.queries(); i++) {
      for (int j = offset + i + 1; j < task.keys(); j++) {
        values[i * task.keys() + j] = Float.NEGATIVE_INFINITY;
      }
    }
    dev.octet.tensor.Tensor mask =
        dev.octet.tensor.Tensor.ofFloats(values, task.queries(), task.keys());
    return new TensorOptional(LibtorchTensors.copyOf(mask, type));
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
    int size = precision == Precision.F32 ? 4 : 2;
    return 2L * task.keys() * task.kvHeads() * task.d() * size;
  }

  @Override
  public void run() {
    try (PointerScope _ = new PointerScope()) {
      Tensor last = out;
      if (last != null) {
        last.close();
      }
      out =
          torch
              .scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale, false)
              .retainReference();
    }
  }

  @Override
  public void result(dev.octet.tensor.Tensor to) {
    try (PointerScope _ = new PointerScope()) {
      LibtorchTensors.copyTo(Objects.requireNonNull(out).permute(2, 0, 1, 3).contiguous(), to);
    }
  }

  @Override
  public void close() {
    for (Tensor t : new Tensor[] {q, k, v}) {
      t.close();
    }
    mask.close();
    scale.close();
    if (out != null) {
      out.close();
    }
  }
}
