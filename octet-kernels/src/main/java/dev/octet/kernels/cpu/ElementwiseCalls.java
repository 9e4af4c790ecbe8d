package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/**
 * The entries of {@code norm.c}, {@code rope.c}, {@code pointwise.c} and {@code softmax.c}, each
 * with the checks that C cannot make. All memory is F32 outside the heap.
 */
final class ElementwiseCalls {
  private final MethodHandle rmsNorm;
  private final MethodHandle rope;
  private final MethodHandle swiGlu;
  private final MethodHandle add;
  private final MethodHandle softmax;

  ElementwiseCalls(NativeKernels library) {
    this.rmsNorm =
        library.entry(
            "octet_rms_norm", ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS, JAVA_FLOAT, ADDRESS);
    this.rope =
        library.entry(
            "octet_rope", ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS);
    this.swiGlu = library.entry("octet_swiglu", ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);
    this.add = library.entry("octet_add", ADDRESS, ADDRESS, JAVA_LONG);
    this.softmax = library.entry("octet_softmax", ADDRESS, JAVA_LONG, JAVA_LONG);
  }

  /** {@code octet_rms_norm}: x and out [rows][n], weight and bias [n]. */
  void rmsNorm(
      MemorySegment x,
      long rows,
      int n,
      MemorySegment weight,
      @Nullable MemorySegment bias,
      float epsilon,
      MemorySegment out) {
    requireFloats("x", x, rows, n);
    requireFloats("out", out, rows, n);
    requireFloats("weight", weight, 1, n);
    if (bias != null) {
      requireFloats("bias", bias, 1, n);
    }
    MemorySegment given = bias == null ? MemorySegment.NULL : bias;
    int status;
    try {
      status = (int) rmsNorm.invokeExact(x, rows, (long) n, weight, given, epsilon, out);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_rms_norm");
  }

  /** {@code octet_rope}: x [tokens][heads][headDim], cosines and sines [tokens][half]. */
  void rope(
      MemorySegment x,
      long tokens,
      long heads,
      long headDim,
      long half,
      MemorySegment cosines,
      MemorySegment sines) {
    requireFloats("x", x, tokens, Math.multiplyExact(heads, headDim));
    requireFloats("cosines", cosines, tokens, half);
    requireFloats("sines", sines, tokens, half);
    int status;
    try {
      status = (int) rope.invokeExact(x, tokens, heads, headDim, half, cosines, sines);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_rope");
  }

  /** {@code octet_swiglu}. */
  void swiGlu(MemorySegment gate, MemorySegment up, long count, MemorySegment out) {
    requireFloats("gate", gate, 1, count);
    requireFloats("up", up, 1, count);
    requireFloats("out", out, 1, count);
    int status;
    try {
      status = (int) swiGlu.invokeExact(gate, up, count, out);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_swiglu");
  }

  /** {@code octet_add}. */
  void add(MemorySegment x, MemorySegment y, long count) {
    requireFloats("x", x, 1, count);
    requireFloats("y", y, 1, count);
    int status;
    try {
      status = (int) add.invokeExact(x, y, count);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_add");
  }

  /** {@code octet_softmax}: x [rows][n]. */
  void softmax(MemorySegment x, long rows, int n) {
    requireFloats("x", x, rows, n);
    int status;
    try {
      status = (int) softmax.invokeExact(x, rows, (long) n);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
    NativeKernels.check(status, "octet_softmax");
  }

  private static void requireFloats(String what, MemorySegment segment, long rows, long columns) {
    if (segment.byteSize() / Float.BYTES < Math.multiplyExact(rows, columns)) {
      throw new IllegalArgumentException(
          "%s has %d bytes, the kernel needs %d rows of %d floats"
              .formatted(what, segment.byteSize(), rows, columns));
    }
  }
}
