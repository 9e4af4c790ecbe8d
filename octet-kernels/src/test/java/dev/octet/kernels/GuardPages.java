package dev.octet.kernels;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Memory that ends where a page begins that nobody may touch: reading or writing one byte too far
 * ends the process, whatever language does it.
 */
public final class GuardPages implements AutoCloseable {
  private static final long PAGE = 4096;
  private static final int READ_WRITE = 3;
  private static final int PRIVATE_ANONYMOUS = 0x22;

  private final List<MemorySegment> mappings = new ArrayList<>();

  /** Without any memory yet. */
  public GuardPages() {}

  /** Whether the system's calls are the ones known here. */
  public static boolean supported() {
    return System.getProperty("os.name").toLowerCase(Locale.ROOT).equals("linux");
  }

  /** A copy of {@code tensor} that ends at a guard page. */
  public Tensor copy(Tensor tensor) {
    MemorySegment segment = allocate(tensor.byteSize()).copyFrom(tensor.segment());
    return Tensor.of(tensor.dtype(), segment, tensor.shape());
  }

  /** A zeroed tensor that ends at a guard page. */
  public Tensor zeros(DType type, long... shape) {
    return Tensor.of(type, allocate(Tensor.byteSize(type, shape)), shape);
  }

  /** Zeros that end at a guard page. */
  @SuppressWarnings("restricted")
  public MemorySegment allocate(long bytes) {
    long pages = (bytes + PAGE - 1) / PAGE * PAGE;
    try {
      MemorySegment mapping =
          ((MemorySegment)
                  Calls.MMAP.invokeExact(
                      MemorySegment.NULL, pages + PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L))
              .reinterpret(pages + PAGE);
      mappings.add(mapping);
      int failed = (int) Calls.MPROTECT.invokeExact(mapping.asSlice(pages), PAGE, 0);
      if (failed != 0) {
        throw new IllegalStateException("mprotect failed");
      }
      return mapping.asSlice(pages - bytes, bytes);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    for (MemorySegment mapping : mappings) {
      try {
        int ignored = (int) Calls.MUNMAP.invokeExact(mapping, mapping.byteSize());
      } catch (Throwable e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** Looked up only where they are. */
  private static final class Calls {
    static final MethodHandle MMAP =
        handle(
            "mmap",
            FunctionDescriptor.of(
                ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    static final MethodHandle MPROTECT =
        handle("mprotect", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    static final MethodHandle MUNMAP =
        handle("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));

    @SuppressWarnings("restricted")
    private static MethodHandle handle(String name, FunctionDescriptor type) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
    }
  }
}
