package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A table as {@code octet_rows_of} reads it: {@code (q - z)·s + o} for every block of a row. */
sealed interface StoredRows {
  /** What C reads of a table; null where it knows no way. */
  static @Nullable StoredRows of(RowTable table) {
    return switch (table) {
      case PackedRows(PackedWeight w, _, _) when w.order() == null -> new OfPanels(w);
      case DenseWeight w -> OfWeight.of(w, w.values(), null);
      case Int8Weight w when w.permutation() == null -> OfWeight.of(w, w.codes(), w.grid());
      case Int4Weight w when w.permutation() == null -> OfWeight.of(w, w.packed(), w.grid());
      case Fp8Weight w -> OfWeight.of(w, w.codes(), w.grid());
      default -> null;
    };
  }

  /** Layout of a step. */
  Form form();

  /** Whether steps lie as in a panel, or one after the other. */
  boolean panels();

  /** All codes. */
  MemorySegment codes();

  /** Where a row begins in them, which is not checked. */
  long at(long row);

  /** Columns after which the next begin with a step of their own. */
  int run();

  /** Columns that share a scale. */
  int block();

  /** Whether codes are scaled; otherwise they are values. */
  boolean scaled();

  /** Whether anything is added to what is scaled. */
  boolean offset();

  /** s of a block. */
  float scale(long row, int block);

  /** z of a block, as integers without a sign are measured. */
  float zero(long row, int block);

  /** o of a block. */
  float offset(long row, int block);

  /** A weight as its layer multiplies it. */
  record OfPanels(PackedWeight weight) implements StoredRows {
    @Override
    public Form form() {
      return weight.form();
    }

    @Override
    public boolean panels() {
      return true;
    }

    @Override
    public MemorySegment codes() {
      return weight.codes();
    }

    @Override
    public long at(long row) {
      long panelBytes = (long) weight.inputs() * PackedWeight.PANEL * form().bits() / 8;
      return row / PackedWeight.PANEL * panelBytes + row % PackedWeight.PANEL * form().wordBytes();
    }

    @Override
    public int run() {
      return weight.block();
    }

    @Override
    public int block() {
      return weight.block();
    }

    @Override
    public boolean scaled() {
      return weight.hasScales();
    }

    @Override
    public boolean offset() {
      return weight.offsets() != null;
    }

    @Override
    public float scale(long row, int block) {
      return weight.scales().getAtIndex(JAVA_FLOAT, index(row, block));
    }

    @Override
    public float zero(long row, int block) {
      if (!form().integer()) {
        return 0;
      }
      MemorySegment zeros = weight.zeros();
      return zeros.byteSize() == 0
          ? weight.zero()
          : Byte.toUnsignedInt(zeros.get(JAVA_BYTE, index(row, block)));
    }

    @Override
    public float offset(long row, int block) {
      MemorySegment offsets = weight.offsets();
      return offsets == null ? 0 : offsets.getAtIndex(JAVA_FLOAT, index(row, block));
    }

    private long index(long row, int block) {
      return (row / PackedWeight.PANEL * weight.blocks() + block) * PackedWeight.PANEL
          + row % PackedWeight.PANEL;
    }
  }

  /** A weight as it came, in the order of its inputs. */
  record OfWeight(Form form, MemorySegment codes, long rowBytes, int run, @Nullable ScaleGrid grid)
      implements StoredRows {
    static @Nullable StoredRows of(QuantizedWeight w, Tensor codes, @Nullable ScaleGrid grid) {
      if (!codes.isContiguous() || !codes.segment().isNative()) {
        return null;
      }
      Form form = Form.of(w);
      long rowBytes = Math.ceilDiv(Math.multiplyExact(w.columns(), form.bits()), 8L);
      return new OfWeight(form, codes.segment(), rowBytes, Math.toIntExact(w.columns()), grid);
    }

    @Override
    public boolean panels() {
      return false;
    }

    @Override
    public long at(long row) {
      return row * rowBytes;
    }

    @Override
    public int block() {
      return grid == null ? run : (int) Math.min(run, grid.columnBlock());
    }

    @Override
    public boolean scaled() {
      return grid != null;
    }

    @Override
    public boolean offset() {
      return grid != null && grid.offsets() != null;
    }

    @Override
    public float scale(long row, int block) {
      return grid == null ? 1 : grid.scale(row, (long) block * block());
    }

    @Override
    public float zero(long row, int block) {
      return grid == null ? 0 : grid.zeroPoint(row, (long) block * block()) + form.flip();
    }

    @Override
    public float offset(long row, int block) {
      return grid == null ? 0 : grid.offset(row, (long) block * block());
    }
  }
}
