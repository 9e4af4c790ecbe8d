/*
 * Which tiers this processor *and* this operating system can run, compiled for any x86-64. The
 * processor says what it has (CPUID), the system which registers it saves on a task switch (XCR0).
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OCTET_EXPORT __attribute__((visibility("default")))

/* Bits of octet_probe's result: the tiers of Tier.java, and what keeps the last one from being there. */
enum {
  HAS_AVX2 = 1,
  HAS_AVX512 = 2,
  HAS_AMX = 4,
  NO_AMX_PROCESSOR = 8,
  NO_AMX_SYSTEM = 16,
  NO_AMX_PERMISSION = 32,
};

static uint64_t saved_registers(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

static int all(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

/*
 * AMX is there once the system has agreed to save 8 KiB of tiles: asked for here, for the whole process,
 * threads that run already included. Linux refuses where a thread's alternate signal stack is too
 * small for them (Documentation/arch/x86/xstate.rst).
 */
static int32_t probe_amx(uint32_t features_d, uint64_t saved) {
  const uint32_t tile = 1u << 24, int8 = 1u << 25, bf16 = 1u << 22;
  const uint64_t tile_state = 3u << 17; /* XTILECFG, XTILEDATA */
  const int request_permission = 0x1023, tile_data = 18;
  if (!all(features_d, tile | int8 | bf16)) {
    return NO_AMX_PROCESSOR;
  }
  if ((saved & tile_state) != tile_state) {
    return NO_AMX_SYSTEM;
  }
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0 ? HAS_AMX : NO_AMX_PERMISSION;
}

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
  uint32_t features_b = b, features_c = c, features_d = d;
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
  return HAS_AVX2 | HAS_AVX512 | probe_amx(features_d, saved);
}
