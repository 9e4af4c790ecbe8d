package dev.octet.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/**
 * A dense n-dimensional view of a memory segment: row-major, little-endian, indexed by {@code
 * long}. The segment may be a slice of a mapped file; its arena decides how long the tensor may be
 * used.
 *
 * <p>Rows may lie further apart than they are long ({@link #rowStride}), so that a column range of
 * a matrix is a view too; within a row, elements are always adjacent.
 */
public final class Tensor {
  /** Alignment of allocated tensors in bytes: one cache line, and one AVX-512 vector. */
  public static final long ALIGNMENT = 64;

  /** Elements converted at a time: fits the L1 cache. */
  private static final int COPY_BUFFER = 4096;

  private final DType dtype;
  private final long[] shape;
  private final long size;
  private final long rowStride;
  private final MemorySegment segment;

  private Tensor(DType dtype, long[] shape, long rowStride, MemorySegment segment) {
    this.dtype = dtype;
    this.shape = shape;
    this.size = product(shape);
    this.rowStride = rowStride;
    this.segment = segment;
  }

  /**
   * A contiguous view of {@code segment}.
   *
   * @throws IllegalArgumentException if the segment's size is not what type and shape take
   */
  public static Tensor of(DType dtype, MemorySegment segment, long... shape) {
    long bytes = byteSize(dtype, shape);
    if (bytes != segment.byteSize()) {
      throw new IllegalArgumentException(
          "%s %s takes %d bytes, the segment has %d"
              .formatted(dtype, Arrays.toString(shape), bytes, segment.byteSize()));
    }
    return new Tensor(dtype, shape.clone(), lastDimension(shape), segment);
  }

  /** A zeroed tensor that lives as long as {@code arena}. */
  public static Tensor allocate(Arena arena, DType dtype, long... shape) {
    long bytes = byteSize(dtype, shape);
    return of(dtype, arena.allocate(bytes, ALIGNMENT), shape);
  }

  /** A copy of {@code values} as F32, living as long as {@code arena}. */
  public static Tensor ofFloats(Arena arena, float[] values, long... shape) {
    Tensor tensor = allocate(arena, DType.F32, shape);
    if (tensor.size() != values.length) {
      throw new IllegalArgumentException(
          values.length + " values for shape " + Arrays.toString(shape));
    }
    MemorySegment.copy(values, 0, tensor.segment, JAVA_FLOAT_UNALIGNED, 0, values.length);
    return tensor;
  }

  /** A garbage-collected F32 tensor; for small things and tests. */
  public static Tensor ofFloats(float[] values, long... shape) {
    return ofFloats(Arena.ofAuto(), values, shape);
  }

  public DType dtype() {
    return dtype;
  }

  public int rank() {
    return shape.length;
  }

  /** Size of dimension {@code i}; negative counts from the end. */
  public long dim(int i) {
    return shape[i < 0 ? shape.length + i : i];
  }

  public long[] shape() {
    return shape.clone();
  }

  /** Whether this tensor has exactly the given shape. */
  public boolean hasShape(long... expected) {
    return Arrays.equals(shape, expected);
  }

  /** Number of elements. */
  public long size() {
    return size;
  }

  /** Product of all dimensions but the last: the number of rows when seen as a matrix. */
  public long rows() {
    return product(shape, shape.length - 1);
  }

  /** The last dimension, 1 for a scalar: the length of a row. */
  public long columns() {
    return lastDimension(shape);
  }

  /** Elements from the start of one row to the start of the next. */
  public long rowStride() {
    return rowStride;
  }

  public boolean isContiguous() {
    return rowStride == columns() || rows() <= 1;
  }

  /** The underlying memory; of a strided view, from the first element to the last. */
  public MemorySegment segment() {
    return segment;
  }

  /** Bytes the elements take, without gaps between rows. */
  public long byteSize() {
    return dtype.bytes(size());
  }

  /** Row {@code i} of the tensor seen as a matrix [rows, columns]. */
  public Tensor row(long i) {
    return rowRange(i, i + 1).reshape(columns());
  }

  /**
   * Rows {@code from} (inclusive) to {@code to} (exclusive) of the matrix view, as [n, columns].
   */
  public Tensor rowRange(long from, long to) {
    if (from < 0 || to < from || to > rows()) {
      throw new IndexOutOfBoundsException("rows " + from + ".." + to + " of " + rows());
    }
    return matrixView(from, to, 0, columns());
  }

  /** Columns {@code from} to {@code to} of the matrix view, as a strided [rows, n]; no copy. */
  public Tensor columnRange(long from, long to) {
    if (from < 0 || to < from || to > columns()) {
      throw new IndexOutOfBoundsException("columns " + from + ".." + to + " of " + columns());
    }
    return matrixView(0, rows(), from, to);
  }

