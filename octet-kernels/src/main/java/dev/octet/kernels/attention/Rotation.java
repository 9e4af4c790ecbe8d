package dev.octet.kernels.attention;

/**
 * The orthogonal rotation {@code M = diag(±1)·H/√b} that spreads a channel's outliers over all
 * channels before keys and queries are quantized (incoherent processing of FlashAttention-3, arXiv
 * 2407.08608, section 3.3). H is a Hadamard matrix; where the dimension is no power of two, one of
 * the largest power of two b that divides it stands in every diagonal block. Scores do not change:
 * {@code (q·M)·(k·M) = q·k}.
 *
 * <p>Signs and the order of additions are fixed, so every provider makes the same codes.
 */
public final class Rotation {
  private final int dim;
  private final int block;
  private final float norm;
  private final float[] signs;

  private Rotation(int dim) {
    this.dim = dim;
    this.block = Integer.lowestOneBit(dim);
    this.norm = (float) (1 / Math.sqrt(block));
    this.signs = new float[dim];
    for (int c = 0; c < dim; c++) {
      signs[c] = sign(c);
    }
  }

  /** The rotation of vectors of {@code dim} channels. */
  public static Rotation of(int dim) {
    if (dim < 1) {
      throw new IllegalArgumentException("a rotation needs at least one channel, not " + dim);
    }
    return new Rotation(dim);
  }

  /** A fixed pseudo-random ±1: the top bit of a multiplicative hash (Knuth's golden ratio). */
  private static float sign(int channel) {
    int hash = (channel + 1) * 0x9E3779B9;
    hash = (hash ^ hash >>> 15) * 0x85EBCA6B;
    return hash < 0 ? -1 : 1;
  }

  public int dim() {
    return dim;
  }

  /** Size of a Hadamard block: the largest power of two that divides the dimension. */
  public int block() {
    return block;
  }

  /** 1/√b. */
  public float norm() {
    return norm;
  }

  /** ±1 of every channel; not to be changed. */
  public float[] signs() {
    return signs;
  }

  /** +1 or −1 for a channel. */
  public float signOf(int channel) {
    return signs[channel];
  }

  /** Rotates {@code x[from .. from+dim)} in place, by the fast Walsh–Hadamard transform. */
  public void apply(float[] x, int from) {
    for (int c = 0; c < dim; c++) {
      x[from + c] *= signs[c];
    }
    for (int half = 1; half < block; half *= 2) {
      for (int base = from; base < from + dim; base += 2 * half) {
        for (int i = base; i < base + half; i++) {
          float a = x[i];
          float b = x[i + half];
          x[i] = a + b;
          x[i + half] = a - b;
        }
      }
    }
    for (int c = from; c < from + dim; c++) {
      x[c] *= norm;
    }
  }
}
