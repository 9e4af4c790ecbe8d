package dev.octet.bench.conformance;

import dev.octet.kernels.AttentionSpec;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One sequence of an attention case in the kernels' layout, token by token.
 *
 * @param firstQuery index of its first query in the case
 * @param q F32 [queries, heads, dim]
 * @param k F32 [keys, kvHeads, dim]
 * @param v F32 [keys, kvHeads, valueDim]
 * @param spec what its queries may see
 */
record AttentionInput(int firstQuery, Tensor q, Tensor k, Tensor v, AttentionSpec spec) {
  int queries() {
    return (int) q.dim(0);
  }

  /** The same with every number rounded to BF16. */
  AttentionInput rounded(Arena arena) {
    return new AttentionInput(
        firstQuery, rounded(q, arena), rounded(k, arena), rounded(v, arena), spec);
  }

  private static Tensor rounded(Tensor x, Arena arena) {
    return x.to(DType.BF16, arena).to(DType.F32, arena);
  }

  /** The sequences of a case; all but packed ones have one. */
  static List<AttentionInput> of(AttentionCase c, ExpectedFile expected, Arena arena) {
    AttentionCase.Shape s = c.shape();
    Tensor q = tokenMajor(expected.get("q", s.heads(), s.queries(), s.dim()), arena);
    Tensor k = tokenMajor(expected.get("k", s.kvHeads(), s.keys(), s.dim()), arena);
    Tensor v = tokenMajor(expected.get("v", s.kvHeads(), s.keys(), s.valueDim()), arena);
    if (!c.packed()) {
      Tensor mask = c.masked() ? mask(expected, s) : null;
      return List.of(new AttentionInput(0, q, k, v, spec(c, c.offset(), mask)));
    }
    int[] startQ = starts(expected, "cu_seqlens_q", s.queries());
    int[] startK = starts(expected, "cu_seqlens_k", s.keys());
    if (startQ.length != startK.length) {
      throw new CaseException("cu_seqlens_q and cu_seqlens_k differ in length");
    }
    List<AttentionInput> inputs = new ArrayList<>();
    for (int i = 0; i + 1 < startQ.length; i++) {
      int queries = startQ[i + 1] - startQ[i];
      int keys = startK[i + 1] - startK[i];
      inputs.add(
          new AttentionInput(
              startQ[i],
              tokens(q, startQ[i], queries),
              tokens(k, startK[i], keys),
              tokens(v, startK[i], keys),
              spec(c, keys - queries, null)));
    }
    return inputs;
  }

  private static AttentionSpec spec(AttentionCase c, int offset, @Nullable Tensor mask) {
    return new AttentionSpec(c.shape().heads(), c.scale(), c.causal(), offset, 0, mask);
  }

  private static Tensor mask(ExpectedFile expected, AttentionCase.Shape s) {
    Tensor mask = expected.get("mask", s.queries(), s.keys());
    if (mask.dtype() != DType.U8) {
      throw new CaseException("mask is " + mask + ", not U8");
    }
    return mask;
  }

  private static int[] starts(ExpectedFile expected, String name, int total) {
    int[] starts = expected.getInts(name, -1);
    boolean rising = starts.length >= 2 && starts[0] == 0 && starts[starts.length - 1] == total;
    for (int i = 1; i < starts.length; i++) {
      rising &= starts[i] >= starts[i - 1];
    }
    if (!rising) {
      throw new CaseException(name + " must rise from 0 to " + total);
    }
    return starts;
  }

  /** Tokens of a [tokens, heads, dim] tensor. */
  private static Tensor tokens(Tensor x, long from, long count) {
    long heads = x.dim(1);
    return x.rowRange(from * heads, (from + count) * heads).reshape(count, heads, x.dim(2));
  }

  /** [heads, tokens, dim] as F32 [tokens, heads, dim]. */
  private static Tensor tokenMajor(Tensor x, Arena arena) {
    if (!x.dtype().isWideFloat()) {
      throw new CaseException("attention input is " + x + ", not a float of 16 bits or more");
    }
    long heads = x.dim(0);
    long tokens = x.dim(1);
    long dim = x.dim(2);
    Tensor out = Tensor.allocate(arena, DType.F32, tokens, heads, dim);
    for (long h = 0; h < heads; h++) {
      for (long t = 0; t < tokens; t++) {
        for (long d = 0; d < dim; d++) {
          out.setFloat((t * heads + h) * dim + d, x.getFloat((h * tokens + t) * dim + d));
        }
      }
    }
    return out;
  }
}
