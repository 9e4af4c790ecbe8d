package dev.octet.benchpeers;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.octet.bench.peer.PeerException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The functions of llama.h that a benchmark needs, for release 0.5.0 and no other: parameters are
 * structures passed by value, whose fields move from release to release.
 */
final class LlamaCppLibrary {
  static final String RELEASE = "0.5.0";

  private static final StructLayout MODEL_PARAMETERS = words(80);
  private static final StructLayout CONTEXT_PARAMETERS = words(160);
  private static final long N_CTX = 0;
  private static final long N_BATCH = 4;
  private static final long N_THREADS = 28;
  private static final long N_THREADS_BATCH = 32;
  private static final long FLASH_ATTENTION = 52;

  /** {@code llama_batch}: a count, tokens, and six addresses that may be null. */
  private static final StructLayout BATCH = words(56);

  private static final long BATCH_TOKENS = 8;

  private static boolean loaded;

  private final SymbolLookup llama;
  private final MethodHandle decode;
  private final MethodHandle logits;

  LlamaCppLibrary(Path folder) {
    Path library = folder.resolve("libllama.v" + RELEASE + ".so");
    if (!Files.isRegularFile(library)) {
      throw new PeerException(
          library
              + ": no such file; get llama.cpp by `npm pack @node-llama-cpp/linux-x64@3.22.1`,"
              + " unpack it and set OCTET_LLAMA_CPP to its folder bins/linux-x64");
    }
    llama = lookup(library);
    decode = handle(llama, "llama_decode", FunctionDescriptor.of(JAVA_INT, ADDRESS, BATCH));
    logits = handle(llama, "llama_get_logits", FunctionDescriptor.of(ADDRESS, ADDRESS));
    load(folder);
  }

  private static StructLayout words(int bytes) {
    return MemoryLayout.structLayout(MemoryLayout.sequenceLayout(bytes / 8, JAVA_LONG));
  }

  @SuppressWarnings("restricted") // the library is what this class is for
  private static SymbolLookup lookup(Path library) {
    return SymbolLookup.libraryLookup(library, Arena.global());
  }

  @SuppressWarnings("restricted") // signatures are those of llama.h
  private static MethodHandle handle(SymbolLookup library, String name, FunctionDescriptor type) {
    return Linker.nativeLinker().downcallHandle(library.findOrThrow(name), type);
  }

