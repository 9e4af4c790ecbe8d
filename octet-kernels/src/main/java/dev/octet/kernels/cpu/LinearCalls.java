package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.kernels.WorkPool;
import dev.octet.kernels.linear.FixedPoint;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The entries of {@code linear_*.c}, each with the checks that C cannot make. */
final class LinearCalls {
  /** Size of {@code octet_linear}. */
  static final long LINEAR_BYTES = 8 * 8 + 2 * 4;

  private static final long ROWS_BYTES = 4 * 8 + 8;

  private static final MemoryLayout[] MULTIPLY = {
    ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS
  };

  private final MethodHandle pack;
  private final MethodHandle integers;
  private final MethodHandle fixed;
  private final MethodHandle floats;
  private final MethodHandle halves;
  private final MethodHandle quantizeInt8;
  private final MethodHandle quantizeInt16;
  private final MethodHandle arrange;
  private final MethodHandle blockSums;
  private final MethodHandle inputSums;
  private final MethodHandle addOffsets;
  private final MethodHandle toBf16;
  private final MethodHandle roundE4m3;

  LinearCalls(NativeKernels library) {
    this.pack = library.entry("octet_linear_pack", ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS);
    this.integers =
        library.entry(
            "octet_linear_int",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            JAVA_LONG,
            ADDRESS,
            ADDRESS,
            ADDRESS);
    this.fixed =
        library.entry(
            "octet_linear_fixed",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            ADDRESS,
            ADDRESS);
    this.floats = library.entry("octet_linear_f32", MULTIPLY);
    this.halves = library.entry("octet_linear_bf16", MULTIPLY);
    this.quantizeInt8 =
        library.entry(
            "octet_quantize_int8",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_INT,
            JAVA_FLOAT,
            JAVA_FLOAT,
            JAVA_INT,
            ADDRESS,
            JAVA_LONG,
            ADDRESS);
    this.quantizeInt16 =
        library.entry(
            "octet_quantize_int16",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            JAVA_LONG,
            ADDRESS,
            ADDRESS);
    this.arrange =
        library.entry(
            "octet_arrange",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            ADDRESS,
            JAVA_LONG);
    this.blockSums =
        library.entry(
            "octet_block_sums", ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);
    this.inputSums =
        library.entry("octet_input_sums", ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);
    this.addOffsets =
        library.entry(
            "octet_add_offsets",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            ADDRESS);
    this.toBf16 = library.entry("octet_to_bf16", ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG);
    this.roundE4m3 =
        library.entry(
            "octet_round_e4m3",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_FLOAT,
            JAVA_INT,
            ADDRESS,
            ADDRESS);
  }

