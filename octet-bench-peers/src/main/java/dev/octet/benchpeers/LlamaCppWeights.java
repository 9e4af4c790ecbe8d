package dev.octet.benchpeers;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/** A model that contexts share; the last that lets go of it frees it. */
final class LlamaCppWeights {
  private final LlamaCppLibrary library;
  private final String label;
  private final long bytes;
  private final long bytesRead;
  private final MemorySegment model;
  private int users = 1;

  /**
   * Loads a file; whoever makes it is its first user.
   *
   * @param idle bytes of the file that a pass does not read
   */
  LlamaCppWeights(LlamaCppLibrary library, Path file, String label, long idle) throws IOException {
    this.library = library;
    this.label = label;
    this.bytes = Files.size(file);
    this.bytesRead = bytes - idle;
    this.model = library.loadModel(file);
  }

  String label() {
    return label;
  }

  long bytes() {
    return bytes;
  }

  long bytesRead() {
    return bytesRead;
  }

  MemorySegment model() {
    return model;
  }

  void acquire() {
    users++;
  }

  void release() {
    users--;
    if (users == 0) {
      library.free("llama_model_free", model);
    }
  }
}
