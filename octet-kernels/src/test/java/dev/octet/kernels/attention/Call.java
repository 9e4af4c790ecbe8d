package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionSpec;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;

/** Shape and visibility of one call; queries stand at the end of the keys. */
record Call(
    int queries,
    int heads,
    int kvHeads,
    int n,
    int keyDim,
    int valueDim,
    boolean causal,
    int window,
    boolean masked) {
  /** Ragged lengths, grouped heads, odd and unequal dimensions, windows, masks. */
  static final List<Call> ALL =
      List.of(
          full(1, 1, 1, 1, 8, 8),
          full(3, 4, 2, 1, 64, 64),
          full(5, 2, 2, 63, 64, 64),
          causal(64, 2, 1, 64, 64, 64),
          causal(65, 4, 1, 65, 80, 80),
          causal(7, 8, 1, 130, 128, 128),
          causal(130, 2, 2, 257, 96, 96),
          causal(40, 8, 2, 257, 64, 64),
          full(1, 8, 1, 257, 128, 128),
          causal(1, 8, 2, 321, 64, 64),
          full(2, 2, 1, 130, 256, 256),
          full(3, 3, 3, 70, 5, 7),
          causal(12, 8, 1, 130, 80, 64),
          full(9, 4, 4, 66, 24, 40),
          new Call(70, 4, 2, 200, 64, 64, true, 30, false),
          new Call(3, 4, 2, 300, 64, 64, true, 65, false),
          new Call(20, 2, 1, 150, 64, 64, false, 0, true),
          new Call(100, 2, 1, 100, 32, 32, true, 17, true),
          causal(9, 2, 1, 4, 16, 16));

  static Call full(int queries, int heads, int kvHeads, int n, int keyDim, int valueDim) {
    return new Call(queries, heads, kvHeads, n, keyDim, valueDim, false, 0, false);
  }

  static Call causal(int queries, int heads, int kvHeads, int n, int keyDim, int valueDim) {
    return new Call(queries, heads, kvHeads, n, keyDim, valueDim, true, 0, false);
  }

  AttentionSpec spec() {
    float scale = (float) (1 / Math.sqrt(keyDim));
    return new AttentionSpec(heads, scale, causal, n - queries, window, masked ? mask() : null);
  }

  Inputs inputs() {
    return Inputs.normal(hashCode(), queries, heads, n, kvHeads, keyDim, valueDim);
  }

  /** Half of the pairs; query 1 sees nothing. */
  private Tensor mask() {
    Random random = new Random(7);
    Tensor mask = Tensor.allocate(Arena.ofAuto(), DType.U8, queries, n);
    for (long i = 0; i < mask.size(); i++) {
      mask.setFloat(i, i / n != 1 && random.nextBoolean() ? 1 : 0);
    }
    return mask;
  }
}
