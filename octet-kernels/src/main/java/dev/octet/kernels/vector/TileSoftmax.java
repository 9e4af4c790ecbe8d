package dev.octet.kernels.vector;

import static dev.octet.kernels.KvSpec.BLOCK;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.attention.FastStep;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * One step of the online softmax for a row and a tile: turns the row's 64 scores into P as the kind
 * multiplies it, and yields what the old output and the new product are multiplied by.
 */
final class TileSoftmax {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int VL = F.length();

  /** INT-FlashAttention's P is a multiple of 1/127. */
  private static final float INT_FLASH_STEPS = 127;

  private final AttentionKind kind;

  /** Running maximum of each row, log2 domain. */
  final float[] max;

  /** Running row sum. */
  final float[] sum;

  /** Alpha and beta of each row, alternating; see {@link AttentionGemm#accumulate}. */
  final float[] factors;

  TileSoftmax(AttentionKind kind, int capacity) {
    this.kind = kind;
    this.max = new float[capacity];
    this.sum = new float[capacity];
    this.factors = new float[2 * capacity];
    reset();
  }

  /** Back to rows that have seen no key. */
  void reset() {
    Arrays.fill(max, Float.NEGATIVE_INFINITY);
    Arrays.fill(sum, 0);
  }

  /** Multiplies 64 scores by the row's scale and each key's. */
  static void scale(float[] s, int at, float rowScale, float[] keyScale) {
    for (int j = 0; j < BLOCK; j += VL) {
      FloatVector.fromArray(F, s, at + j)
          .mul(FloatVector.fromArray(F, keyScale, j).mul(rowScale))
          .intoArray(s, at + j);
    }
  }

  /** A row that sees nothing of this tile. */
  void skip(float[] s, int at, int row) {
    Arrays.fill(s, at, at + BLOCK, 0);
    factors[2 * row] = 1;
    factors[2 * row + 1] = 0;
  }

  /**
   * Takes 64 scores in the log2 domain, −∞ where the row does not see the key.
   *
   * @param valueScale token scales of V to fold into P
   * @param bound {@link FastStep#bound} of them
   */
  void add(float[] s, int at, int row, float[] valueScale, float bound) {
    float top = maxOf(s, at);
    if (top == Float.NEGATIVE_INFINITY) {
      skip(s, at, row);
      return;
    }
    float old = max[row];
    float raised = Math.max(old, top);
    float alpha = old == Float.NEGATIVE_INFINITY ? 0 : exp2(old - raised);
    max[row] = raised;
    factors[2 * row] = alpha;
    factors[2 * row + 1] = kind == AttentionKind.INT_FLASH ? 1 / INT_FLASH_STEPS : 1;
    float added =
        switch (kind) {
          case F32 -> plain(s, at, raised);
          case BF16, INT8_BF16 -> bf16(s, at, raised, valueScale);
          case INT_FLASH_HALF -> f16(s, at, raised);
          case INT8 -> int8(s, at, row, raised, valueScale);
          case INT8_FAST ->
              bound > 0 && leastOf(s, at) != Float.NEGATIVE_INFINITY
                  ? int8Fast(s, at, row, top, valueScale, bound)
                  : int8(s, at, row, raised, valueScale);
          case INT_FLASH -> intFlash(s, at, raised);
        };
    sum[row] = alpha * sum[row] + added;
  }

  private static float exp2(float x) {
    return (float) Math.pow(2, x);
  }

  private static float maxOf(float[] s, int at) {
    FloatVector m = FloatVector.fromArray(F, s, at);
    for (int j = VL; j < BLOCK; j += VL) {
      m = m.max(FloatVector.fromArray(F, s, at + j));
    }
    return m.reduceLanes(VectorOperators.MAX);
  }

  private static float leastOf(float[] s, int at) {
    FloatVector m = FloatVector.fromArray(F, s, at);
    for (int j = VL; j < BLOCK; j += VL) {
      m = m.min(FloatVector.fromArray(F, s, at + j));
    }
    return m.reduceLanes(VectorOperators.MIN);
  }

