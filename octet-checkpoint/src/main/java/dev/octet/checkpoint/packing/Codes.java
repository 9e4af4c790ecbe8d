package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.tensor.DType;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Codes one a byte: from unsigned to signed, and turned. */
public final class Codes {
  private Codes() {}

  /** Unsigned codes to signed ones in place: {@code q = u - 2^(b-1)}, I8 of the same shape. */
  public static Tensor signed(Tensor unsigned, int bits) {
    return moved(unsigned, DType.I8, -(1 << bits - 1));
  }

  /** Signed codes to unsigned ones, U8 in memory of their own. */
  public static Tensor unsigned(Tensor signed, int bits) {
    Tensor copy = signed.contiguous(Arena.ofAuto()).to(signed.dtype(), Arena.ofAuto());
    return moved(copy, DType.U8, 1 << bits - 1);
  }

  private static Tensor moved(Tensor codes, DType type, int by) {
    for (long i = 0; i < codes.size(); i++) {
      byte code = codes.segment().get(JAVA_BYTE, i);
      codes.segment().set(JAVA_BYTE, i, (byte) (code + by));
    }
    return Tensor.of(type, codes.segment(), codes.shape());
  }

  /**
   * Refuses zero points that are no codes themselves; GPTQ's first convention can have one more.
   *
   * @param format which asks for it
   * @throws CheckpointException naming the first that is none
   */
  public static void requireZeros(String module, ScaleGrid grid, int bits, String format) {
    Tensor zeros = grid.zeroPoints();
    for (long i = 0; zeros != null && i < zeros.size(); i++) {
      long zero = zeros.getLong(i);
      if (zero < -(1L << bits - 1) || zero >= 1L << bits - 1) {
        throw new CheckpointException(
            "%s: zero point %d at index %d is no signed %d-bit code, as %s asks for"
                .formatted(module, zero, i, bits, format));
      }
    }
  }

  /** A grid's zero points as unsigned codes, U8 [rows, blocks]; 2^(b-1) where there are none. */
  public static Tensor zeros(ScaleGrid grid, int bits) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, grid.scales().shape());
    long blocks = out.dim(1);
    for (long i = 0; i < out.size(); i++) {
      int z = grid.zeroPoint(i / blocks * grid.rowBlock(), i % blocks * grid.columnBlock());
      out.segment().set(JAVA_BYTE, i, (byte) (z + (1 << bits - 1)));
    }
    return out;
  }

  /** Signed codes I8 [n, k] as canonical nibbles U8 [n, ⌈k/2⌉]; they must fit. */
  public static Tensor nibbles(Tensor codes) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, codes.dim(0), (codes.dim(1) + 1) / 2);
    long bad = Packing.gather(codes, out, -8, 7);
    if (bad >= 0) {
      throw new IllegalArgumentException("code " + codes.getLong(bad) + " is no int4");
    }
    return out;
  }

  /** A contiguous matrix [a, b] to [b, a]. */
  public static Tensor turned(Tensor matrix) {
    long rows = matrix.dim(0);
    long columns = matrix.dim(1);
    long size = matrix.dtype().bytes(1);
    Tensor out = Tensor.allocate(Arena.ofAuto(), matrix.dtype(), columns, rows);
    for (long r = 0; r < rows; r++) {
      for (long c = 0; c < columns; c++) {
        long from = (r * columns + c) * size;
        MemorySegment.copy(matrix.segment(), from, out.segment(), (c * rows + r) * size, size);
      }
    }
    return out;
  }
}
