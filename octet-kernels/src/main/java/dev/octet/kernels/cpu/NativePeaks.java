package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.kernels.Peaks.Arithmetic;
import dev.octet.kernels.peak.PeakLoops;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.List;

/** The loops of {@code peaks.c}. */
final class NativePeaks implements PeakLoops {
  private static final long RESULT_BYTES = 2L * Double.BYTES;

  private final Tier tier;
  private final MethodHandle peak;
  private final MethodHandle read;

  NativePeaks(NativeKernels library) {
    this.tier = library.tier();
    this.peak = library.entry("octet_peak", JAVA_INT, JAVA_LONG, ADDRESS);
    this.read = library.entry("octet_peak_read", ADDRESS, JAVA_LONG, ADDRESS);
  }

  @Override
  public String isa() {
    return tier.label();
  }

  @Override
  public List<Loop> arithmetic() {
    Loop f32 = loop(Arithmetic.F32, "vfmadd231ps", 0);
    return tier == Tier.AVX2
        ? List.of(f32, loop(Arithmetic.INT8, "vpmaddwd", 2))
        : List.of(f32, loop(Arithmetic.BF16, "vdpbf16ps", 1), loop(Arithmetic.INT8, "vpdpbusd", 2));
  }

  /**
   * @param code PEAK_… of {@code peaks.c}
   */
  private Loop loop(Arithmetic kind, String instruction, int code) {
    return new Loop(kind, instruction, rounds -> operations(code, rounds));
  }

  private double operations(int code, long rounds) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(RESULT_BYTES, Double.BYTES);
      int status;
      try {
        status = (int) peak.invokeExact(code, rounds, result);
      } catch (Throwable e) {
        throw NativeKernels.rethrown(e);
      }
      NativeKernels.check(status, "octet_peak");
      return result.get(JAVA_DOUBLE, 0);
    }
  }

  @Override
  public MemorySegment allocate(long bytes, Arena arena) {
    return HugePages.allocate(bytes, arena);
  }

  @Override
  public void read(MemorySegment memory) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(RESULT_BYTES, Double.BYTES);
      int status;
      try {
        status = (int) read.invokeExact(memory, memory.byteSize(), result);
      } catch (Throwable e) {
        throw NativeKernels.rethrown(e);
      }
      NativeKernels.check(status, "octet_peak_read");
    }
  }
}
