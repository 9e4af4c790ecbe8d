package dev.octet.tensor;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Element types, spelled as in safetensors headers, plus {@link #I4}, which safetensors lacks and
 * which exists in memory only: two's-complement nibbles, low nibble first.
 */
public enum DType {
  BOOL(8),
  I4(4),
  U8(8),
  I8(8),
  I16(16),
  U16(16),
  I32(32),
  U32(32),
  I64(64),
  U64(64),
  F4(4),
  F6_E2M3(6),
  F6_E3M2(6),
  F8_E4M3(8),
  F8_E5M2(8),
  F8_E8M0(8),
  F8_E4M3FNUZ(8),
  F8_E5M2FNUZ(8),
  F16(16),
  BF16(16),
  F32(32),
  C64(64),
  F64(64);

  private static final Map<String, DType> STORED =
      Arrays.stream(values())
          .filter(type -> type != I4)
          .collect(Collectors.toUnmodifiableMap(DType::name, type -> type));

  private final int bits;

  DType(int bits) {
    this.bits = bits;
  }

  /** Bits one element takes. */
  public int bits() {
    return bits;
  }

  /**
   * Bytes that {@code elements} elements take.
   *
   * @throws ArithmeticException if the count overflows or does not fill whole bytes
   */
  public long bytes(long elements) {
    long total = Math.multiplyExact(elements, (long) bits);
    if (elements < 0 || (total & 7) != 0) {
      throw new ArithmeticException(elements + " elements of " + this + " are no whole bytes");
    }
    return total >>> 3;
  }

  /** Whether {@link Tensor#getFloat} can decode this type. */
  public boolean decodable() {
    return switch (this) {
      case U8, I8, I16, I32, I64, BOOL, F8_E4M3, F8_E5M2, F8_E8M0, F16, BF16, F32, F64 -> true;
      default -> false;
    };
  }

  /** Whether elements are floating-point numbers of 16 bits or more. */
  public boolean isWideFloat() {
    return this == F16 || this == BF16 || this == F32 || this == F64;
  }

  /** The type a safetensors header names, if it names one; {@link #I4} is not among them. */
  public static Optional<DType> ofSafetensors(String name) {
    return Optional.ofNullable(STORED.get(name));
  }

  /** Lower-case name for tables and flags, for instance {@code bf16}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
