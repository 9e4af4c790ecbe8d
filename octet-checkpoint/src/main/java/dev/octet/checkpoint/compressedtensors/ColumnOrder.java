package dev.octet.checkpoint.compressedtensors;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;

/**
 * GPTQ's activation order: {@code weight_g_idx} names each column's group. Sorting the columns by
 * group gives contiguous groups again, the canonical form of {@link dev.octet.tensor.Int4Weight}.
 */
final class ColumnOrder {
  private ColumnOrder() {}

  /** I32 [k]: the input that stored column j belongs to; empty if that is j everywhere. */
  static Optional<Tensor> of(
      StoredTensors tensors, String name, Tensor index, QuantizationArgs args) {
    if (args.strategy() != QuantizationArgs.Strategy.GROUP) {
      throw tensors.problem(name, "is there, but weights have no groups");
    }
    int columns = Math.toIntExact(index.size());
    if (isUnset(index)) {
      return Optional.empty();
    }
    int groups = Math.ceilDiv(columns, args.group());
    int[] next = new int[groups];
    for (int g = 0; g < groups; g++) {
      next[g] = g * args.group();
    }
    Tensor order = Tensor.allocate(Arena.ofAuto(), DType.I32, columns);
    boolean identity = true;
    for (int column = 0; column < columns; column++) {
      long g = index.getLong(column);
      if (g < 0 || g >= groups) {
        throw tensors.problem(
            name, "puts column %d into group %d of %d".formatted(column, g, groups));
      }
      int at = next[(int) g]++;
      if (at >= Math.min(columns, ((int) g + 1) * (long) args.group())) {
        throw tensors.problem(
            name, "puts more than %d columns into group %d".formatted(args.group(), g));
      }
      identity &= at == column;
      order.segment().setAtIndex(JAVA_INT, at, column);
    }
    return identity ? Optional.empty() : Optional.of(order);
  }

  /** All −1: compressed-tensors' own word for columns that were never put in another order. */
  private static boolean isUnset(Tensor index) {
    for (long i = 0; i < index.size(); i++) {
      if (index.getLong(i) != -1) {
        return false;
      }
    }
    return index.size() > 0;
  }
}
