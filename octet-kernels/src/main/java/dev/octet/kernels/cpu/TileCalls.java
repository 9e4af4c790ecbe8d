package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.kernels.cpu.Scratch.Use;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The entries of {@code amx/*.c}, each with the checks that C cannot make. */
final class TileCalls {
  /** Rows of a tile of x. */
  static final int ROWS = 16;

  /** Panels that tasks are made of: GROUP of {@code amx/tile_weights.h}. */
  static final int PANELS = 4;

  private static final int ROW_BYTES = 64;

  private final MethodHandle tileRows;
  private final MethodHandle integers;
  private final MethodHandle halves;
  private final long scratchBytes;

  TileCalls(NativeKernels library) {
    this.tileRows =
        library.entry(
            "octet_tile_rows",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS);
    this.integers =
        library.entry(
            "octet_linear_int_tiles",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            JAVA_LONG);
    this.halves =
        library.entry(
            "octet_linear_bf16_tiles",
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            JAVA_LONG);
    this.scratchBytes = scratchBytes(library);
  }

  private static long scratchBytes(NativeKernels library) {
    MethodHandle entry = library.entry("octet_linear_tiles_scratch", ADDRESS);
    MemorySegment bytes = Scratch.ofThread().get(Use.PART, 8);
    try {
      NativeKernels.check((int) entry.invokeExact(bytes), "octet_linear_tiles_scratch");
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    return bytes.get(JAVA_LONG, 0);
  }

  /** Bytes of rows of x as tiles, with elements of {@code size} bytes. */
  static long bytes(PackedWeight w, int rows, int size) {
    long blockBytes = Math.ceilDiv((long) w.padded() * size, ROW_BYTES) * ROW_BYTES;
    long rowBytes = Math.multiplyExact(w.blocks(), blockBytes);
    return Math.multiplyExact((long) Math.ceilDiv(rows, ROWS) * ROWS, rowBytes);
  }

  /** {@code octet_tile_rows}. */
  void tileRows(PackedWeight w, Rows x, int rows, MemorySegment out) {
    x.require("x", rows, w.inputs());
    LinearCalls.requireBytes("tiles", out, bytes(w, rows, x.size()));
    int status;
    try {
      status =
          (int)
              tileRows.invokeExact(
                  x.memory(),
                  (long) rows,
                  x.stride(),
                  (long) x.size(),
                  (long) w.blocks(),
                  (long) w.padded(),
                  out);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_tile_rows");
  }

  /** {@code octet_linear_int_tiles}: x I8 tiles, scales F32 [rows], sums I32 [rows][blocks]. */
  void integers(
      PackedWeight w,
      int rows,
      long from,
      long to,
      MemorySegment x,
      MemorySegment scales,
      MemorySegment sums,
      MemorySegment out) {
    LinearCalls.requireBytes("x", x, bytes(w, rows, Byte.BYTES));
    LinearCalls.requireBytes("scales", scales, 4L * rows);
    LinearCalls.requireFloats("sums", sums, rows, w.blocks());
    LinearCalls.requireFloats("out", out, rows, w.n());
    int status;
    try {
      MemorySegment room = scratch();
      status =
          (int)
              integers.invokeExact(
                  w.struct(), (long) rows, from, to, x, scales, sums, out, room, room.byteSize());
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_linear_int_tiles");
  }

  /** {@code octet_linear_bf16_tiles}: x BF16 tiles, scales F32 [rows] or NULL. */
  void halves(
      PackedWeight w,
      int rows,
      long from,
      long to,
      MemorySegment x,
      MemorySegment scales,
      MemorySegment out) {
    LinearCalls.requireBytes("x", x, bytes(w, rows, Short.BYTES));
    if (scales.address() != 0) {
      LinearCalls.requireBytes("scales", scales, 4L * rows);
    }
    LinearCalls.requireFloats("out", out, rows, w.n());
    int status;
    try {
      MemorySegment room = scratch();
      status =
          (int)
              halves.invokeExact(
                  w.struct(), (long) rows, from, to, x, scales, out, room, room.byteSize());
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_linear_bf16_tiles");
  }

  /** The calling thread's working memory. */
  private MemorySegment scratch() {
    return Scratch.ofThread().get(Use.PRODUCTS, scratchBytes);
  }
}
