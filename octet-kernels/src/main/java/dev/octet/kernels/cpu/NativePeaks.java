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
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The loops of {@code peaks.c}. */
final class NativePeaks implements PeakLoops {
  private static final long RESULT_BYTES = 2L * Double.BYTES;

  private final Tier tier;
  private final MethodHandle peak;
  private final MethodHandle read;

  /** The same for tiles; null below AMX. */
  private final @Nullable MethodHandle tilePeak;

  NativePeaks(NativeKernels library) {
    this.tier = library.tier();
    this.tilePeak =
        tier.has(Tier.AMX) ? library.entry("octet_tile_peak", JAVA_INT, JAVA_LONG, ADDRESS) : null;
    this.peak = library.entry("octet_peak", JAVA_INT, JAVA_LONG, ADDRESS);
    this.read = library.entry("octet_peak_read", ADDRESS, JAVA_LONG, ADDRESS);
  }

  @Override
  public String isa() {
    return tier.label();
  }

  @Override
  public List<Loop> arithmetic() {
    List<Loop> loops = new ArrayList<>();
    loops.add(loop(peak, Arithmetic.F32, "vfmadd231ps", 0));
    if (tier.has(Tier.AVX512)) {
      loops.add(loop(peak, Arithmetic.BF16, "vdpbf16ps", 1));
    }
    loops.add(loop(peak, Arithmetic.INT8, tier.has(Tier.AVX512) ? "vpdpbusd" : "vpmaddwd", 2));
    if (tilePeak != null) {
      loops.add(loop(tilePeak, Arithmetic.BF16, "tdpbf16ps", 1));
      loops.add(loop(tilePeak, Arithmetic.INT8, "tdpbssd", 2));
    }
    return loops;
  }

  /**
   * @param code PEAK_… of {@code peaks.c}
   */
  private static Loop loop(MethodHandle peak, Arithmetic kind, String instruction, int code) {
    return new Loop(kind, instruction, rounds -> operations(peak, code, rounds));
  }

  private static double operations(MethodHandle peak, int code, long rounds) {
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
