package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.octet.tensor.Codecs;
import dev.octet.tensor.RowTable;
import java.lang.foreign.MemorySegment;

/**
 * The rows of a weight, read back from its panels ({@code linear.h}): what one output has of a step
 * lies in one word of 32 bits, those of the next step 64 bytes on.
 *
 * @param label what the weight is called
 * @param byteSize of the weight as it came
 */
record PackedRows(PackedWeight weight, String label, long byteSize) implements RowTable {
  @Override
  public long rows() {
    return weight.n();
  }

  @Override
  public long columns() {
    return weight.k();
  }

  @Override
  public void dequantizeRow(long row, float[] out) {
    int k = weight.k();
    if (row < 0 || row >= weight.n() || out.length < k) {
      throw new IndexOutOfBoundsException(
          "row %d into %d elements of a table [%d, %d]".formatted(row, out.length, weight.n(), k));
    }
    for (int b = 0; b < weight.blocks(); b++) {
      readBlock(row, b, out);
    }
    restore(out);
  }

  /** One block of inputs, in the order in which it is stored. */
  private void readBlock(long row, int block, float[] out) {
    Form form = weight.form();
    int first = block * weight.block();
    int end = Math.min(weight.k(), first + weight.block());
    long step = (long) block * weight.padded() / form.step();
    long at = word(row, step);
    long apart = (long) PackedWeight.PANEL * form.wordBytes();
    for (int j = first; j < end; j += form.step(), at += apart) {
      decode(form, at, out, j, Math.min(form.step(), end - j));
    }
    if (weight.hasScales()) {
      scale(row, block, out, first, end);
    }
  }

  /** Where one output's part of a step lies. */
  private long word(long row, long step) {
    long steps = weight.inputs() / weight.form().step();
    long panel = row / PackedWeight.PANEL;
    long lane = row % PackedWeight.PANEL;
    return ((panel * steps + step) * PackedWeight.PANEL + lane) * weight.form().wordBytes();
  }

  private void decode(Form form, long at, float[] out, int to, int count) {
    MemorySegment codes = weight.codes();
    switch (form) {
      case F32 -> out[to] = codes.get(JAVA_FLOAT, at);
      case F16 -> out[to] = Float.float16ToFloat(codes.get(JAVA_SHORT, at));
      case BF16 -> {
        int pair = codes.get(JAVA_INT, at);
        for (int i = 0; i < count; i++) {
          out[to + i] = Codecs.bf16ToFloat((short) (pair >>> 16 * i));
        }
      }
      case I8, E4M3, E5M2 -> {
        int four = codes.get(JAVA_INT, at);
        for (int i = 0; i < count; i++) {
          byte code = (byte) (four >>> 8 * i);
          out[to + i] =
              form == Form.I8
                  ? Byte.toUnsignedInt(code)
                  : form == Form.E4M3 ? Codecs.e4m3ToFloat(code) : Codecs.e5m2ToFloat(code);
        }
      }
      case I4, E2M1 -> {
        int eight = codes.get(JAVA_INT, at);
        for (int i = 0; i < count; i++) {
          int code = eight >>> 8 * (i % 4) + 4 * (i / 4) & 15;
          out[to + i] = form == Form.I4 ? code : Codecs.e2m1ToFloat(code);
        }
      }
    }
  }

  /** From stored codes to weights: {@code (q - z)·s + o}, product and sum rounded once each. */
  private void scale(long row, int block, float[] out, int first, int end) {
    long at =
        (row / PackedWeight.PANEL * weight.blocks() + block) * PackedWeight.PANEL
            + row % PackedWeight.PANEL;
    float zero = 0;
    if (weight.form().integer()) {
      MemorySegment zeros = weight.zeros();
      zero = zeros.byteSize() == 0 ? weight.zero() : Byte.toUnsignedInt(zeros.get(JAVA_BYTE, at));
    }
    float scale = weight.scales().getAtIndex(JAVA_FLOAT, at);
    MemorySegment offsets = weight.offsets();
    float offset = offsets == null ? 0 : offsets.getAtIndex(JAVA_FLOAT, at);
    for (int j = first; j < end; j++) {
      float product = (out[j] - zero) * scale;
      out[j] = offsets == null ? product : product + offset;
    }
  }

  /** To the order of the inputs. */
  private void restore(float[] out) {
    MemorySegment order = weight.order();
    if (order == null) {
      return;
    }
    float[] stored = out.clone();
    for (int j = 0; j < weight.k(); j++) {
      out[order.getAtIndex(JAVA_INT, j)] = stored[j];
    }
  }
}
