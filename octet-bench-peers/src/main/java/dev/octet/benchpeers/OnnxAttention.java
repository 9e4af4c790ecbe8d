package dev.octet.benchpeers;

import ai.onnxruntime.OrtEnvironment;
import dev.octet.bench.peer.AttentionTask;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.Precision;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * {@code GroupQueryAttention} over a cache in F32 or INT8 (one scale for all keys, one for all
 * values). The cache is the operator's input and output at once, as in generation: the last tokens'
 * keys and values are written into it in the measured time, and nothing else is copied.
 */
final class OnnxAttention implements PeerProgram {
  private final Precision precision;
  private final Arena arena = Arena.ofShared();
  private final Tensor out;
  private final long bytes;
  private final OnnxNode node;

  OnnxAttention(OrtEnvironment runtime, AttentionTask task, Precision precision) {
    this.precision = precision;
    boolean int8 = precision == Precision.INT8;
    try {
      Tensor kScale = scale(task.k());
      Tensor vScale = scale(task.v());
      Tensor keys = cache(task.k(), int8, kScale.getFloat(0));
      Tensor values = cache(task.v(), int8, vScale.getFloat(0));
      bytes = keys.byteSize() + values.byteSize();
      int m = task.queries();
      long width = (long) task.heads() * task.d();
      long kvWidth = (long) task.kvHeads() * task.d();
      out = Tensor.allocate(arena, DType.F32, 1, m, width);
      node =
          new OnnxNode(runtime, model(task, int8, keys.dtype(), keys.shape()))
              .input("query", copy(task.q().reshape(1, m, width)))
              .input("key", copy(last(task.k(), m).reshape(1, m, kvWidth)))
              .input("value", copy(last(task.v(), m).reshape(1, m, kvWidth)))
              .input("past_key", keys)
              .input("past_value", values)
              .input("seqlens_k", OnnxNode.integer(arena, task.keys() - 1, 1))
              .input("total", OnnxNode.integer(arena, task.keys(), 1))
              .output("out", out)
              .output("present_key", keys)
              .output("present_value", values);
      if (int8) {
        node.input("k_scale", kScale).input("v_scale", vScale);
      }
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static OnnxModel model(AttentionTask task, boolean int8, DType type, long[] cache) {
    Map<String, Object> attributes = new HashMap<>();
    attributes.put("num_heads", (long) task.heads());
    attributes.put("kv_num_heads", (long) task.kvHeads());
    attributes.put("scale", (float) (1 / Math.sqrt(task.d())));
    if (int8) {
      attributes.put("k_quant_type", "PER_TENSOR");
      attributes.put("v_quant_type", "PER_TENSOR");
      attributes.put("kv_cache_bit_width", 8L);
    }
    String none = ""; // rotary tables, positions, bias, sinks
    List<String> inputs =
        List.of(
            "query",
            "key",
            "value",
            "past_key",
            "past_value",
            "seqlens_k",
            "total",
            none,
            none,
            none,
            none,
            none,
            "k_scale",
            "v_scale");
    int m = task.queries();
    OnnxModel model =
        new OnnxModel(
                "GroupQueryAttention",
                int8 ? inputs : inputs.subList(0, 7),
                List.of("out", "present_key", "present_value"),
                attributes)
            .input("query", DType.F32, 1, m, (long) task.heads() * task.d())
            .input("key", DType.F32, 1, m, (long) task.kvHeads() * task.d())
            .input("value", DType.F32, 1, m, (long) task.kvHeads() * task.d())
            .input("past_key", type, cache)
            .input("past_value", type, cache)
            .input("seqlens_k", DType.I32, 1)
            .input("total", DType.I32, 1)
            .output("out", DType.F32, 1, m, (long) task.heads() * task.d())
            .output("present_key", type, cache)
            .output("present_value", type, cache);
    return int8 ? model.input("k_scale", DType.F32, 1).input("v_scale", DType.F32, 1) : model;
  }

  /** The last tokens of [keys, kvHeads, d]. */
  private static Tensor last(Tensor x, int tokens) {
    return x.rowRange((x.dim(0) - tokens) * x.dim(1), x.dim(0) * x.dim(1));
  }

  private Tensor copy(Tensor from) {
    Tensor to = Tensor.allocate(arena, DType.F32, from.shape());
    to.segment().copyFrom(from.segment());
    return to;
  }

  private Tensor scale(Tensor x) {
    float most = 0;
    for (long i = 0; i < x.size(); i++) {
      most = Math.max(most, Math.abs(x.getFloat(i)));
    }
    return Tensor.ofFloats(arena, new float[] {most / 127}, 1);
  }

  /** [keys, kvHeads, d] as [1, kvHeads, keys, d], perhaps in INT8. */
  private Tensor cache(Tensor x, boolean int8, float scale) {
    long rows = x.dim(0);
    long heads = x.dim(1);
    long d = x.dim(2);
    Tensor cache = Tensor.allocate(arena, int8 ? DType.I8 : DType.F32, 1, heads, rows, d);
    for (long r = 0; r < rows; r++) {
      for (long h = 0; h < heads; h++) {
        for (long i = 0; i < d; i++) {
          float value = x.getFloat((r * heads + h) * d + i);
          cache.setFloat((h * rows + r) * d + i, int8 ? (float) Math.rint(value / scale) : value);
        }
      }
    }
    return cache;
  }

  @Override
  public String variant() {
    return "kv-" + precision.name().toLowerCase(Locale.ROOT);
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
    node.run();
  }

  @Override
  public void result(Tensor to) {
    to.segment().copyFrom(out.segment());
  }

  @Override
  public void close() {
    node.close();
    arena.close();
  }
}
