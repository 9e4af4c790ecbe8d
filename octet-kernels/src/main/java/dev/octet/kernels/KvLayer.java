package dev.octet.kernels;

import dev.octet.tensor.Tensor;

/**
 * The keys and values of one sequence in one layer, in blocks of {@link KvSpec#BLOCK} tokens. A
 * block holds its codes together with the scales that encode them.
 *
 * <p>Quantized keys are stored minus a constant vector k̄ and rotated (softmax does not see either;
 * see {@link AttentionKind#INT8}). k̄ is the mean of the first block's keys, so it depends on
 * nothing that comes later and blocks can be shared between sequences with the same beginning.
 *
 * <p>Not for several threads at once, not even to attend: a kind that multiplies other codes than
 * are stored may keep a copy in the layer.
 */
public interface KvLayer extends AutoCloseable {
  KvSpec spec();

  /** Tokens stored. */
  int length();

  /**
   * Appends keys (after the rotary embedding) and values.
   *
   * @param keys F32 [tokens, heads, keyDim]
   * @param values F32 [tokens, heads, valueDim]
   */
  void append(Tensor keys, Tensor values);

  /**
   * Forgets tokens from {@code length} on.
   *
   * @throws IllegalArgumentException if it is longer than what is stored
   */
  void truncate(int length);

  /** Bytes in use, scales and copies in other codes included. */
  long byteSize();

  /** Frees the blocks. */
  @Override
  void close();
}
