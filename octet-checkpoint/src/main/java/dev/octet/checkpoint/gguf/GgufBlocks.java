package dev.octet.checkpoint.gguf;

/** Blocks of every type that is read, as floats. */
public final class GgufBlocks {
  private GgufBlocks() {}

  /** Whether blocks of that type are read; types without blocks have none. */
  public static boolean readable(GgufType type) {
    return BlockForm.of(type).isPresent();
  }

  /**
   * Decodes whole blocks.
   *
   * @param blocks as stored, one behind the other
   * @param out gets the values: {@code blockElements} for every {@code blockBytes}
   * @throws IllegalArgumentException for a type that is not {@link #readable}, or sizes that do not
   *     fit
   */
  public static void decode(GgufType type, byte[] blocks, float[] out) {
    BlockForm form =
        BlockForm.of(type)
            .orElseThrow(() -> new IllegalArgumentException(type + " blocks are not read"));
    if (out.length % type.blockElements() != 0 || form.rowBytes(out.length) != blocks.length) {
      throw new IllegalArgumentException(
          "%d bytes of %s for %d values".formatted(blocks.length, type, out.length));
    }
    BlockRow row = BlockRow.of(form, out.length);
    form.decode(blocks, row);
    form.values(row, out);
  }
}