  private Tensor matrixView(long rowFrom, long rowTo, long columnFrom, long columnTo) {
    long n = rowTo - rowFrom;
    long width = columnTo - columnFrom;
    long first = n == 0 ? 0 : dtype.bytes(rowFrom * rowStride + columnFrom);
    long length = n == 0 ? 0 : dtype.bytes((n - 1) * rowStride + width);
    return new Tensor(dtype, new long[] {n, width}, rowStride, segment.asSlice(first, length));
  }

  /** The same elements under another shape. */
  public Tensor reshape(long... newShape) {
    if (product(newShape) != size()) {
      throw new IllegalArgumentException(
          Arrays.toString(shape) + " cannot be seen as " + Arrays.toString(newShape));
    }
    if (!isContiguous() && lastDimension(newShape) != columns()) {
      throw new IllegalArgumentException("a strided tensor keeps its last dimension");
    }
    long stride = isContiguous() ? lastDimension(newShape) : rowStride;
    return new Tensor(dtype, newShape.clone(), stride, segment);
  }

  /** This tensor if contiguous, else a contiguous copy in {@code arena}. */
  public Tensor contiguous(Arena arena) {
    if (isContiguous()) {
      return this;
    }
    Tensor copy = allocate(arena, dtype, shape);
    copyRows(copy);
    return copy;
  }

  /** Checks first: a wild index times the element's size may wrap to one inside. */
  private long offset(long index) {
    Objects.checkIndex(index, size);
    long columns = columns();
    return rowStride == columns ? index : index / columns * rowStride + index % columns;
  }

  /**
   * Element {@code index} in row-major order, decoded to F32 (I64 and F64 are rounded).
   *
   * @throws IllegalStateException for types without a decoder, see {@link DType#decodable}
   */
  public float getFloat(long index) {
    long i = offset(index);
    return switch (dtype) {
      case F32 -> segment.get(JAVA_FLOAT_UNALIGNED, i << 2);
      case BF16 -> Codecs.bf16ToFloat(segment.get(JAVA_SHORT_UNALIGNED, i << 1));
      case F16 -> Float.float16ToFloat(segment.get(JAVA_SHORT_UNALIGNED, i << 1));
      case F8_E4M3 -> Codecs.e4m3ToFloat(segment.get(JAVA_BYTE, i));
      case F8_E5M2 -> Codecs.e5m2ToFloat(segment.get(JAVA_BYTE, i));
      case F8_E8M0 -> Codecs.e8m0ToFloat(segment.get(JAVA_BYTE, i));
      case I8 -> segment.get(JAVA_BYTE, i);
      case U8, BOOL -> segment.get(JAVA_BYTE, i) & 0xFF;
      case I16 -> segment.get(JAVA_SHORT_UNALIGNED, i << 1);
      case I32 -> segment.get(JAVA_INT_UNALIGNED, i << 2);
      case I64 -> segment.get(JAVA_LONG_UNALIGNED, i << 3);
      case F64 -> (float) segment.get(JAVA_DOUBLE_UNALIGNED, i << 3);
      default -> throw new IllegalStateException("no decoder for " + dtype);
    };
  }

  /** Stores {@code value} at {@code index}, rounded to nearest even; FP8 and integers saturate. */
  public void setFloat(long index, float value) {
    long i = offset(index);
    switch (dtype) {
      case F32 -> segment.set(JAVA_FLOAT_UNALIGNED, i << 2, value);
      case BF16 -> segment.set(JAVA_SHORT_UNALIGNED, i << 1, Codecs.floatToBf16(value));
      case F16 -> segment.set(JAVA_SHORT_UNALIGNED, i << 1, Float.floatToFloat16(value));
      case F8_E4M3 -> segment.set(JAVA_BYTE, i, Codecs.floatToE4m3(value));
      case F8_E5M2 -> segment.set(JAVA_BYTE, i, Codecs.floatToE5m2(value));
      case I8 -> segment.set(JAVA_BYTE, i, (byte) Codecs.roundClamp(value, -128, 127));
      case U8 -> segment.set(JAVA_BYTE, i, (byte) Codecs.roundClamp(value, 0, 255));
      case I16 ->
          segment.set(
              JAVA_SHORT_UNALIGNED, i << 1, (short) Codecs.roundClamp(value, -32768, 32767));
      case I32 -> segment.set(JAVA_INT_UNALIGNED, i << 2, (int) Codecs.roundWhole(value));
      case I64 -> segment.set(JAVA_LONG_UNALIGNED, i << 3, (long) Codecs.roundWhole(value));
      case F64 -> segment.set(JAVA_DOUBLE_UNALIGNED, i << 3, value);
      default -> throw new IllegalStateException("no encoder for " + dtype);
    }
  }

