package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.kernels.WorkPool;
import dev.octet.kernels.cpu.Scratch.Use;
import dev.octet.kernels.linear.Shapes;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Rows of tables, many of them by several threads: in C where it knows how they are stored, by the
 * table itself where it does not, or where the result lies in a Java array.
 */
final class RowLookup {
  /** Elements of a part. */
  private static final int PART = 1 << 14;

  private final WorkPool pool;
  private final MethodHandle rowsOf;

  RowLookup(WorkPool pool, NativeKernels library) {
    this.pool = pool;
    this.rowsOf =
        library.entry(
            "octet_rows_of",
            JAVA_INT,
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS);
  }

  /** {@link dev.octet.kernels.Kernels#lookUp}. */
  void lookUp(RowTable table, int[] rows, Tensor out) {
    int columns = Shapes.requireLookUp(table, rows, out);
    StoredRows stored = out.segment().isNative() && columns > 0 ? StoredRows.of(table) : null;
    int each = Math.max(1, PART / Math.max(1, columns));
    pool.run(
        Math.ceilDiv(rows.length, each),
        i -> {
          int first = i * each;
          int count = Math.min(each, rows.length - first);
          MemorySegment to =
              out.segment().asSlice((long) first * columns * Float.BYTES, 4L * count * columns);
          if (stored == null) {
            byTable(table, rows, first, count, columns, to);
          } else {
            inC(stored, rows, first, count, columns, to);
          }
        });
  }

  private static void byTable(
      RowTable table, int[] rows, int first, int count, int columns, MemorySegment out) {
    float[] row = new float[columns];
    for (int r = 0; r < count; r++) {
      table.dequantizeRow(rows[first + r], row);
      MemorySegment.copy(row, 0, out, JAVA_FLOAT_UNALIGNED, 4L * r * columns, columns);
    }
  }

  private void inC(
      StoredRows table, int[] rows, int first, int count, int columns, MemorySegment out) {
    Scratch scratch = Scratch.ofThread();
    MemorySegment at = scratch.get(Use.ORDERED, 8L * count);
    long bytes = rowSpan(table, columns);
    for (int r = 0; r < count; r++) {
      long begin = table.at(rows[first + r]);
      if (begin < 0 || begin > table.codes().byteSize() - bytes) {
        throw new IndexOutOfBoundsException(
            "row %d of a table of %d bytes".formatted(rows[first + r], table.codes().byteSize()));
      }
      at.setAtIndex(JAVA_LONG, r, begin);
    }
    MemorySegment scales = MemorySegment.NULL;
    MemorySegment zeros = MemorySegment.NULL;
    MemorySegment offsets = MemorySegment.NULL;
    if (table.scaled()) {
      int blocks = Math.ceilDiv(columns, table.block());
      scales = scratch.get(Use.SCALES, 4L * count * blocks);
      zeros = scratch.get(Use.SUMS, 4L * count * blocks);
      offsets = table.offset() ? scratch.get(Use.INPUT_SUMS, 4L * count * blocks) : offsets;
      for (int r = 0; r < count; r++) {
        fill(table, rows[first + r], r * (long) blocks, blocks, scales, zeros, offsets);
      }
    }
    call(table, at, count, columns, scales, zeros, offsets, out);
  }

  private static void fill(
      StoredRows table,
      int row,
      long to,
      int blocks,
      MemorySegment scales,
      MemorySegment zeros,
      MemorySegment offsets) {
    for (int b = 0; b < blocks; b++) {
      scales.setAtIndex(JAVA_FLOAT, to + b, table.scale(row, b));
      zeros.setAtIndex(JAVA_FLOAT, to + b, table.zero(row, b));
      if (table.offset()) {
        offsets.setAtIndex(JAVA_FLOAT, to + b, table.offset(row, b));
      }
    }
  }

  /** From the first byte that C reads of a row to one past the last. */
  private static long rowSpan(StoredRows table, int columns) {
    Form form = table.form();
    if (!table.panels()) {
      return Math.ceilDiv((long) columns * form.bits(), 8L);
    }
    long perRun = Math.ceilDiv(table.run(), form.step());
    long last = columns % table.run() == 0 ? table.run() : columns % table.run();
    long steps = (Math.ceilDiv(columns, table.run()) - 1) * perRun;
    steps += Math.ceilDiv(last, form.step());
    return ((steps - 1) * PackedWeight.PANEL + 1) * form.wordBytes();
  }

  private void call(
      StoredRows table,
      MemorySegment at,
      int count,
      int columns,
      MemorySegment scales,
      MemorySegment zeros,
      MemorySegment offsets,
      MemorySegment out) {
    int status;
    try {
      status =
          (int)
              rowsOf.invokeExact(
                  table.form().code(),
                  table.panels() ? 1 : 0,
                  table.codes(),
                  at,
                  (long) count,
                  (long) columns,
                  (long) table.run(),
                  (long) table.block(),
                  scales,
                  zeros,
                  offsets,
                  out);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_rows_of");
  }
}
