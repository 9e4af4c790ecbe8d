package dev.octet.kernels.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Memory for weights and caches in pages of 2 MiB, where Linux gives them to who asks ({@code
 * madvise}, its usual setting): what is read from end to end crosses a page 512 times less often,
 * and what the processor fetches ahead of itself ends with a page. Where it does not, pages are of
 * 4 KiB and all else is the same. Nothing is touched before it is written.
 */
final class HugePages {
  private static final long PAGE = 2L << 20;

  /** What is smaller is no longer read from memory once it has been read. */
  private static final long LEAST = 2 * PAGE;

  private static final int READ_WRITE = 3;
  private static final int PRIVATE_ANONYMOUS = 0x22;
  private static final int ADVISE_HUGE_PAGES = 14;

  private static final MethodHandle MAP =
      handle("mmap", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
  private static final MethodHandle UNMAP = handle("munmap", JAVA_INT, ADDRESS, JAVA_LONG);
  private static final MethodHandle ADVISE =
      handle("madvise", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);

  private HugePages() {}

  /** Zeros, aligned to 64 bytes at least, freed with the arena. */
  @SuppressWarnings("restricted") // the memory just mapped, of that size
  static MemorySegment allocate(long bytes, Arena arena) {
    if (bytes < LEAST) {
      return arena.allocate(bytes, 64);
    }
    long mapped = Math.addExact(bytes, PAGE);
    long start = map(mapped);
    if (start == -1) {
      return arena.allocate(bytes, 64); // which says what is wrong
    }
    long aligned = (start + PAGE - 1) / PAGE * PAGE;
    advise(aligned, bytes / PAGE * PAGE); // not the last, which would become a whole page
    return MemorySegment.ofAddress(aligned).reinterpret(bytes, arena, _ -> unmap(start, mapped));
  }

  @SuppressWarnings("restricted") // functions of the C library, for what this class is for
  private static MethodHandle handle(String name, MemoryLayout result, MemoryLayout... arguments) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(result, arguments));
  }

  private static long map(long bytes) {
    try {
      MemorySegment made =
          (MemorySegment)
              MAP.invokeExact(MemorySegment.NULL, bytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
      return made.address();
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
  }

  /** Advice: whether it is taken does not matter. */
  private static void advise(long start, long bytes) {
    try {
      int _ = (int) ADVISE.invokeExact(MemorySegment.ofAddress(start), bytes, ADVISE_HUGE_PAGES);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
  }

  private static void unmap(long start, long bytes) {
    try {
      int _ = (int) UNMAP.invokeExact(MemorySegment.ofAddress(start), bytes);
    } catch (Throwable e) {
      throw NativeKernels.rethrown(e);
    }
  }
}
