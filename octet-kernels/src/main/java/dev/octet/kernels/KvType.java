package dev.octet.kernels;

import java.util.Locale;

/** What keys and values are stored as. */
public enum KvType {
  F32("f32", 32),
  F16("f16", 16),
  BF16("bf16", 16),
  /** Token scales per head; keys smoothed and rotated. */
  INT8("int8", 8),
  /** Token scales and zero points per head; keys smoothed and rotated. */
  INT4("int4", 4),
  FP8_E4M3("fp8_e4m3", 8),
  FP8_E5M2("fp8_e5m2", 8);

  private final String label;
  private final int bits;

  KvType(String label, int bits) {
    this.label = label;
    this.bits = bits;
  }

  /** The name on the command line: vLLM's spelling. */
  public String label() {
    return label;
  }

  /** Whether codes are integers. */
  public boolean integer() {
    return this == INT8 || this == INT4;
  }

  /** Bits an element takes, scales not counted. */
  public int bits() {
    return bits;
  }

  /**
   * The type of that name; {@code auto} is BF16, {@code fp8} is E4M3.
   *
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  public static KvType of(String label) {
    String name = label.toLowerCase(Locale.ROOT);
    if (name.equals("auto")) {
      return BF16;
    }
    if (name.equals("fp8")) {
      return FP8_E4M3;
    }
    for (KvType type : values()) {
      if (type.label.equals(name)) {
        return type;
      }
    }
    throw new IllegalArgumentException(
        "unknown KV cache type '"
            + label
            + "'; choose one of auto, f32, f16, bf16, int8, int4, fp8_e4m3, fp8_e5m2");
  }
}
