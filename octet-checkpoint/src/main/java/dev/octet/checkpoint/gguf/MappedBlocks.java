package dev.octet.checkpoint.gguf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.octet.tensor.RowTable;
import java.lang.foreign.MemorySegment;
import java.util.Locale;
import java.util.Objects;

/** A matrix of blocks whose rows are decoded from the mapped file as they are asked for. */
record MappedBlocks(BlockForm form, GgufTensor tensor, MemorySegment bytes) implements RowTable {
  @Override
  public long rows() {
    return tensor.shape()[0];
  }

  @Override
  public long columns() {
    return tensor.shape()[1];
  }

  @Override
  public long byteSize() {
    return bytes.byteSize();
  }

  @Override
  public String label() {
    return form.type().name().toLowerCase(Locale.ROOT);
  }

  @Override
  public void dequantizeRow(long row, float[] out) {
    Objects.checkIndex(row, rows());
    int columns = Math.toIntExact(columns());
    Objects.checkFromIndexSize(0, columns, out.length);
    byte[] blocks = new byte[form.rowBytes(columns)];
    MemorySegment.copy(bytes, JAVA_BYTE, row * blocks.length, blocks, 0, blocks.length);
    BlockRow parts = BlockRow.of(form, columns);
    form.decode(blocks, parts);
    form.values(parts, out);
  }
}
