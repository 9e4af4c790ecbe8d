package dev.octet.checkpoint.gguf;

/**
 * A row of blocks taken apart.
 *
 * @param codes signed codes, one a column
 * @param scales one a group of columns
 * @param offsets one a group; empty for a form that has none
 */
record BlockRow(byte[] codes, float[] scales, float[] offsets) {
  static BlockRow of(BlockForm form, int columns) {
    int groups = columns / form.group();
    return new BlockRow(
        new byte[columns], new float[groups], new float[form.offset() ? groups : 0]);
  }
}
