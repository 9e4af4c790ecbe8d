/* What the processor can do at most: products of registers with registers, nothing else. */
#include "lanes.h"
#include "octet.h"

/* Chains that do not wait for each other: more than the latency of two units. */
enum { CHAINS = 12 };

enum { PEAK_F32, PEAK_BF16, PEAK_INT8 };

INLINE void keep(f32x16 *sums) { __asm__ volatile("" : : "r"(sums) : "memory"); }

static void peak_f32(int64_t rounds) {
  f32x16 sums[CHAINS];
  const f32x16 x = f_set(0.999f), y = f_set(1e-3f);
  UNROLL
  for (int c = 0; c < CHAINS; c++) {
    sums[c] = f_set((float)c); /* not all alike: the compiler would keep one */
  }
  for (int64_t i = 0; i < rounds; i++) {
    UNROLL
    for (int c = 0; c < CHAINS; c++) {
      sums[c] = f_fma(sums[c], x, y);
    }
  }
  keep(sums);
}

static void peak_int8(int64_t rounds) {
  i32x16 sums[CHAINS];
  const int8_t four[4] = {1, -2, 3, -4};
  const i32x16 u8 = i_set(0x01020304);
  UNROLL
  for (int c = 0; c < CHAINS; c++) {
    sums[c] = i_set(c);
  }
  const bytes4 s8 = x_set(four);
  for (int64_t i = 0; i < rounds; i++) {
    UNROLL
    for (int c = 0; c < CHAINS; c++) {
      sums[c] = i_dot(sums[c], u8, s8);
    }
  }
  keep((f32x16 *)sums);
}

#ifdef __AVX512BF16__
static void peak_bf16(int64_t rounds) {
  f32x16 sums[CHAINS];
  const __m512bh x = (__m512bh)i_set(0x3f803f80);
  UNROLL
  for (int c = 0; c < CHAINS; c++) {
    sums[c] = f_set((float)c);
  }
  for (int64_t i = 0; i < rounds; i++) {
    UNROLL
    for (int c = 0; c < CHAINS; c++) {
      sums[c] = _mm512_dpbf16_ps(sums[c], x, x);
    }
  }
  keep(sums);
}
#endif

/*
 * Runs `rounds` rounds of 12 products of 16 lanes: F32 (1 product a lane), BF16 (2), INT8 (4). What a tier
 * does not have is OCTET_BAD_FORM.
 */
OCTET_EXPORT int32_t octet_peak(int32_t kind, int64_t rounds) {
  if (rounds < 0) {
    return OCTET_BAD_SIZE;
  }
  switch (kind) {
    case PEAK_F32: peak_f32(rounds); return OCTET_OK;
    case PEAK_INT8: peak_int8(rounds); return OCTET_OK;
#ifdef __AVX512BF16__
    case PEAK_BF16: peak_bf16(rounds); return OCTET_OK;
#endif
    default: return OCTET_BAD_FORM;
  }
}
