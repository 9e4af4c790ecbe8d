package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionSpec;
import dev.octet.tensor.Tensor;

/** Which keys a query sees. */
public record Visibility(AttentionSpec spec, int keys) {
  /** The first key that query {@code i}'s window reaches. */
  public int first(int i) {
    long first = spec.window() == 0 ? 0 : (long) spec.offset() + i - spec.window() + 1;
    return Math.clamp(first, 0, keys);
  }

  /** One past the last key that query {@code i} may see. */
  public int end(int i) {
    return spec.causal() ? Math.clamp((long) spec.offset() + i + 1, 0, keys) : keys;
  }

  /** Whether the mask, if there is one, lets query {@code i} see key {@code key}. */
  public boolean unmasked(int i, int key) {
    Tensor mask = spec.mask();
    return mask == null || mask.getLong((long) i * keys + key) != 0;
  }
}
