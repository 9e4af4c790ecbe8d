package dev.octet.kernels.cpu;

import java.lang.foreign.MemorySegment;

/**
 * Rows of x as the linear kernels read them.
 *
 * @param memory [rows][stride] elements
 * @param stride elements from row to row
 * @param size bytes of an element
 */
record Rows(MemorySegment memory, long stride, int size) {
  private static final int LINE = 64;

  /**
   * Elements from row to row. Rows that lie a multiple of 1 KiB apart share a few sets of the L1
   * cache, too few for the rows of a tile: a line is put between them.
   */
  static long stride(long elements, int size) {
    long lines = (elements * size + LINE - 1) / LINE;
    return (lines % 16 == 0 ? lines + 1 : lines) * LINE / size;
  }

  /** Rows {@code from}…{@code from + count - 1}. */
  Rows part(int from, int count) {
    long rowBytes = stride * size;
    return new Rows(memory.asSlice(from * rowBytes, count * rowBytes), stride, size);
  }

  /** Throws unless there is room for {@code rows} rows of {@code elements}. */
  void require(String what, long rows, long elements) {
    if (stride < elements || memory.byteSize() / size / stride < rows) {
      throw new IllegalArgumentException(
          "%s has %d bytes with rows of %d, the kernel needs %d rows of %d elements of %d bytes"
              .formatted(what, memory.byteSize(), stride, rows, elements, size));
    }
  }
}