  private static float plain(float[] s, int at, float max) {
    FloatVector l = FloatVector.zero(F);
    for (int j = at; j < at + BLOCK; j += VL) {
      FloatVector p = Exp2.of(FloatVector.fromArray(F, s, j).sub(max));
      l = l.add(p);
      p.intoArray(s, j);
    }
    return Lanes.sum(l);
  }

  private static float bf16(float[] s, int at, float max, float[] valueScale) {
    FloatVector l = FloatVector.zero(F);
    for (int j = 0; j < BLOCK; j += VL) {
      FloatVector x = FloatVector.fromArray(F, s, at + j);
      FloatVector p = Exp2.of(x.sub(max));
      l = l.add(p);
      FloatRows.bf16(fold(x, p, valueScale, j)).intoArray(s, at + j);
    }
    return Lanes.sum(l);
  }

  /** c·P; 0 for hidden keys, the scales of whose values may be NaN. */
  private static FloatVector fold(FloatVector x, FloatVector p, float[] valueScale, int j) {
    VectorMask<Float> hidden = x.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY);
    return p.mul(FloatVector.fromArray(F, valueScale, j)).blend(0f, hidden);
  }

  private static float f16(float[] s, int at, float max) {
    float l = plain(s, at, max);
    FloatRows.roundF16(s, at, BLOCK);
    return l;
  }

  /** {@code 2^(t−τ) = c·P / max(c·P)}: the exact τ of the tile without a logarithm. */
  private float int8(float[] s, int at, int row, float max, float[] valueScale) {
    FloatVector l = FloatVector.zero(F);
    FloatVector top = FloatVector.zero(F);
    for (int j = 0; j < BLOCK; j += VL) {
      FloatVector x = FloatVector.fromArray(F, s, at + j);
      FloatVector p = Exp2.of(x.sub(max));
      l = l.add(p);
      FloatVector folded = fold(x, p, valueScale, j);
      top = top.max(folded);
      folded.intoArray(s, at + j);
    }
    float largest = top.reduceLanes(VectorOperators.MAX);
    float inverse = 255 / largest;
    if (inverse == Float.POSITIVE_INFINITY) {
      skip(s, at, row, factors[2 * row]); // every value in sight is zero
    } else {
      factors[2 * row + 1] = largest / 255;
      for (int j = at; j < at + BLOCK; j += VL) {
        FloatVector u = FloatVector.fromArray(F, s, j).mul(inverse);
        u.add(Exp2.MAGIC).sub(Exp2.MAGIC).intoArray(s, j);
      }
    }
    return Lanes.sum(l);
  }

  /** Codes of c·P relative to {@code bound}, P being 1 at the tile's own largest score. */
  private float int8Fast(float[] s, int at, int row, float top, float[] valueScale, float bound) {
    FloatVector l = FloatVector.zero(F);
    float inverse = 255 / bound;
    for (int j = 0; j < BLOCK; j += VL) {
      FloatVector p = Exp2.coarse(FloatVector.fromArray(F, s, at + j).sub(top));
      l = l.add(p);
      FloatVector u = p.mul(FloatVector.fromArray(F, valueScale, j).mul(inverse));
      u.add(Exp2.MAGIC).sub(Exp2.MAGIC).intoArray(s, at + j);
    }
    float weight = exp2(top - max[row]);
    factors[2 * row + 1] = weight * bound / 255;
    return weight * Lanes.sum(l);
  }

  private void skip(float[] s, int at, int row, float alpha) {
    skip(s, at, row);
    factors[2 * row] = alpha;
  }

  /** Row sums are of the codes, which the output is divided by as well. */
  private static float intFlash(float[] s, int at, float max) {
    FloatVector l = FloatVector.zero(F);
    for (int j = at; j < at + BLOCK; j += VL) {
      FloatVector p = Exp2.of(FloatVector.fromArray(F, s, j).sub(max)).mul(INT_FLASH_STEPS);
      FloatVector code = p.add(Exp2.MAGIC).sub(Exp2.MAGIC);
      l = l.add(code);
      code.intoArray(s, j);
    }
    return Lanes.sum(l) / INT_FLASH_STEPS;
  }
}
