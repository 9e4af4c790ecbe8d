package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The buffers of one pass, F32, a row a token. They are reused by every layer and every pass.
 *
 * @param hidden the residual stream [rows, hidden]
 * @param branch what a norm or a branch's last linear writes [rows, hidden]
 * @param query [rows, heads·headDim]
 * @param key [rows, kvHeads·headDim]
 * @param value like {@code key}
 * @param context attention's output, like {@code query}
 * @param gate [rows, intermediate]
 * @param up like {@code gate}
 */
record Activations(
    Tensor hidden,
    Tensor branch,
    Tensor query,
    Tensor key,
    Tensor value,
    Tensor context,
    Tensor gate,
    Tensor up) {

  static Activations allocate(Arena arena, ModelConfig c, int rows) {
    int queryWidth = c.heads() * c.headDim();
    int kvWidth = c.kvHeads() * c.headDim();
    return new Activations(
        Tensor.allocate(arena, DType.F32, rows, c.hiddenSize()),
        Tensor.allocate(arena, DType.F32, rows, c.hiddenSize()),
        Tensor.allocate(arena, DType.F32, rows, queryWidth),
        Tensor.allocate(arena, DType.F32, rows, kvWidth),
        Tensor.allocate(arena, DType.F32, rows, kvWidth),
        Tensor.allocate(arena, DType.F32, rows, queryWidth),
        Tensor.allocate(arena, DType.F32, rows, c.intermediateSize()),
        Tensor.allocate(arena, DType.F32, rows, c.intermediateSize()));
  }

  int capacity() {
    return Math.toIntExact(hidden.dim(0));
  }

  /** The first {@code rows} rows of every buffer. */
  Activations first(int rows) {
    return new Activations(
        hidden.rowRange(0, rows),
        branch.rowRange(0, rows),
        query.rowRange(0, rows),
        key.rowRange(0, rows),
        value.rowRange(0, rows),
        context.rowRange(0, rows),
        gate.rowRange(0, rows),
        up.rowRange(0, rows));
  }
}
