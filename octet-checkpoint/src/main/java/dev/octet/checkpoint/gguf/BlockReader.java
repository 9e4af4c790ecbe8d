package dev.octet.checkpoint.gguf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.Nibbles;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.ScaleSign;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** Turns a matrix of blocks into its canonical form, rows in parallel. */
final class BlockReader {
  /** Rows that one task takes. */
  private static final long CHUNK = 64;

  private final BlockForm form;
  private final MemorySegment blocks;
  private final RowOrder order;
  private final long rows;
  private final int columns;
  private final Tensor codes;
  private final Tensor scales;
  private final @Nullable Tensor offsets;

  BlockReader(BlockForm form, MemorySegment blocks, long[] shape, RowOrder order) {
    this.form = form;
    this.blocks = blocks;
    this.order = order;
    this.rows = shape[0];
    this.columns = Math.toIntExact(shape[1]);
    Arena arena = Arena.ofAuto();
    long groups = columns / form.group();
    this.codes =
        form.bits() == 4
            ? Tensor.allocate(arena, DType.U8, rows, columns / 2)
            : Tensor.allocate(arena, DType.I8, rows, columns);
    this.scales = Tensor.allocate(arena, DType.F32, rows, groups);
    this.offsets = form.offset() ? Tensor.allocate(arena, DType.F32, rows, groups) : null;
  }

  /**
   * The canonical form.
   *
   * @throws IllegalArgumentException if a scale or offset is infinite or NaN
   */
  QuantizedWeight read() {
    LongStream.range(0, Math.ceilDiv(rows, CHUNK))
        .parallel()
        .forEach(c -> readRows(c * CHUNK, Math.min(rows, (c + 1) * CHUNK)));
    ScaleGrid grid =
        new ScaleGrid(ScaleGranularity.GROUP, 1, form.group(), scales, zero(), sign(), offsets);
    return form.bits() == 4
        ? new Int4Weight(codes, columns, grid, null)
        : new Int8Weight(codes, grid);
  }

  private void readRows(long from, long to) {
    byte[] in = new byte[form.rowBytes(columns)];
    byte[] packed = new byte[columns / 2];
    BlockRow row = BlockRow.of(form, columns);
    for (long r = from; r < to; r++) {
      MemorySegment.copy(blocks, JAVA_BYTE, order.stored(r) * in.length, in, 0, in.length);
      form.decode(in, row);
      byte[] stored = row.codes();
      if (form.bits() == 4) {
        Nibbles.pack(row.codes(), columns, packed);
        stored = packed;
      }
      MemorySegment.copy(stored, 0, codes.segment(), JAVA_BYTE, r * stored.length, stored.length);
      store(row.scales(), scales, r);
      if (offsets != null) {
        store(row.offsets(), offsets, r);
      }
    }
  }

  private static void store(float[] values, Tensor to, long row) {
    long at = row * values.length * Float.BYTES;
    MemorySegment.copy(values, 0, to.segment(), JAVA_FLOAT, at, values.length);
  }

  private @Nullable Tensor zero() {
    if (form.zero() == 0) {
      return null;
    }
    Tensor zero = Tensor.allocate(Arena.ofAuto(), DType.I16, 1, 1);
    zero.setFloat(0, form.zero());
    return zero;
  }

  /** Where all scales happen to be positive, other formats can hold the weight, too. */
  private ScaleSign sign() {
    for (long i = 0; i < scales.size(); i++) {
      if (!(scales.getFloat(i) > 0)) {
        return ScaleSign.ANY;
      }
    }
    return ScaleSign.POSITIVE;
  }
}