  /** Once a process: finds the best of the kernels' libraries, and keeps the log to itself. */
  private synchronized void load(Path folder) {
    if (loaded) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      handle(llama, "llama_log_set", FunctionDescriptor.ofVoid(ADDRESS, ADDRESS))
          .invokeExact(silence(), MemorySegment.NULL);
      SymbolLookup ggml = lookup(folder.resolve("libggml.v" + RELEASE + ".so"));
      handle(ggml, "ggml_backend_load_all_from_path", FunctionDescriptor.ofVoid(ADDRESS))
          .invokeExact(arena.allocateFrom(folder.toString()));
      handle(llama, "llama_backend_init", FunctionDescriptor.ofVoid()).invokeExact();
      loaded = true;
    } catch (Throwable e) {
      throw failure("llama_backend_init", e);
    }
  }

  /** Called by the log. */
  static void ignore(int level, MemorySegment text, MemorySegment data) {}

  @SuppressWarnings("restricted") // a function of that signature by llama.h
  private static MemorySegment silence() throws ReflectiveOperationException {
    MethodHandle ignore =
        MethodHandles.lookup()
            .findStatic(
                LlamaCppLibrary.class,
                "ignore",
                MethodType.methodType(
                    void.class, int.class, MemorySegment.class, MemorySegment.class));
    return Linker.nativeLinker()
        .upcallStub(ignore, FunctionDescriptor.ofVoid(JAVA_INT, ADDRESS, ADDRESS), Arena.global());
  }

  /** The processor's features that its kernels use. */
  String systemInfo() {
    try {
      MemorySegment text =
          (MemorySegment)
              handle(llama, "llama_print_system_info", FunctionDescriptor.of(ADDRESS))
                  .invokeExact();
      return string(text);
    } catch (Throwable e) {
      throw failure("llama_print_system_info", e);
    }
  }

  @SuppressWarnings("restricted") // a C string that lives as long as the library
  private static String string(MemorySegment text) {
    return text.reinterpret(1 << 16).getString(0);
  }

  /** Loads a model; null if it refuses the file. */
  MemorySegment loadModel(Path file) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment parameters =
          (MemorySegment)
              handle(llama, "llama_model_default_params", FunctionDescriptor.of(MODEL_PARAMETERS))
                  .invokeExact((SegmentAllocator) arena);
      MemorySegment model =
          (MemorySegment)
              handle(
                      llama,
                      "llama_model_load_from_file",
                      FunctionDescriptor.of(ADDRESS, ADDRESS, MODEL_PARAMETERS))
                  .invokeExact(arena.allocateFrom(file.toString()), parameters);
      return required("llama_model_load_from_file", model);
    } catch (Throwable e) {
      throw failure("llama_model_load_from_file", e);
    }
  }

  /** A sequence of at most {@code tokens} tokens. */
  MemorySegment newContext(
      MemorySegment model, int tokens, int batch, int threads, boolean flashAttention) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment parameters =
          (MemorySegment)
              handle(
                      llama,
                      "llama_context_default_params",
                      FunctionDescriptor.of(CONTEXT_PARAMETERS))
                  .invokeExact((SegmentAllocator) arena);
      parameters.set(JAVA_INT, N_CTX, tokens);
      parameters.set(JAVA_INT, N_BATCH, batch);
      parameters.set(JAVA_INT, N_THREADS, threads);
      parameters.set(JAVA_INT, N_THREADS_BATCH, threads);
      parameters.set(JAVA_INT, FLASH_ATTENTION, flashAttention ? 1 : 0);
      MemorySegment context =
          (MemorySegment)
              handle(
                      llama,
                      "llama_init_from_model",
                      FunctionDescriptor.of(ADDRESS, ADDRESS, CONTEXT_PARAMETERS))
                  .invokeExact(model, parameters);
      return required("llama_init_from_model", context);
    } catch (Throwable e) {
      throw failure("llama_init_from_model", e);
    }
  }

  /** Reads tokens, at most as many as the context's batch. */
  void decode(MemorySegment context, int[] ids) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment batch = arena.allocate(BATCH);
      batch.set(JAVA_INT, 0, ids.length);
      batch.set(ADDRESS, BATCH_TOKENS, arena.allocateFrom(JAVA_INT, ids));
      int status = (int) decode.invokeExact(context, batch);
      if (status != 0) {
        throw new PeerException("llama.cpp: llama_decode gives " + status);
      }
    } catch (Throwable e) {
      throw failure("llama_decode", e);
    }
  }

  /** Logits of the last token. */
  @SuppressWarnings("restricted") // a vocabulary of floats, by llama.h
  MemorySegment logits(MemorySegment context, int vocabulary) {
    try {
      MemorySegment values = (MemorySegment) logits.invokeExact(context);
      return required("llama_get_logits", values).reinterpret(4L * vocabulary);
    } catch (Throwable e) {
      throw failure("llama_get_logits", e);
    }
  }

  /** Forgets all tokens of a context. */
  void clear(MemorySegment context) {
    try {
      MemorySegment memory =
          (MemorySegment)
              handle(llama, "llama_get_memory", FunctionDescriptor.of(ADDRESS, ADDRESS))
                  .invokeExact(context);
      handle(llama, "llama_memory_clear", FunctionDescriptor.ofVoid(ADDRESS, JAVA_BOOLEAN))
          .invokeExact(memory, true);
    } catch (Throwable e) {
      throw failure("llama_memory_clear", e);
    }
  }

  /** Frees a context or a model by the function of that name. */
  void free(String function, MemorySegment what) {
    try {
      handle(llama, function, FunctionDescriptor.ofVoid(ADDRESS)).invokeExact(what);
    } catch (Throwable e) {
      throw failure(function, e);
    }
  }

  private static MemorySegment required(String function, MemorySegment result) {
    if (result.address() == 0) {
      throw new PeerException("llama.cpp: " + function + " fails");
    }
    return result;
  }

  private static RuntimeException failure(String function, Throwable e) {
    return switch (e) {
      case PeerException p -> p;
      case Error error -> throw error;
      default -> new PeerException("llama.cpp: " + function + ": " + e.getMessage(), e);
    };
  }
}
