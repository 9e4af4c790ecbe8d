package dev.octet.kernels.cpu;

import dev.octet.kernels.cpu.Scratch.Use;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * What the kernels of one call multiply with the weight: rows of x, or tiles of them. Lies in
 * memory of the calling thread; tasks write parts of it.
 *
 * @param memory rows [rows][stride], or tiles
 * @param size bytes of an element
 * @param tiles what makes tiles; null: rows are read as they are
 */
record LeftOperand(PackedWeight weight, MemorySegment memory, int size, @Nullable TileCalls tiles) {

  /** Room for {@code rows} rows. */
  static LeftOperand of(PackedWeight weight, int rows, int size, @Nullable TileCalls tiles) {
    Scratch scratch = Scratch.ofThread();
    MemorySegment memory =
        tiles == null
            ? rows(weight, scratch, Use.ORDERED, rows, size).memory()
            : scratch.get(Use.TILES, TileCalls.bytes(weight, rows, size));
    return new LeftOperand(weight, memory, size, tiles);
  }

  /** Where a task writes rows {@code from}…{@code from + count - 1}, to {@link #finish} them. */
  Rows part(int from, int count) {
    return tiles == null
        ? rows().part(from, count)
        : rows(weight, Scratch.ofThread(), Use.PART, count, size);
  }

  /** After a part is written; {@code from} is a multiple of {@link #step}. */
  void finish(Rows part, int from, int count) {
    if (tiles != null) {
      long tileBytes = TileCalls.bytes(weight, TileCalls.ROWS, size);
      tiles.tileRows(weight, part, count, memory.asSlice(from / TileCalls.ROWS * tileBytes));
    }
  }

  /** What the first rows of parts are multiples of. */
  int step() {
    return tiles == null ? 1 : TileCalls.ROWS;
  }

  /** Panels of weights that are multiplied at once. */
  int panels() {
    return tiles == null ? 2 : TileCalls.PANELS;
  }

  /** All rows, where they are no tiles. */
  Rows rows() {
    return new Rows(memory, Rows.stride(weight.inputs(), size), size);
  }

  private static Rows rows(PackedWeight weight, Scratch scratch, Use use, int rows, int size) {
    long stride = Rows.stride(weight.inputs(), size);
    return new Rows(scratch.get(use, rows * stride * size), stride, size);
  }
}
