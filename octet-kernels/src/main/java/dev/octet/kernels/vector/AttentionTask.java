package dev.octet.kernels.vector;

import static dev.octet.kernels.KvSpec.BLOCK;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.attention.AttentionShapes;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.PartialAttention;
import dev.octet.kernels.attention.Visibility;
import dev.octet.kernels.vector.AttentionGemm.Rows;
import dev.octet.tensor.Tensor;
import java.util.Arrays;

/**
 * Some rows of one key/value head against a range of its blocks. Tiles that no row sees are not
 * read; of the others only the rows that see a part are computed.
 */
final class AttentionTask {
  private final AttentionSpec spec;
  private final AttentionShapes shapes;
  private final PagedKvLayer kv;
  private final int firstRow;
  private final int rows;
  private final int stride;
  private final Visibility visibility;
  private final QueryTile queries;
  private final KeyTiles keys;
  private final ValueTiles values;
  private final TileSoftmax softmax;
  private final float[] scores;
  private final float[] products;
  private final float[] output;

  AttentionTask(
      AttentionKind kind,
      AttentionSpec spec,
      AttentionShapes shapes,
      Operand operand,
      int head,
      int firstRow,
      int rows,
      Scratch scratch) {
    this.spec = spec;
    this.shapes = shapes;
    this.kv = operand.kv();
    this.firstRow = firstRow;
    this.rows = rows;
    this.stride = AttentionGemm.padded(shapes.valueDim());
    this.visibility = new Visibility(spec, kv.length());
    float[] queryRows = scratch.queries(rows, shapes.keyDim());
    this.queries = new QueryTile(kind, operand, head, rows, queryRows);
    this.keys = new KeyTiles(kind, kv, head, scratch.keys(shapes.keyDim()));
    this.values = new ValueTiles(kind, kv, head, scratch.values(shapes.valueDim()));
    this.softmax = new TileSoftmax(kind, rows);
    this.scores = scratch.scores(rows);
    this.products = scratch.products(rows, stride);
    this.output = scratch.output(rows, stride);
  }

  /** Reads the rows' queries, once for all parts of the keys. */
  void load(Tensor q) {
    queries.load(spec, shapes, q, firstRow, rows);
  }

  /** Runs blocks {@code from} to {@code to}; puts row r's result into {@code results[at + r]}. */
  void run(int from, int to, PartialAttention[] results, int at) {
    softmax.reset();
    Arrays.fill(output, 0, rows * stride, 0);
    for (int block = from; block < to; block++) {
      int begin = firstSeeing(block);
      int end = endSeeing(block);
      if (begin < end) {
        tile(block, begin, end);
      }
    }
    for (int r = 0; r < rows; r++) {
      float[] acc = Arrays.copyOfRange(output, r * stride, r * stride + shapes.valueDim());
      values.scaleOutput(acc);
      results[at + r] = new PartialAttention(acc, softmax.max[r], softmax.sum[r], queries.shift[r]);
    }
  }

  private int query(int row) {
    return (firstRow + row) / shapes.group();
  }

  /** Windows and causality move forward with the query: the rows that see a block are adjacent. */
  private int firstSeeing(int block) {
    int r = 0;
    while (r < rows && visibility.end(query(r)) <= block * BLOCK) {
      r++;
    }
    return r;
  }

  private int endSeeing(int block) {
    int end = block * BLOCK + kv.tokensIn(block);
    int r = rows;
    while (r > 0 && visibility.first(query(r - 1)) >= end) {
      r--;
    }
    return r;
  }

  private void tile(int block, int begin, int end) {
    int dim = shapes.keyDim();
    keys.load(block);
    Rows s = new Rows(scores, begin * BLOCK, BLOCK);
    Rows k = new Rows(keys.tile, 0, BLOCK);
    Rows q = new Rows(queries.rows, begin * dim, dim);
    AttentionGemm.multiply(q, k, s, end - begin, dim, BLOCK);
    values.load(block);
    int count = kv.tokensIn(block);
    boolean hidden = false;
    for (int r = begin; r < end; r++) {
      TileSoftmax.scale(scores, r * BLOCK, queries.scale[r], keys.scale);
      hidden |= hide(r, block * BLOCK, count);
      softmax.add(scores, r * BLOCK, r, values.scale, values.bound);
    }
    Rows v = new Rows(values.tile, 0, shapes.valueDim());
    Rows o = new Rows(output, begin * stride, stride);
    Rows product = new Rows(products, 0, stride);
    if (hidden && !values.isFinite(count)) {
      multiplySeen(block * BLOCK, count, begin, end);
    } else {
      AttentionGemm.multiply(s, v, product, end - begin, count, shapes.valueDim());
    }
    AttentionGemm.accumulate(o, product, end - begin, stride, softmax.factors, 2 * begin);
  }

  /** P·V key by key: 0 times the NaN of a key that a row does not see would be NaN, too. */
  private void multiplySeen(int firstKey, int count, int begin, int end) {
    int dim = shapes.valueDim();
    for (int r = begin; r < end; r++) {
      int at = (r - begin) * stride;
      Arrays.fill(products, at, at + stride, 0);
      for (int j = 0; j < count; j++) {
        float p = scores[r * BLOCK + j];
        if (sees(r, firstKey + j)) {
          for (int c = 0; c < dim; c++) {
            products[at + c] += p * values.tile[j * dim + c];
          }
        }
      }
    }
  }

  private boolean sees(int row, int key) {
    int i = query(row);
    boolean near = key >= visibility.first(i) && key < visibility.end(i);
    return near && visibility.unmasked(i, key);
  }

  /**
   * Sets the scores of keys the row does not see to −∞.
   *
   * @return whether there were any, those beyond {@code count} aside
   */
  private boolean hide(int row, int firstKey, int count) {
    int i = query(row);
    int at = row * BLOCK;
    int from = Math.clamp(visibility.first(i) - firstKey, 0, BLOCK);
    int end = Math.clamp(visibility.end(i) - firstKey, 0, count);
    if (from > 0) {
      Arrays.fill(scores, at, at + from, Float.NEGATIVE_INFINITY);
    }
    if (end < BLOCK) {
      Arrays.fill(scores, at + end, at + BLOCK, Float.NEGATIVE_INFINITY);
    }
    if (spec.mask() != null) {
      for (int j = from; j < end; j++) {
        if (!visibility.unmasked(i, firstKey + j)) {
          scores[at + j] = Float.NEGATIVE_INFINITY;
        }
      }
    }
    return from > 0 || end < count || spec.mask() != null;
  }
}