  /** Element {@code index} of an integer tensor, exactly. */
  public long getLong(long index) {
    long i = offset(index);
    return switch (dtype) {
      case I8 -> segment.get(JAVA_BYTE, i);
      case U8, BOOL -> segment.get(JAVA_BYTE, i) & 0xFF;
      case I16 -> segment.get(JAVA_SHORT_UNALIGNED, i << 1);
      case U16 -> segment.get(JAVA_SHORT_UNALIGNED, i << 1) & 0xFFFF;
      case I32 -> segment.get(JAVA_INT_UNALIGNED, i << 2);
      case U32 -> segment.get(JAVA_INT_UNALIGNED, i << 2) & 0xFFFFFFFFL;
      case I64 -> segment.get(JAVA_LONG_UNALIGNED, i << 3);
      default -> throw new IllegalStateException(dtype + " is no integer type");
    };
  }

  /** All elements decoded to F32. Only for tensors of fewer than 2³¹ elements. */
  public float[] toFloats() {
    float[] out = new float[Math.toIntExact(size())];
    copyRange(0, out);
    return out;
  }

  /** Decodes {@code out.length} elements from {@code from} on. */
  public void copyRange(long from, float[] out) {
    copyRange(from, out, out.length);
  }

  /**
   * Decodes {@code count} elements from {@code from} on into the start of {@code out}.
   *
   * @throws IndexOutOfBoundsException if the tensor or {@code out} has fewer
   */
  public void copyRange(long from, float[] out, int count) {
    Objects.checkFromIndexSize(from, (long) count, size());
    Objects.checkFromIndexSize(0, count, out.length);
    int done = 0;
    while (done < count) {
      long index = from + done;
      long left = isContiguous() ? count - done : columns() - index % columns();
      int run = (int) Math.min(count - done, left);
      decodeRun(offset(index), out, done, run);
      done += run;
    }
  }

  /** Decodes adjacent elements; the types that weights come in have loops of their own. */
  private void decodeRun(long first, float[] out, int at, int count) {
    MemorySegment run = segment.asSlice(dtype.bytes(first), dtype.bytes(count));
    switch (dtype) {
      case F32 -> MemorySegment.copy(run, JAVA_FLOAT_UNALIGNED, 0, out, at, count);
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          out[at + i] = Codecs.bf16ToFloat(run.get(JAVA_SHORT_UNALIGNED, 2L * i));
        }
      }
      case F16 -> {
        for (int i = 0; i < count; i++) {
          out[at + i] = Float.float16ToFloat(run.get(JAVA_SHORT_UNALIGNED, 2L * i));
        }
      }
      case I8 -> {
        for (int i = 0; i < count; i++) {
          out[at + i] = run.get(JAVA_BYTE, i);
        }
      }
      default -> {
        Tensor elements = new Tensor(dtype, new long[] {count}, count, run);
        for (int i = 0; i < count; i++) {
          out[at + i] = elements.getFloat(i);
        }
      }
    }
  }

  /**
   * A copy of another element type in {@code arena}, rounded to nearest even by way of F32: I32,
   * I64 and F64 keep what fits 24 bits, unless {@code target} is the type they have.
   */
  public Tensor to(DType target, Arena arena) {
    Tensor copy = allocate(arena, target, shape);
    if (target == dtype) {
      copyRows(copy);
      return copy;
    }
    long n = size();
    float[] buffer = new float[(int) Math.min(n, COPY_BUFFER)];
    for (long from = 0; from < n; from += buffer.length) {
      int count = (int) Math.min(n - from, buffer.length);
      copyRange(from, buffer, count);
      for (int i = 0; i < count; i++) {
        copy.setFloat(from + i, buffer[i]);
      }
    }
    return copy;
  }

  /** Copies the bytes of every row to {@code copy}, which is contiguous. */
  private void copyRows(Tensor copy) {
    if (size() == 0) {
      return;
    }
    if (isContiguous()) {
      copy.segment.copyFrom(segment);
      return;
    }
    long rowBytes = dtype.bytes(columns());
    for (long r = 0; r < rows(); r++) {
      MemorySegment.copy(segment, dtype.bytes(r * rowStride), copy.segment, r * rowBytes, rowBytes);
    }
  }

  @Override
  public String toString() {
    return dtype + Arrays.toString(shape);
  }

  /** Bytes of a contiguous tensor; overflow-checked. */
  public static long byteSize(DType dtype, long... shape) {
    return dtype.bytes(product(shape));
  }

  private static long product(long[] shape) {
    return product(shape, shape.length);
  }

  /** Of the first {@code dimensions}. */
  private static long product(long[] shape, int dimensions) {
    long n = 1;
    for (int i = 0; i < dimensions; i++) {
      long d = shape[i];
      if (d < 0) {
        throw new IllegalArgumentException("negative dimension in " + Arrays.toString(shape));
      }
      n = Math.multiplyExact(n, d);
    }
    return n;
  }

  private static long lastDimension(long[] shape) {
    return shape.length == 0 ? 1 : shape[shape.length - 1];
  }
}