  void pack(
      Form form,
      int n,
      int k,
      int block,
      int padded,
      MemorySegment rows,
      MemorySegment panels,
      WorkPool pool) {
    long rowBytes = Math.ceilDiv((long) k * form.bits(), 8L);
    requireBytes("weight", rows, n * rowBytes);
    int count = Math.ceilDiv(n, PackedWeight.PANEL);
    long inputs = (long) Math.ceilDiv(k, block) * padded;
    requireBytes("panels", panels, count * inputs * PackedWeight.PANEL * form.bits() / 8);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment struct = arena.allocate(ROWS_BYTES, 8);
      long[] longs = {n, k, block, padded};
      for (int i = 0; i < longs.length; i++) {
        struct.setAtIndex(JAVA_LONG, i, longs[i]);
      }
      struct.set(JAVA_INT, 8L * longs.length, form.code());
      int tasks = Math.min(count, 8 * pool.threads());
      pool.run(
          tasks,
          t -> {
            long from = (long) count * t / tasks;
            long to = (long) count * (t + 1) / tasks;
            int status;
            try {
              status = (int) pack.invokeExact(struct, from, to, rows, panels);
            } catch (Throwable e) {
              throw NativeKernels.rethrown(e);
            }
            NativeKernels.check(status, "octet_linear_pack");
          });
    }
  }

  /** {@code octet_linear_int}: codes I8, scales F32 [rows], sums I32 [rows][blocks]. */
  void integers(
      PackedWeight w,
      int rows,
      long from,
      long to,
      Rows codes,
      MemorySegment scales,
      MemorySegment sums,
      MemorySegment out) {
    codes.require("codes", rows, w.inputs());
    requireBytes("scales", scales, 4L * rows);
    requireFloats("sums", sums, rows, w.blocks());
    requireFloats("out", out, rows, w.n());
    int status;
    try {
      status =
          (int)
              integers.invokeExact(
                  w.struct(),
                  (long) rows,
                  from,
                  to,
                  codes.memory(),
                  codes.stride(),
                  scales,
                  sums,
                  out);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_linear_int");
  }

  /**
   * {@code octet_linear_fixed}: high and low bytes of x as two rows a row; scales F32 and sums I32
   * [rows][groups].
   */
  void fixed(
      PackedWeight w,
      int rows,
      long from,
      long to,
      Rows halves,
      MemorySegment scales,
      MemorySegment sums,
      MemorySegment out) {
    halves.require("x", 2L * rows, w.inputs());
    requireBytes("scales", scales, groupBytes(w, rows));
    requireBytes("sums", sums, groupBytes(w, rows));
    requireFloats("out", out, rows, w.n());
    int status;
    try {
      status =
          (int)
              fixed.invokeExact(
                  w.struct(),
                  (long) rows,
                  from,
                  to,
                  halves.memory(),
                  halves.stride(),
                  (long) FixedPoint.GROUP,
                  scales,
                  sums,
                  out);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_linear_fixed");
  }

  /** Bytes of a number for every row and group of a 16-bit x. */
  private static long groupBytes(PackedWeight w, int rows) {
    long groups = Math.multiplyExact((long) w.blocks(), Math.ceilDiv(w.padded(), FixedPoint.GROUP));
    return Math.multiplyExact(4L * rows, groups);
  }

  /**
   * {@code octet_quantize_int16}: x F32 [rows][inputs], ordered and padded, to high and low bytes
   * as two rows a row; scales F32 and sums I32 [rows][groups].
   */
  void quantizeInt16(
      PackedWeight w,
      MemorySegment x,
      int rows,
      Rows halves,
      MemorySegment scales,
      MemorySegment sums) {
    requireFloats("x", x, rows, w.inputs());
    halves.require("x", 2L * rows, w.inputs());
    requireBytes("scales", scales, groupBytes(w, rows));
    requireBytes("sums", sums, groupBytes(w, rows));
    int status;
    try {
      status =
          (int)
              quantizeInt16.invokeExact(
                  x,
                  (long) rows,
                  (long) w.inputs(),
                  (long) w.padded(),
                  (long) FixedPoint.GROUP,
                  halves.memory(),
                  halves.stride(),
                  scales,
                  sums);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_quantize_int16");
  }

  /** {@code octet_linear_f32}: x F32, scales F32 [rows] or NULL. */
  void floats(
      PackedWeight w,
      int rows,
      long from,
      long to,
      Rows x,
      MemorySegment scales,
      MemorySegment out) {
    multiply(floats, "octet_linear_f32", w, rows, from, to, x, scales, out);
  }

  /** {@code octet_linear_bf16}: x BF16, scales F32 [rows] or NULL. */
  void halves(
      PackedWeight w,
      int rows,
      long from,
      long to,
      Rows x,
      MemorySegment scales,
      MemorySegment out) {
    multiply(halves, "octet_linear_bf16", w, rows, from, to, x, scales, out);
  }

  private static void multiply(
      MethodHandle entry,
      String name,
      PackedWeight w,
      int rows,
      long from,
      long to,
      Rows x,
      MemorySegment scales,
      MemorySegment out) {
    x.require("x", rows, w.inputs());
    if (scales.address() != 0) {
      requireBytes("scales", scales, 4L * rows);
    }
    requireFloats("out", out, rows, w.n());
    int status;
    try {
      status =
          (int)
              entry.invokeExact(
                  w.struct(), (long) rows, from, to, x.memory(), x.stride(), scales, out);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, name);
  }

  /**
   * {@code octet_quantize_int8}.
   *
   * @param bits of a code, 8 or 4; a byte either way
   * @param steps what a row's own scale divides its largest magnitude by
   * @param fixed scale of all rows; 0: each row's own
   */
  void quantizeInt8(
      MemorySegment x,
      int rows,
      int k,
      int bits,
      float steps,
      float fixed,
      int offset,
      Rows codes,
      MemorySegment scales) {
    requireFloats("x", x, rows, k);
    codes.require("codes", rows, k);
    requireBytes("scales", scales, 4L * rows);
    int status;
    try {
      status =
          (int)
              quantizeInt8.invokeExact(
                  x,
                  (long) rows,
                  (long) k,
                  bits,
                  steps,
                  fixed,
                  offset,
                  codes.memory(),
                  codes.stride(),
                  scales);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_quantize_int8");
  }

  /** {@code octet_arrange}: rows of elements as wide as those of out into the weight's order. */
  void arrange(PackedWeight w, MemorySegment x, int rows, Rows out) {
    requireBytes("x", x, (long) rows * w.k() * out.size());
    out.require("out", rows, w.inputs());
    MemorySegment order = w.order() == null ? MemorySegment.NULL : w.order();
    int status;
    try {
      status =
          (int)
              arrange.invokeExact(
                  x,
                  (long) rows,
                  (long) w.k(),
                  (long) out.size(),
                  (long) w.block(),
                  (long) w.padded(),
                  order,
                  out.memory(),
                  out.stride());
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_arrange");
  }

  /** {@code octet_block_sums}: sums of every block of codes. */
  void blockSums(PackedWeight w, Rows codes, int rows, MemorySegment sums) {
    codes.require("codes", rows, w.inputs());
    requireFloats("sums", sums, rows, w.blocks());
    int status;
    try {
      status =
          (int)
              blockSums.invokeExact(
                  codes.memory(),
                  (long) rows,
                  (long) w.inputs(),
                  codes.stride(),
                  (long) w.padded(),
                  sums);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_block_sums");
  }

  /**
   * {@code octet_input_sums}: sums of every block of x F32 [rows][k]; where {@code arranged}, of
   * what {@link #arrange} made of it, [rows][inputs].
   */
  void inputSums(PackedWeight w, boolean arranged, MemorySegment x, int rows, MemorySegment sums) {
    long columns = arranged ? w.inputs() : w.k();
    long block = arranged ? w.padded() : w.block();
    requireFloats("x", x, rows, columns);
    requireFloats("sums", sums, rows, w.blocks());
    int status;
    try {
      status = (int) inputSums.invokeExact(x, (long) rows, columns, block, sums);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_input_sums");
  }

  /** {@code octet_add_offsets}: what the offsets of the panels from…to-1 add to y. */
  void addOffsets(
      PackedWeight w,
      MemorySegment offsets,
      int rows,
      int from,
      int to,
      MemorySegment sums,
      MemorySegment y) {
    requireFloats("offsets", offsets, w.panels(), (long) w.blocks() * PackedWeight.PANEL);
    requireFloats("sums", sums, rows, w.blocks());
    requireFloats("y", y, rows, w.n());
    int status;
    try {
      status =
          (int)
              addOffsets.invokeExact(
                  offsets,
                  (long) w.n(),
                  (long) w.blocks(),
                  (long) rows,
                  (long) from,
                  (long) to,
                  sums,
                  y);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_add_offsets");
  }

  /** {@code octet_to_bf16}: x F32 [rows][k]. */
  void toBf16(MemorySegment x, int rows, int k, Rows out) {
    requireFloats("x", x, rows, k);
    out.require("out", rows, k);
    int status;
    try {
      status = (int) toBf16.invokeExact(x, (long) rows, (long) k, out.memory(), out.stride());
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_to_bf16");
  }

  /**
   * {@code octet_round_e4m3}: to FP8 and back.
   *
   * @param block inputs under one scale
   * @param fixed scale of all; 0: each block's own
   * @param scaled whether out holds values, or codes as floats
   */
  void roundE4m3(
      MemorySegment x,
      int rows,
      int k,
      int block,
      float fixed,
      boolean scaled,
      MemorySegment out,
      MemorySegment scales) {
    requireFloats("x", x, rows, k);
    requireFloats("out", out, rows, k);
    requireFloats("scales", scales, rows, Math.ceilDiv(k, block));
    int status;
    try {
      status =
          (int)
              roundE4m3.invokeExact(
                  x, (long) rows, (long) k, (long) block, fixed, scaled ? 1 : 0, out, scales);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_round_e4m3");
  }

  /** Throws unless there is room for {@code rows × columns} numbers of 32 bits. */
  static void requireFloats(String what, MemorySegment segment, int rows, long columns) {
    requireBytes(what, segment, Math.multiplyExact(4L * rows, columns));
  }

  static void requireBytes(String what, MemorySegment segment, long bytes) {
    if (segment.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "%s has %d bytes, the kernel needs %d".formatted(what, segment.byteSize(), bytes));
    }
  }
}
