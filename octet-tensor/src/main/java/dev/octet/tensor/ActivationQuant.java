package dev.octet.tensor;

/**
 * How a linear layer's input is quantized before the product. Dynamic scales are computed from the
 * token at hand; static ones come with the checkpoint. A token of zeros has scale 0 and codes 0.
 */
public sealed interface ActivationQuant {

  /** The input stays as it is. */
  record None() implements ActivationQuant {}

  /** INT8 per token: {@code s = max|x| / 127}, {@code q = rint(x / s)}. */
  record DynamicInt8() implements ActivationQuant {}

  /**
   * INT8 per token with an offset: {@code s = (max - min) / 255} over the token and 0, {@code z =
   * rint(-128 - min / s)}, {@code q = clamp(rint(x / s) + z, -128, 127)}, {@code x' = (q - z)·s}.
   */
  record AsymmetricInt8() implements ActivationQuant {}

  /**
   * INT4 per token: {@code s = max|x| / steps}, {@code q = clamp(rint(x / s), -8, 7)}. Only inputs
   * without outliers bear it: rotate the model first.
   *
   * @param steps that the largest magnitude is from 0: {@link #HALF_RANGE} or {@link #CODES}
   */
  record DynamicInt4(float steps) implements ActivationQuant {
    /** Half of the 15 steps, as compressed-tensors computes it. */
    public static final float HALF_RANGE = 7.5f;

    /** The largest code, as Ascend computes it. */
    public static final float CODES = 7;

    public DynamicInt4 {
      if (steps != HALF_RANGE && steps != CODES) {
        throw new IllegalArgumentException("INT4 inputs of " + steps + " steps");
      }
    }

    /** As compressed-tensors. */
    public DynamicInt4() {
      this(HALF_RANGE);
    }
  }

  /**
   * INT8 with one scale for all: {@code q = clamp(rint(x / scale + offset), -128, 127)}, {@code x'
   * = (q - offset)·scale}.
   */
  record StaticInt8(float scale, int offset) implements ActivationQuant {
    public StaticInt8 {
      requirePositive(scale);
      if (offset < -128 || offset > 127) {
        throw new IllegalArgumentException("input offset " + offset + " is no int8");
      }
    }
  }

  /**
   * FP8 E4M3 per token: {@code s = min(max|x|, bound) / 448}; what lies beyond saturates.
   *
   * @param bound infinite unless a format (FBGEMM) sets one
   */
  record DynamicFp8(float bound) implements ActivationQuant {
    public DynamicFp8 {
      if (!(bound > 0)) {
        throw new IllegalArgumentException("bound " + bound + " must be positive");
      }
    }

    /** Without a bound. */
    public DynamicFp8() {
      this(Float.POSITIVE_INFINITY);
    }
  }

  /** FP8 E4M3 with one scale for all; values beyond {@code 448·scale} saturate. */
  record StaticFp8(float scale) implements ActivationQuant {
    public StaticFp8 {
      requirePositive(scale);
    }
  }

  /** FP8 E4M3 per token and block of input channels (the last may be short): DeepSeek's 1×128. */
  record DynamicFp8Block(int block) implements ActivationQuant {
    public DynamicFp8Block {
      if (block < 1) {
        throw new IllegalArgumentException("activation block of " + block);
      }
    }
  }

  /**
   * FP4 E2M1 per token and 16 input channels, NVFP4's own: {@code s = e4m3(max|x| / 6 / scale)},
   * {@code x' = e2m1(x / (s·scale))·s·scale}.
   *
   * @param scale the calibrated F32 scale of all, {@code max|x| / (6·448)}
   */
  record Fp4Group(float scale) implements ActivationQuant {
    /** Channels of a group. */
    public static final int GROUP = 16;

    public Fp4Group {
      requirePositive(scale);
    }
  }

  /**
   * Floats per token under a power of two for every 32 input channels, as OCP's Microscaling has
   * them: {@code s = 2^(e - m)}, {@code x' = float(x / s)·s}, where e is the exponent of {@code
   * max|x|} and m that of the largest element (8 for E4M3, 2 for E2M1).
   *
   * @param bits of an element: 8 is E4M3, 4 is E2M1
   * @param rounded whether {@code max|x|} is first rounded to one bit of mantissa, which gives a
   *     largest number from 1.75 on the next power of two; otherwise what is beyond 448 (or 6)
   *     saturates
   * @param coarse channels of a longer stretch whose values are divided by {@code max|x| / 6}
   *     before, and multiplied after; 0: none
   */
  record MxGroup(int bits, boolean rounded, int coarse) implements ActivationQuant {
    /** Channels of a group. */
    public static final int GROUP = 32;

    public MxGroup {
      if (bits != 4 && bits != 8 || coarse < 0 || coarse % GROUP != 0) {
        throw new IllegalArgumentException("%d bits in stretches of %d".formatted(bits, coarse));
      }
    }

    /** With rounded scales and nothing coarser. */
    public MxGroup(int bits) {
      this(bits, true, 0);
    }

    /** Exponent of the largest element's power of two. */
    public int largest() {
      return bits == 4 ? 2 : 8;
    }
  }

  /**
   * Another way with a token's largest magnitudes cut off. Integer scales computed for each token
   * are {@code ratio} times as large, and codes saturate: {@code s = ratio·max|x| / steps}. Before
   * any other way, {@code x = clamp(x, ratio·min(x, 0), ratio·max(x, 0))} over the token.
   *
   * @param inner what happens then
   * @param ratio above 0, at most 1
   */
  record Clipped(ActivationQuant inner, float ratio) implements ActivationQuant {
    public Clipped {
      if (!(ratio > 0 && ratio <= 1)) {
        throw new IllegalArgumentException("inputs clipped to " + ratio + " of their range");
      }
      if (inner instanceof Clipped) {
        throw new IllegalArgumentException("inputs clipped twice");
      }
    }
  }

  /** What is done to inputs once they are clipped. */
  default ActivationQuant unclipped() {
    return this instanceof Clipped(ActivationQuant inner, _) ? inner : this;
  }

  /** Whether inputs are quantized at all. */
  default boolean quantizes() {
    return !(this instanceof None);
  }

  private static void requirePositive(float scale) {
    if (!(scale > 0) || Float.isInfinite(scale)) {
      throw new IllegalArgumentException("input scale " + scale + " must be positive and finite");
    }
  }

  /** Short name for tables: {@code a16}, {@code int8 token} … */
  default String label() {
    return switch (this) {
      case None _ -> "a16";
      case DynamicInt8 _ -> "int8 token";
      case AsymmetricInt8 _ -> "int8 token asym";
      case DynamicInt4 _ -> "int4 token";
      case StaticInt8 _ -> "int8 static";
      case DynamicFp8 _ -> "fp8 token";
      case StaticFp8 _ -> "fp8 static";
      case DynamicFp8Block b -> "fp8 1x" + b.block();
      case Fp4Group _ -> "nvfp4 static";
      case MxGroup m -> "mxfp" + m.bits() + (m.coarse() > 0 ? " under 1x" + m.coarse() : "");
      case Clipped c -> c.inner().label() + " clipped";
    };
  }
}
