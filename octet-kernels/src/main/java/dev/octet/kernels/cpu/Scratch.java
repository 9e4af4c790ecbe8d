package dev.octet.kernels.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;

/** Memory for intermediate results, kept from call to call; one a calling thread. */
final class Scratch {
  private static final ThreadLocal<Scratch> OWN = ThreadLocal.withInitial(Scratch::new);

  /** What is in use at once, each in memory of its own. */
  enum Use {
    PLAIN,
    WIDE,
    ORDERED,
    PART,
    TILES,
    PRODUCTS,
    SCALES,
    BLOCK_SCALES,
    SUMS,
    INPUT_SUMS,
    OUTPUT
  }

  private final Map<Use, MemorySegment> segments = new EnumMap<>(Use.class);

  private Scratch() {}

  static Scratch ofThread() {
    return OWN.get();
  }

  /** At least {@code bytes} bytes, overwritten by the next call for the same use. */
  MemorySegment get(Use use, long bytes) {
    MemorySegment there = segments.get(use);
    if (there == null || there.byteSize() < bytes) {
      long size = Math.max(4096, Math.addExact(bytes, bytes >>> 2));
      there = Arena.ofAuto().allocate(size, 64);
      segments.put(use, there);
    }
    return there;
  }
}
