package dev.octet.model;

import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.model.Pass.Segment;
import dev.octet.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Linear layers that read the same rows, among the others of a pass. Where a checkpoint quantizes
 * inputs differently while tokens follow one by one, the rows of such steps go through a form of
 * their own.
 *
 * @param reading for all rows, or for those of prompts
 * @param decoding for the rows of single tokens; null where there is no difference
 */
record Projection(LinearGroup reading, @Nullable LinearGroup decoding) {

  /**
   * @param outs one a layer
   */
  void apply(Pass pass, Tensor x, Tensor... outs) {
    if (decoding == null) {
      reading.apply(x, outs);
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
      Tensor[] parts = new Tensor[outs.length];
      Arrays.setAll(parts, i -> outs[i].rowRange(from, to));
      (single ? decoding : reading).apply(x.rowRange(from, to), parts);
      first = end;
    }
  }

  /** Bytes of both forms' weights. */
  long byteSize() {
    Stream<Linear> all = reading.layers().stream();
    Stream<Linear> more = decoding == null ? Stream.empty() : decoding.layers().stream();
    return Stream.concat(all, more).distinct().mapToLong(Linear::byteSize).sum();
  }
}
