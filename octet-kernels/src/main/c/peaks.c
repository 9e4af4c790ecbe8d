/*
 * What one core can do at most: loops of one instruction on registers alone, and a loop that reads. All
 * cores together are measured from Java, a call a thread.
 */
#include "lanes.h"
#include "octet.h"

enum { PEAK_F32, PEAK_BF16, PEAK_INT8, PEAKS };

/* Independent chains: more than latency times units (at most 5·2), and they fit into the registers. */
#ifdef __AVX512VNNI__
enum { CHAINS = 16 };
#else
enum { CHAINS = 6 }; /* of two registers each */
#endif

static double peak_f32(int64_t rounds, double *sink) {
  f32x16 sums[CHAINS];
  const f32x16 x = f_set(0.999f), y = f_set(1e-3f);
  for (int c = 0; c < CHAINS; c++) {
    sums[c] = f_set((float)c);
  }
  for (int64_t i = 0; i < rounds; i++) {
    UNROLL
    for (int c = 0; c < CHAINS; c++) {
      sums[c] = f_fma(sums[c], x, y);
    }
  }
  for (int c = 0; c < CHAINS; c++) {
    float lanes[LANES];
    f_store(lanes, sums[c]);
    *sink += (double)lanes[c];
  }
  return 2.0 * LANES * CHAINS * (double)rounds;
}

#ifdef __AVX512BF16__
/* Not the intrinsic, see i_dot; and not on an array's element, which then lives in memory. */
INLINE f32x16 dot_halves(f32x16 sum, i32x16 x) {
  __asm__("vdpbf16ps %1, %1, %0" : "+v"(sum) : "v"(x));
  return sum;
}

static double peak_bf16(int64_t rounds, double *sink) {
  f32x16 sums[CHAINS];
  const i32x16 x = i_set(0x3f803f80); /* two ones */
  for (int c = 0; c < CHAINS; c++) {
    sums[c] = f_set((float)c);
  }
  for (int64_t i = 0; i < rounds; i++) {
    UNROLL
    for (int c = 0; c < CHAINS; c++) {
      sums[c] = dot_halves(sums[c], x);
    }
  }
  for (int c = 0; c < CHAINS; c++) {
    float lanes[LANES];
    f_store(lanes, sums[c]);
    *sink += (double)lanes[c];
  }
  return 4.0 * LANES * CHAINS * (double)rounds;
}
#endif

/* AVX2 has no product of bytes that is exact for all of them: pairs of 16 bits are the widest. */
#ifndef __AVX512VNNI__
INLINE __m256i dot_pairs(__m256i sum, __m256i x) {
  __m256i products;
  __asm__ volatile("vpmaddwd %1, %1, %0" : "=x"(products) : "x"(x)); /* or it is done only once */
  return _mm256_add_epi32(sum, products);
}
#endif

static double peak_int8(int64_t rounds, double *sink) {
  i32x16 sums[CHAINS];
  for (int c = 0; c < CHAINS; c++) {
    sums[c] = i_set(c);
  }
#ifdef __AVX512VNNI__
  const int8_t ones[4] = {1, 1, 1, 1};
  const bytes4 x = x_set(ones);
  const i32x16 w = i_set(0x01010101);
  const double products = 64;
#else
  const __m256i x = _mm256_set1_epi16(1);
  const double products = 32;
#endif
  for (int64_t i = 0; i < rounds; i++) {
    UNROLL
    for (int c = 0; c < CHAINS; c++) {
#ifdef __AVX512VNNI__
      sums[c] = i_dot(sums[c], w, x);
#else
      sums[c] = (i32x16){dot_pairs(sums[c].lo, x), dot_pairs(sums[c].hi, x)};
#endif
    }
  }
  for (int c = 0; c < CHAINS; c++) {
    int32_t lanes[LANES];
    i_store(lanes, sums[c]);
    *sink += lanes[c];
  }
  return 2 * products * CHAINS * (double)rounds;
}

/*
 * Runs a loop of one kind of arithmetic: result[0] gets its operations, a multiply-add counting two,
 * result[1] what was computed, so that nothing is left out. OCTET_BAD_FORM for what the tier has not.
 */
OCTET_EXPORT int32_t octet_peak(int32_t kind, int64_t rounds, double *result) {
  if (rounds < 0) {
    return OCTET_BAD_SIZE;
  }
  result[1] = 0;
  switch (kind) {
    case PEAK_F32: result[0] = peak_f32(rounds, result + 1); return OCTET_OK;
#ifdef __AVX512BF16__
    case PEAK_BF16: result[0] = peak_bf16(rounds, result + 1); return OCTET_OK;
#endif
    case PEAK_INT8: result[0] = peak_int8(rounds, result + 1); return OCTET_OK;
    default: return OCTET_BAD_FORM;
  }
}

enum { STREAMS = 4 };

/*
 * Reads every byte once, in four streams side by side, which keeps more of memory's pages open than one;
 * bytes a multiple of 1024. result[0]: something that depends on all of it.
 */
OCTET_EXPORT int32_t octet_peak_read(const uint8_t *memory, int64_t bytes, double *result) {
  if (bytes < 0 || bytes % (256 * STREAMS) != 0) {
    return OCTET_BAD_SIZE;
  }
  const int64_t stream = bytes / STREAMS;
  i32x16 sums[STREAMS] = {i_zero(), i_zero(), i_zero(), i_zero()};
  for (int64_t i = 0; i < stream; i += 256) {
    UNROLL
    for (int s = 0; s < STREAMS; s++) {
      const uint8_t *at = memory + s * stream + i;
      __builtin_prefetch(at + 1024);
      UNROLL
      for (int line = 0; line < 4; line++) {
        sums[s] = i_xor(sums[s], i_load(at + 64 * line));
      }
    }
  }
  int32_t lanes[LANES];
  i_store(lanes, i_xor(i_xor(sums[0], sums[1]), i_xor(sums[2], sums[3])));
  result[0] = lanes[0] ^ lanes[7];
  return OCTET_OK;
}
