package dev.octet.kernels.attention;

import dev.octet.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Writes tokens into the blocks of a store, in place of its encoder in Java and with its codes, and
 * says where they lie.
 */
public interface KvWriter {
  /** Where the blocks lie that it writes. */
  KvMemory memory();

  /** Whether it writes that format; the encoder in Java writes all. */
  boolean writes(KvFormat format);

  /**
   * Writes tokens {@code first} to {@code first + tokens}; their blocks are there.
   *
   * @param keysFrom keys of tokens before it are left alone
   * @param keys contiguous native F32 [tokens, heads, keyDim]
   * @param values contiguous native F32 [tokens, heads, valueDim]
   * @param angles what all keys that are written turn by first; null: they have turned
   */
  void write(
      PagedKvLayer layer,
      int first,
      int tokens,
      int keysFrom,
      Tensor keys,
      Tensor values,
      @Nullable KeyAngles angles);

  /**
   * Writes keys alone, of the first tokens of a store.
   *
   * @param keys contiguous native F32 [tokens, heads, keyDim]
   */
  void writeKeys(PagedKvLayer layer, Tensor keys);
}
