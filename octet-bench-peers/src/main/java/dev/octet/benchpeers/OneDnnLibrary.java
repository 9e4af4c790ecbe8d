package dev.octet.benchpeers;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * What the bindings leave out: the instruction set in use, and the number of threads, which is
 * OpenMP's.
 *
 * <p>Symbols are looked up through oneDNN's own library, so that the OpenMP found is the one that
 * it is linked to, whichever copies other peers have brought.
 */
final class OneDnnLibrary {
  private final SymbolLookup library;

  @SuppressWarnings("restricted") // the library is loaded already
  OneDnnLibrary(Path path) {
    library = SymbolLookup.libraryLookup(path, Arena.global());
  }

  /** Sets how many threads work for the calling thread. */
  void threads(int count) {
    try {
      handle("omp_set_num_threads", FunctionDescriptor.ofVoid(JAVA_INT)).invokeExact(count);
    } catch (Throwable e) {
      throw new IllegalStateException("omp_set_num_threads", e);
    }
  }

  /** Values of {@code dnnl_cpu_isa_t}. */
  String isa() {
    int value;
    try {
      value =
          (int) handle("dnnl_get_effective_cpu_isa", FunctionDescriptor.of(JAVA_INT)).invokeExact();
    } catch (Throwable e) {
      throw new IllegalStateException("dnnl_get_effective_cpu_isa", e);
    }
    return switch (value) {
      case 0x1 -> "SSE4.1";
      case 0x3 -> "AVX";
      case 0x7 -> "AVX2";
      case 0xf, 0x1f -> "AVX2 VNNI";
      case 0x27 -> "AVX-512";
      case 0x67 -> "AVX-512 VNNI";
      case 0xe7 -> "AVX-512 BF16";
      case 0x1ef -> "AVX-512 FP16";
      case 0xfef, 0x1fef -> "AMX";
      default -> "isa 0x" + Integer.toHexString(value);
    };
  }

  @SuppressWarnings("restricted") // functions of that signature by oneDNN's and OpenMP's manuals
  private MethodHandle handle(String name, FunctionDescriptor type) {
    return Linker.nativeLinker().downcallHandle(library.findOrThrow(name), type);
  }
}
