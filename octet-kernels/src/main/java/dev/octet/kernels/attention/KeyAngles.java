package dev.octet.kernels.attention;

import java.lang.foreign.MemorySegment;

/**
 * What the rotary embedding turns the keys of some tokens by.
 *
 * @param cosines native F32 [tokens, pairs]
 * @param sines the same
 * @param pairs channel pairs of a head that turn
 */
public record KeyAngles(MemorySegment cosines, MemorySegment sines, int pairs) {
  /** Throws unless they are those of {@code tokens} keys with {@code dim} channels. */
  public void require(int tokens, int dim) {
    long bytes = Math.multiplyExact((long) tokens * Float.BYTES, pairs);
    if (pairs > dim / 2 || cosines.byteSize() < bytes || sines.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "%d and %d bytes of angles are not those of %d pairs of %d keys with %d channels"
              .formatted(cosines.byteSize(), sines.byteSize(), pairs, tokens, dim));
    }
  }
}
