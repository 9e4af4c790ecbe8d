package dev.octet.kernels.reference;

import dev.octet.kernels.AttentionKind;
import dev.octet.tensor.Codecs;

/** The floating-point type a kind keeps probabilities in. */
enum Rounding {
  F32 {
    @Override
    double round(double p) {
      return p;
    }
  },
  BF16 {
    @Override
    double round(double p) {
      return Codecs.roundBf16((float) p);
    }
  },
  F16 {
    @Override
    double round(double p) {
      return Float.float16ToFloat(Float.floatToFloat16((float) p));
    }
  };

  abstract double round(double p);

  static Rounding ofProbabilities(AttentionKind kind) {
    return switch (kind) {
      case BF16, INT8_BF16 -> BF16;
      case INT_FLASH_HALF -> F16;
      default -> F32;
    };
  }
}
