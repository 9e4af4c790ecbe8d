package dev.octet.checkpoint.gguf;

import java.util.Optional;

/**
 * A block type as a canonical form: {@code W = (q - zero)·scale + offset} for every group of
 * columns.
 *
 * @param type how blocks are stored
 * @param group columns that share a scale
 * @param bits 4 or 8: what its codes fit into
 * @param zero what codes are measured from, in every group
 * @param offset whether groups have offsets
 * @param decoder takes a block apart
 */
record BlockForm(
    GgufType type, int group, int bits, int zero, boolean offset, BlockDecoder decoder) {

  /** Takes one block apart. */
  interface BlockDecoder {
    /**
     * @param in bytes with a block at {@code at}
     * @param out gets the codes from column {@code block · type.blockElements()} on, and what
     *     belongs to them
     */
    void decode(byte[] in, int at, BlockRow out, int block);
  }

  /** The form of a type, if it is one that is read; dense types have none. */
  static Optional<BlockForm> of(GgufType type) {
    return Optional.ofNullable(
        switch (type) {
          case Q8_0 -> new BlockForm(type, 32, 8, 0, false, SmallBlocks::q8With0);
          case Q4_0 -> new BlockForm(type, 32, 4, 0, false, SmallBlocks::q4With0);
          case Q4_1 -> new BlockForm(type, 32, 4, -8, true, SmallBlocks::q4With1);
          case Q5_0 -> new BlockForm(type, 32, 8, 0, false, SmallBlocks::q5With0);
          case Q5_1 -> new BlockForm(type, 32, 8, 0, true, SmallBlocks::q5With1);
          case Q2_K -> new BlockForm(type, 16, 4, 0, true, SuperBlocks::q2);
          case Q3_K -> new BlockForm(type, 16, 4, 0, false, SuperBlocks::q3);
          case Q4_K -> new BlockForm(type, 32, 4, -8, true, SuperBlocks::q4);
          case Q5_K -> new BlockForm(type, 32, 8, 0, true, SuperBlocks::q5);
          case Q6_K -> new BlockForm(type, 16, 8, 0, false, SuperBlocks::q6);
          default -> null;
        });
  }

  /** Bytes of a row of {@code columns}, which are whole blocks. */
  int rowBytes(int columns) {
    return Math.multiplyExact(columns / type.blockElements(), type.blockBytes());
  }

  /** Takes a row of blocks apart. */
  void decode(byte[] in, BlockRow out) {
    int blocks = out.codes().length / type.blockElements();
    for (int b = 0; b < blocks; b++) {
      decoder.decode(in, b * type.blockBytes(), out, b);
    }
  }

  /** What the parts of a row stand for, product and sum rounded once each. */
  void values(BlockRow row, float[] out) {
    for (int j = 0; j < row.codes().length; j++) {
      float product = (row.codes()[j] - zero) * row.scales()[j / group];
      out[j] = offset ? product + row.offsets()[j / group] : product;
    }
  }
}
