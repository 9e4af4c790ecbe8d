package dev.octet.model;

import dev.octet.kernels.RotaryTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One run through the layers: rows of one or more sequences, packed one after another.
 *
 * @param ids the token of every row
 * @param segments which rows belong to which sequence, in order
 * @param wanted rows whose logits are asked for, ascending; they are consecutive rows of the result
 */
record Pass(int[] ids, List<Segment> segments, int[] wanted) {

  /**
   * Consecutive tokens of one sequence.
   *
   * @param from first row
   * @param rows how many
   * @param rotary the table for their positions
   * @param decoding whether it is one token that follows others, not part of a prompt
   */
  record Segment(KvCache cache, int from, int rows, RotaryTable rotary, boolean decoding) {}

  int rows() {
    return ids.length;
  }

  /**
   * Cuts a batch into passes of at most {@code limit} rows, which bounds the memory for
   * activations. A long prompt goes through in several of them, and shares the last with what
   * follows it.
   *
   * @param lastOnly whether only the last token of every step wants logits
   */
  static List<Pass> plan(List<SequenceStep> batch, Rotary rotary, int limit, boolean lastOnly) {
    List<Pass> passes = new ArrayList<>();
    Builder builder = new Builder(limit);
    for (SequenceStep step : batch) {
      RotaryTable table = rotary.forLength(step.cache().length() + step.ids().length);
      int done = 0;
      while (done < step.ids().length) {
        if (builder.room() == 0) {
          passes.add(builder.build());
          builder = new Builder(limit);
        }
        int end = done + Math.min(builder.room(), step.ids().length - done);
        builder.add(step, done, end, table, lastOnly);
        done = end;
      }
    }
    passes.add(builder.build());
    return passes;
  }

  private static final class Builder {
    private final int limit;
    private final List<Segment> segments = new ArrayList<>();
    private int[] ids = new int[0];
    private int[] wanted = new int[0];

    Builder(int limit) {
      this.limit = limit;
    }

    int room() {
      return limit - ids.length;
    }

    void add(SequenceStep step, int start, int end, RotaryTable table, boolean lastOnly) {
      int from = ids.length;
      int rows = end - start;
      boolean decoding = step.ids().length == 1 && step.cache().length() > 0;
      segments.add(new Segment(step.cache(), from, rows, table, decoding));
      ids = Arrays.copyOf(ids, from + rows);
      System.arraycopy(step.ids(), start, ids, from, rows);
      boolean isLast = end == step.ids().length;
      for (int i = start; i < end; i++) {
        if (!lastOnly || isLast && i == end - 1) {
          wanted = Arrays.copyOf(wanted, wanted.length + 1);
          wanted[wanted.length - 1] = from + i - start;
        }
      }
    }

    Pass build() {
      return new Pass(ids, List.copyOf(segments), wanted);
    }
  }
}
