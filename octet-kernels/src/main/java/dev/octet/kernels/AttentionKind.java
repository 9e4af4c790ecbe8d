package dev.octet.kernels;

import static java.util.stream.Collectors.joining;

import java.util.Arrays;
import java.util.Locale;

/** How attention is computed. Section numbers refer to the papers named. */
public enum AttentionKind {
  /** Everything in F32. */
  F32("f32"),
  /** Q, K, V and P rounded to BF16, F32 accumulation: the 16-bit baseline (FlashAttention-2). */
  BF16("bf16"),
  /**
   * Full INT8: smoothed and rotated keys, token scales of Q, K and V, V's folded into unsigned
   * 8-bit P, block-local maximum, unquantized row sums.
   */
  INT8("int8"),
  /**
   * {@link #INT8}, with the largest code of P in a tile of 64 keys bounded instead of known, and 2ˣ
   * by a polynomial of degree 2; see {@link dev.octet.kernels.attention.FastStep}.
   */
  INT8_FAST("int8-fast"),
  /** INT8 QKᵀ with smoothed and rotated keys, P and V in BF16. */
  INT8_BF16("int8-bf16"),
  /** INT-FlashAttention (arXiv 2409.16997), full INT8, as published: the yardstick. */
  INT_FLASH("int-flash"),
  /** INT-FlashAttention's half-INT8 variant: INT8 QKᵀ, P and V in FP16. */
  INT_FLASH_HALF("int-flash-half");

  private final String label;

  AttentionKind(String label) {
    this.label = label;
  }

  /** The name on the command line and in tables. */
  public String label() {
    return label;
  }

  /**
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  public static AttentionKind of(String label) {
    for (AttentionKind kind : values()) {
      if (kind.label.equals(label.toLowerCase(Locale.ROOT))) {
        return kind;
      }
    }
    String known = Arrays.stream(values()).map(AttentionKind::label).collect(joining(", "));
    throw new IllegalArgumentException("unknown attention '" + label + "'; choose one of " + known);
  }
}
