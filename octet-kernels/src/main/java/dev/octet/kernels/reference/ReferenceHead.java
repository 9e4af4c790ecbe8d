package dev.octet.kernels.reference;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.attention.AttentionShapes;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.Visibility;
import dev.octet.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** All queries of one key/value head: every tile is made once and seen by every row. */
final class ReferenceHead {
  private static final double LOG2_E = 1 / Math.log(2);

  private final AttentionKind kind;
  private final AttentionSpec spec;
  private final AttentionShapes shapes;
  private final PagedKvLayer kv;
  private final int head;
  private final Visibility visibility;
  private final KeyOperand keys;
  private final ValueOperand values;

  ReferenceHead(
      AttentionKind kind, AttentionSpec spec, AttentionShapes shapes, PagedKvLayer kv, int head) {
    this.kind = kind;
    this.spec = spec;
    this.shapes = shapes;
    this.kv = kv;
    this.head = head;
    this.visibility = new Visibility(spec, kv.length());
    this.keys = KeyOperand.of(kind, kv, head);
    this.values = ValueOperand.of(kind, kv, head);
  }

  void run(Tensor q, Tensor out, @Nullable Tensor lse) {
    int rows = shapes.queries() * shapes.group();
    QueryRow[] queries = new QueryRow[rows];
    OnlineRow[] states = new OnlineRow[rows];
    for (int r = 0; r < rows; r++) {
      float[] row = new float[shapes.keyDim()];
      q.copyRange(index(r) * shapes.keyDim(), row);
      queries[r] = keys.query(row);
      states[r] = OnlineRow.of(kind, shapes.valueDim());
    }
    for (int block = 0; block < kv.blocks(); block++) {
      Tile keyTile = keys.tile(block);
      Tile valueTile = values.tile(block);
      for (int r = 0; r < rows; r++) {
        double[] scores = scores(queries[r], keyTile, block * Tile.SIZE, r / shapes.group());
        if (Arrays.stream(scores).anyMatch(x -> x != Double.NEGATIVE_INFINITY)) {
          states[r].add(scores, valueTile);
        }
      }
    }
    for (int r = 0; r < rows; r++) {
      store(r, states[r], queries[r].shift() * spec.scale(), out, lse);
    }
  }

  /** Scores of one query in the log2 domain, −∞ where it does not see the key. */
  private double[] scores(QueryRow query, Tile tile, int firstKey, int queryIndex) {
    double[] x = new double[tile.count()];
    int from = visibility.first(queryIndex);
    int end = visibility.end(queryIndex);
    for (int j = 0; j < x.length; j++) {
      int key = firstKey + j;
      boolean seen = key >= from && key < end && visibility.unmasked(queryIndex, key);
      x[j] = seen ? tile.score(j, query) * spec.scale() * LOG2_E : Double.NEGATIVE_INFINITY;
    }
    return x;
  }

  private void store(int r, OnlineRow state, double shift, Tensor out, @Nullable Tensor lse) {
    float[] o = state.output();
    for (int c = 0; c < o.length; c++) {
      out.setFloat(index(r) * o.length + c, o[c] * values.outputScale(c));
    }
    if (lse != null) {
      int query = r / shapes.group();
      float value = (float) (state.lse() + shift);
      lse.setFloat((long) queryHead(r) * shapes.queries() + query, value);
    }
  }

  private int queryHead(int r) {
    return head * shapes.group() + r % shapes.group();
  }

  /** Row of q and out, seen as [queries·heads, dim]. */
  private long index(int r) {
    return (long) (r / shapes.group()) * shapes.heads() + queryHead(r);
  }
}
