package dev.octet.benchpeers;

import dev.octet.bench.peer.ModelTask;
import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.PeerModel;
import dev.octet.bench.peer.PeerSession;
import dev.octet.checkpoint.gguf.GgufType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** llama.cpp on a GGUF file of random weights, with and without its flash attention. */
final class LlamaCppSession implements PeerSession {
  private final LlamaCppLibrary library;
  private final int threads;

  LlamaCppSession(Path folder, int threads) {
    this.library = new LlamaCppLibrary(folder);
    this.threads = threads;
  }

  @Override
  public String version() {
    return LlamaCppLibrary.RELEASE;
  }

  /** {@code AVX512_VNNI AMX_INT8 …} of {@code CPU : AVX512_VNNI = 1 | AMX_INT8 = 1 | …}. */
  @Override
  public String isa() {
    String info = library.systemInfo();
    List<String> wide =
        Stream.of(info.split("[|:]", -1))
            .filter(s -> s.strip().endsWith("= 1"))
            .map(s -> s.strip().split(" ", -1)[0])
            .filter(s -> s.startsWith("AVX") || s.startsWith("AMX"))
            .toList();
    return wide.isEmpty() ? info.strip() : String.join(" ", wide);
  }

  @Override
  public List<PeerModel> models(ModelTask task) {
    LlamaCppWeights weights = weights(task);
    List<PeerModel> models = new ArrayList<>();
    try {
      for (boolean flash : new boolean[] {false, true}) {
        models.add(new LlamaCppModel(library, task, weights, threads, flash));
      }
      return models;
    } catch (RuntimeException e) {
      models.forEach(PeerModel::close);
      throw e;
    } finally {
      weights.release();
    }
  }

  /** The file is deleted once it is mapped: what is read of it stays until the model is freed. */
  private LlamaCppWeights weights(ModelTask task) {
    GgufType type = LlamaGguf.type(task.weights());
    try {
      Path folder = Files.createTempDirectory("octet-gguf");
      Path file = folder.resolve("random.gguf");
      try {
        LlamaGguf.of(task.config(), type).write(file);
        long idle = LlamaGguf.idleBytes(task.config(), type);
        return new LlamaCppWeights(library, file, LlamaGguf.label(type), idle);
      } finally {
        Files.deleteIfExists(file);
        Files.deleteIfExists(folder);
      }
    } catch (IOException e) {
      throw new PeerException("llama.cpp's model cannot be written: " + e.getMessage(), e);
    }
  }

  @Override
  public void close() {
    // The library stays for the process.
  }
}
