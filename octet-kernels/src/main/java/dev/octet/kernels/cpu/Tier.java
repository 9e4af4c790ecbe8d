package dev.octet.kernels.cpu;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** Instruction sets that the native kernels are compiled for, each a superset of those before. */
public enum Tier {
  /** AVX2, FMA, F16C: processors since 2013. */
  AVX2("AVX2", 1),

  /** AVX-512 with VNNI, VBMI and BF16: Sapphire Rapids, Zen 4 and later. */
  AVX512("AVX-512 VNNI", 2),

  /** Tiles for INT8 and BF16 besides: Sapphire Rapids and later. */
  AMX("AMX", 4);

  /** Environment variable that names the highest tier to use. */
  public static final String CAP = "OCTET_MAX_ISA";

  private static final Tier HIGHEST = AMX;

  private final String label;
  private final int bit;

  Tier(String label, int bit) {
    this.label = label;
    this.bit = bit;
  }

  /** As people write it. */
  public String label() {
    return label;
  }

  /** Whether this tier has what another one has. */
  boolean has(Tier other) {
    return compareTo(other) >= 0;
  }

  /** Base name of the library in the jar. */
  String library() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Bit of the result of {@code octet_probe}. */
  int bit() {
    return bit;
  }

  /**
   * Reads the cap.
   *
   * @param value of {@link #CAP}; blank: no cap
   * @throws IllegalArgumentException for anything but the name of a tier
   */
  static Tier cap(String value) {
    if (value.isBlank()) {
      return HIGHEST;
    }
    return Arrays.stream(values())
        .filter(tier -> tier.library().equals(value.strip().toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "%s=%s names no tier; there are %s"
                        .formatted(
                            CAP,
                            value,
                            Arrays.stream(values())
                                .map(Tier::library)
                                .collect(Collectors.joining(", ")))));
  }
}
