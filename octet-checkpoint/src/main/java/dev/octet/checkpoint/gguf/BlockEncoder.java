package dev.octet.checkpoint.gguf;

import dev.octet.tensor.Codecs;
import java.util.Optional;

/** Rounds weights to one block of a type. One object serves one thread. */
interface BlockEncoder {
  /**
   * Encodes a block.
   *
   * @param x finite weights, a block from {@code from} on
   * @param out gets the block at {@code at}
   */
  void encode(float[] x, int from, byte[] out, int at);

  /** What writes blocks of a type, if there is anything that does. */
  static Optional<BlockEncoder> of(GgufType type) {
    return Optional.ofNullable(
        switch (type) {
          case F32 -> (x, from, out, at) -> Bytes.putU32(out, at, Float.floatToRawIntBits(x[from]));
          case F16 -> (x, from, out, at) -> Bytes.putF16(out, at, x[from]);
          case BF16 -> (x, from, out, at) -> Bytes.putU16(out, at, Codecs.floatToBf16(x[from]));
          case Q8_0 -> SmallEncoders::q8;
          case Q4_0 -> SmallEncoders::q4;
          case Q5_0 -> SmallEncoders::q5;
          case Q4_K -> new Q4SuperEncoder();
          case Q6_K -> new Q6SuperEncoder();
          default -> null;
        });
  }
}
