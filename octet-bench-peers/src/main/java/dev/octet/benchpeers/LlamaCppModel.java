package dev.octet.benchpeers;

import dev.octet.bench.peer.ModelTask;
import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.PeerModel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A context of llama.cpp, its cache in F16, all else as llama.cpp chooses. */
final class LlamaCppModel implements PeerModel {
  private final LlamaCppLibrary library;
  private final int vocabulary;
  private final String variant;
  private final LlamaCppWeights weights;
  private final MemorySegment context;

  LlamaCppModel(
      LlamaCppLibrary library,
      ModelTask task,
      LlamaCppWeights weights,
      int threads,
      boolean flashAttention) {
    this.library = library;
    this.vocabulary = task.config().vocabSize();
    this.variant = weights.label() + (flashAttention ? " fa" : "");
    this.weights = weights;
    this.context =
        library.newContext(weights.model(), task.context(), task.batch(), threads, flashAttention);
    weights.acquire();
  }

  @Override
  public String variant() {
    return variant;
  }

  @Override
  public long bytes() {
    return weights.bytes();
  }

  @Override
  public long bytesRead() {
    return weights.bytesRead();
  }

  @Override
  public void reset() {
    library.clear(context);
  }

  @Override
  public void forward(int[] ids) {
    library.decode(context, ids);
  }

  /** Logits of the last token. */
  float[] logits() {
    return library.logits(context, vocabulary).toArray(ValueLayout.JAVA_FLOAT);
  }

  @Override
  public void check() {
    MemorySegment logits = library.logits(context, vocabulary);
    float first = logits.get(ValueLayout.JAVA_FLOAT, 0);
    boolean same = true;
    for (long i = 0; i < vocabulary; i++) {
      float value = logits.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      if (!Float.isFinite(value)) {
        throw new PeerException("llama.cpp " + variant + ": logit " + i + " is " + value);
      }
      same &= value == first;
    }
    if (same) {
      throw new PeerException("llama.cpp " + variant + ": all logits are " + first);
    }
  }

  @Override
  public void close() {
    library.free("llama_free", context);
    weights.release();
  }
}
