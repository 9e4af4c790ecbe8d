package dev.octet.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.attention.AttentionShapes;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.RowQuant;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * Queries of one key/value head as the left-hand operand of the scores. Row r is query {@code
 * r/group} of query head {@code head·group + r%group}.
 */
final class QueryTile {
  private static final double LOG2_E = 1 / Math.log(2);

  private final AttentionKind kind;
  private final Operand operand;
  private final int head;
  private final int dim;
  private final int body;

  /** [rows, keyDim]. */
  final float[] rows;

  /** What a row's scores are multiplied by to be in the log2 domain. */
  final float[] scale;

  /** σ·q·k̄, which smoothing took from every score of the row. */
  final double[] shift;

  QueryTile(AttentionKind kind, Operand operand, int head, int capacity, float[] rows) {
    this.kind = kind;
    this.operand = operand;
    this.head = head;
    this.dim = operand.kv().format().keyDim();
    boolean integer = kind != AttentionKind.F32 && kind != AttentionKind.BF16;
    this.body = integer ? operand.kv().format().body() : dim;
    this.rows = rows;
    this.scale = new float[capacity];
    this.shift = new double[capacity];
  }

  void load(AttentionSpec spec, AttentionShapes shapes, Tensor q, int firstRow, int count) {
    for (int r = 0; r < count; r++) {
      long source = index(shapes, head, firstRow + r) * dim;
      MemorySegment.copy(q.segment(), JAVA_FLOAT_UNALIGNED, source * 4, rows, r * dim, dim);
      shift[r] = toKeySpace(r * dim) * spec.scale();
      scale[r] = (float) (round(r * dim) * (double) spec.scale() * LOG2_E);
    }
  }

  /** The row of q and of the output, both seen as [queries·heads, dim], that row r is. */
  static long index(AttentionShapes shapes, int head, int r) {
    int group = shapes.group();
    return (long) (r / group) * shapes.heads() + (long) head * group + r % group;
  }

  /** Rotates the query, folds static key scales into it; returns q·k̄. */
  private double toKeySpace(int at) {
    double dot = 0;
    if (operand.rotation() != null && operand.mean() != null) {
      float[] mean = operand.mean();
      for (int c = 0; c < dim; c++) {
        dot += (double) rows[at + c] * mean[head * dim + c];
      }
      operand.rotation().apply(rows, at);
    }
    KvFormat format = operand.kv().format();
    boolean integer = kind != AttentionKind.F32 && kind != AttentionKind.BF16;
    float[] fixed = format.keyScales();
    if (integer && fixed != null) {
      FloatRows.scale(rows, at, dim, fixed, head * dim);
    }
    return dot;
  }

  /** Rounds to the type the kind multiplies in; returns the row's scale. */
  private float round(int at) {
    if (kind == AttentionKind.F32) {
      return 1;
    }
    if (kind == AttentionKind.BF16) {
      FloatRows.roundBf16(rows, at, dim);
      return 1;
    }
    float own = RowQuant.quantize(rows, at, body);
    if (body == dim) {
      return own;
    }
    float scaled = own == 0 ? 1 : own;
    FloatRows.roundBf16(rows, at + body, dim - body);
    for (int c = body; c < dim; c++) {
      rows[at + c] /= scaled; // the row's scale takes it back
    }
    return scaled;
  }
}
