package dev.octet.model;

import dev.octet.kernels.Linear;
import dev.octet.model.Pass.Segment;
import dev.octet.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer among the others of a pass. Where a checkpoint quantizes inputs differently while
 * tokens follow one by one, the rows of such steps go through a form of their own.
 *
 * @param reading for all rows, or for those of prompts
 * @param decoding for the rows of single tokens; null where there is no difference
 */
record Projection(Linear reading, @Nullable Linear decoding) {

  void apply(Pass pass, Tensor x, Tensor out) {
    if (decoding == null) {
      reading.apply(x, out);
      return;
    }
    List<Segment> segments = pass.segments();
    int first = 0;
    while (first < segments.size()) {
      boolean single = segments.get(first).decoding();
      int end = first + 1;
      while (end < segments.size() && segments.get(end).decoding() == single) {
        end++;
      }
      Segment last = segments.get(end - 1);
      int from = segments.get(first).from();
      int to = last.from() + last.rows();
      (single ? decoding : reading).apply(x.rowRange(from, to), out.rowRange(from, to));
      first = end;
    }
  }

  /** Bytes of both forms' weights. */
  long byteSize() {
    return reading.byteSize() + (decoding == null ? 0 : decoding.byteSize());
  }
}
