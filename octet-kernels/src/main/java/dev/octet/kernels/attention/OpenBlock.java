package dev.octet.kernels.attention;

import static dev.octet.kernels.KvSpec.BLOCK;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The keys of a first block that is not full yet, in F32. Every one that comes changes their mean
 * k̄ and with it what is stored of all.
 */
final class OpenBlock {
  private final KvFormat format;
  private final Tensor keys;
  private final float[] row;
  private final double[] sums;
  private int tokens;

  OpenBlock(KvFormat format) {
    this.format = format;
    this.keys = Tensor.allocate(Arena.ofAuto(), DType.F32, BLOCK, format.heads(), format.keyDim());
    this.row = new float[format.heads() * format.keyDim()];
    this.sums = new double[row.length];
  }

  /** Adds the first {@code count} tokens of {@code source} [tokens, heads, keyDim]. */
  void add(Tensor source, int count) {
    for (int t = 0; t < count; t++) {
      source.copyRange((long) t * row.length, row);
      long bytes = (long) row.length * Float.BYTES;
      keys.segment().asSlice(tokens * bytes, bytes).copyFrom(MemorySegment.ofArray(row));
      KeyMean.add(sums, row);
      tokens++;
    }
  }

  /** Forgets tokens from {@code count} on. */
  void truncate(int count) {
    Arrays.fill(sums, 0);
    for (tokens = 0; tokens < count; tokens++) {
      KeyMean.add(sums, key(tokens));
    }
  }

  int tokens() {
    return tokens;
  }

  boolean isFull() {
    return tokens == BLOCK;
  }

  /** A token's keys of all heads, valid until the next call. */
  float[] key(int token) {
    keys.copyRange((long) token * row.length, row);
    return row;
  }

  /** All keys [tokens, heads, keyDim]. */
  Tensor keys() {
    long bytes = (long) tokens * row.length * Float.BYTES;
    return Tensor.of(
        DType.F32, keys.segment().asSlice(0, bytes), tokens, format.heads(), format.keyDim());
  }

  /** k̄ [heads·keyDim]. */
  float[] mean() {
    float[] mean = KeyMean.divide(sums, tokens);
    KeyMean.clearTail(mean, format.keyDim(), format.body());
    return mean;
  }

  long byteSize() {
    return keys.byteSize();
  }
}
