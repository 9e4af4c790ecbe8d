package dev.octet.kernels.cpu;

import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantizedWeight;

/** Layouts of packed weights: FORM_… of {@code linear.h}. */
enum Form {
  F32(0, 1, 32),
  F16(1, 1, 16),
  BF16(2, 2, 16),
  E4M3(3, 4, 8),
  E5M2(4, 4, 8),
  I8(5, 4, 8),
  I4(6, 8, 4),
  E2M1(7, 8, 4);

  private final int code;
  private final int step;
  private final int bits;

  Form(int code, int step, int bits) {
    this.code = code;
    this.step = step;
    this.bits = bits;
  }

  static Form of(QuantizedWeight weight) {
    return switch (weight) {
      case Int8Weight _ -> I8;
      case Int4Weight _ -> I4;
      case Fp4Weight _ -> E2M1;
      case Fp8Weight w -> w.codes().dtype() == DType.F8_E4M3 ? E4M3 : E5M2;
      case DenseWeight w ->
          switch (w.values().dtype()) {
            case F16 -> F16;
            case BF16 -> BF16;
            default -> F32;
          };
    };
  }

  /** Number in C. */
  int code() {
    return code;
  }

  /** What every block of inputs is padded to. */
  int step() {
    return step;
  }

  /** Bits of a code. */
  int bits() {
    return bits;
  }

  /** Bytes that one output has in a step. */
  int wordBytes() {
    return step * bits / 8;
  }

  boolean integer() {
    return this == I8 || this == I4;
  }

  /** Whether BF16 holds every code exactly, an integer less its zero point included. */
  boolean fitsBf16() {
    return this != F32 && this != F16;
  }

  /** What is added to a signed code to store it without a sign. */
  int flip() {
    return this == I8 ? 128 : this == I4 ? 8 : 0;
  }

  /** The highest zero point as stored: a byte, and a nibble less it must be a signed byte. */
  int highestZero() {
    return this == I4 ? 128 : 255;
  }
}
