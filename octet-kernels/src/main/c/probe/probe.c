/*
 * Which tiers this processor *and* this operating system can run, compiled for any x86-64. The
 * processor says what it has (CPUID), the system which registers it saves on a task switch (XCR0).
 */
#include <cpuid.h>
#include <stdint.h>

#define OCTET_EXPORT __attribute__((visibility("default")))

/* Bits of octet_probe's result: the tiers of Tier.java. */
enum { HAS_AVX2 = 1, HAS_AVX512 = 2 };

static uint64_t saved_registers(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

static int all(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

OCTET_EXPORT int32_t octet_probe(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) {
    return 0;
  }
  uint32_t first = c;
  uint64_t saved = saved_registers();
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    return 0;
  }
  uint32_t features_b = b, features_c = c;
  uint32_t a1 = 0;
  if (a >= 1) {
    __get_cpuid_count(7, 1, &a1, &b, &c, &d);
  }
  if (!all(first, bit_AVX | bit_FMA | bit_F16C) || !(features_b & bit_AVX2) || (saved & 0x6) != 0x6) {
    return 0;
  }
  uint32_t needed_b = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  uint32_t needed_c = bit_AVX512VNNI | bit_AVX512VBMI;
  uint32_t avx512_bf16 = 1u << 5;
  if (!all(features_b, needed_b) || !all(features_c, needed_c) || !(a1 & avx512_bf16)
      || (saved & 0xe6) != 0xe6) {
    return HAS_AVX2;
  }
  return HAS_AVX2 | HAS_AVX512;
}
