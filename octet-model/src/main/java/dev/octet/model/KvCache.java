package dev.octet.model;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import java.util.ArrayList;
import java.util.List;

/**
 * The keys and values of one sequence, layer by layer. Made by {@link CausalLm#newCache} and usable
 * with that model only; not thread-safe. Closing frees the memory at once.
 */
public final class KvCache implements AutoCloseable {
  private final CausalLm owner;
  private final List<KvLayer> layers = new ArrayList<>();
  private boolean closed;

  KvCache(CausalLm owner, AttentionKernels kernels, List<KvSpec> specs) {
    this.owner = owner;
    for (KvSpec spec : specs) {
      layers.add(kernels.newKvLayer(spec));
    }
  }

  /** Tokens stored. */
  public int length() {
    return layers.getFirst().length();
  }

  /** Bytes in use, scales included. */
  public long byteSize() {
    return layers.stream().mapToLong(KvLayer::byteSize).sum();
  }

  /**
   * Forgets tokens from {@code length} on.
   *
   * @throws IllegalArgumentException if it is longer than what is stored
   */
  public void truncate(int length) {
    if (length < 0 || length > length()) {
      throw new IllegalArgumentException(
          "cannot cut a cache of " + length() + " tokens to " + length);
    }
    cut(length);
  }

  /** Brings every layer back to {@code length}: after a failure some are longer than others. */
  void cut(int length) {
    for (KvLayer layer : layers) {
      if (layer.length() > length) {
        layer.truncate(length);
      }
    }
  }

  KvLayer layer(int index) {
    return layers.get(index);
  }

  void requireUsableBy(CausalLm model) {
    if (closed) {
      throw new IllegalStateException("the KV cache has been closed");
    }
    if (owner != model) {
      throw new IllegalArgumentException("the KV cache was made by another model");
    }
  }

  /** Frees the blocks; closing twice is harmless. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      layers.forEach(KvLayer::close);
    }
  }
}
