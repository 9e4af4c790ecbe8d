/*
 * Reads a tile of the cache and interleaves its rows into words. INT8 and BF16 go straight from
 * their bytes to words; everything else is widened to F32 first.
 */
#include "attn_bytes.h"
#include "attn_tile.h"
#include "bf16_codes.h"
#include <string.h>

static const int BITS[] = {32, 16, 16, 8, 8, 8};

INLINE int octet_row_bytes(int type, int columns) { return columns * BITS[type] / 8; }

/* Asks for the next tile while this one is unpacked. */
INLINE void prefetch(const uint8_t *at) { _mm_prefetch((const char *)at, _MM_HINT_T0); }

#ifdef __AVX512VNNI__

INLINE vf widen_halves(__m256i halves) { return _mm512_cvtph_ps(halves); }

/* LANES elements as F32. */
INLINE vf load_as_f32(const uint8_t *at, int type) {
  switch (type) {
    case KV_F16: return widen_halves(_mm256_loadu_si256((const __m256i *)at));
    case KV_BF16:
      return vi_as_vf(vi_shl(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)at)), 16));
    case KV_INT8: return vi_float(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)at)));
    case KV_E5M2:
      return widen_halves(
          _mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)at)), 8));
    case KV_E4M3: {
      /* As a half its exponent is 8 too small; all ones are NaN, which a half writes otherwise. */
      __m256i byte = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)at));
      __m256i magnitude = _mm256_and_si256(byte, _mm256_set1_epi16(0x7f));
      __m256i half = _mm256_or_si256(
          _mm256_slli_epi16(magnitude, 7),
          _mm256_slli_epi16(_mm256_and_si256(byte, _mm256_set1_epi16(0x80)), 8));
      __m256i nan = _mm256_and_si256(
          _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x7f)), _mm256_set1_epi16(0x7e00));
      return vf_mul(widen_halves(_mm256_or_si256(half, nan)), vf_set1(256));
    }
    default: return vf_load((const float *)at);
  }
}

#else

INLINE vf load_as_f32(const uint8_t *at, int type) {
  switch (type) {
    case KV_F16: return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at));
    case KV_BF16:
      return vi_as_vf(vi_shl(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)at)), 16));
    case KV_INT8: return vi_float(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)at)));
    case KV_E5M2:
      return _mm256_cvtph_ps(
          _mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)at)), 8));
    case KV_E4M3: {
      __m128i byte = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)at));
      __m128i magnitude = _mm_and_si128(byte, _mm_set1_epi16(0x7f));
      __m128i half = _mm_or_si128(
          _mm_slli_epi16(magnitude, 7),
          _mm_slli_epi16(_mm_and_si128(byte, _mm_set1_epi16(0x80)), 8));
      __m128i nan = _mm_and_si128(
          _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7f)), _mm_set1_epi16(0x7e00));
      return vf_mul(_mm256_cvtph_ps(_mm_or_si128(half, nan)), vf_set1(256));
    }
    default: return vf_load((const float *)at);
  }
}

#endif

/* The last elements of a row, zeros behind them: nothing beyond the row is read. */
INLINE vf load_part(const uint8_t *at, int type, int n) {
  uint8_t copy[4 * LANES] = {0};
  memcpy(copy, at, (size_t)octet_row_bytes(type, n));
  return load_as_f32(copy, type);
}

/* LANES elements of a row from column c on, times the tile's scales. */
INLINE vf load_scaled(const stored *t, int type, int row, int c) {
  const uint8_t *at = t->at + (ptrdiff_t)row * octet_row_bytes(type, t->columns) + octet_row_bytes(type, c);
  int left = t->columns - c;
  prefetch(at + t->ahead);
  vf x = left >= LANES ? load_as_f32(at, type) : load_part(at, type, left);
  if (t->row_scale) {
    x = vf_mul(x, vf_set1(t->row_scale[row]));
  }
  if (t->column_scale) {
    float scale[LANES] = {0};
    memcpy(scale, t->column_scale + c, 4 * (size_t)(left < LANES ? left : LANES));
    x = vf_mul(x, vf_load(scale));
  }
  return x;
}

INLINE void widen_rows(const stored *t, int type, int round, float *out, int stride) {
  for (int r = 0; r < t->rows; r++) {
    for (int c = 0; c < t->columns; c += LANES) {
      vf x = load_scaled(t, type, r, c);
      vf_store(out + r * stride + c, round ? vf_to_bf16(x) : x);
    }
  }
}

/* Whether everything in a tile is a BF16 number as it is: BF16 itself, and eight bits unscaled. */
static int fits_bf16(const stored *t) {
  return t->type != KV_F32 && t->type != KV_F16 && !t->row_scale && !t->column_scale;
}

static void widen(const stored *t, int round, float *out, int stride) {
  switch (t->type) {
    case KV_F32: widen_rows(t, KV_F32, round, out, stride); break;
    case KV_F16: widen_rows(t, KV_F16, round, out, stride); break;
    case KV_BF16: widen_rows(t, KV_BF16, round, out, stride); break;
    case KV_INT8: widen_rows(t, KV_INT8, round, out, stride); break;
    case KV_E4M3: widen_rows(t, KV_E4M3, round, out, stride); break;
    default: widen_rows(t, KV_E5M2, round, out, stride); break;
  }
}

#ifdef __AVX512VNNI__

/* Four rows of up to 64 bytes, spread, to as many words. */
INLINE void interleave_bytes(const __m512i r[4], int columns, int32_t *out) {
  __m512i words[4];
  interleave(r, words);
  vi_store(out, words[0]);
  if (columns > 16) {
    vi_store(out + 16, words[1]);
  }
  if (columns > 32) {
    vi_store(out + 32, words[2]);
  }
  if (columns > 48) {
    vi_store(out + 48, words[3]);
  }
}

static void pack_int8(const stored *t, int bias, int32_t *out, int stride) {
  __m512i flip = _mm512_set1_epi8((char)(bias ? 0x80 : 0));
  for (int row = 0; row < t->rows; row += 4) {
    int32_t *to = out + row / 4 * stride;
    for (int c = 0; c < t->columns; c += 64) {
      int left = t->columns - c;
      __mmask64 some = left >= 64 ? ~0ULL : (1ULL << left) - 1;
      __m512i r[4];
      for (int i = 0; i < 4; i++) {
        const uint8_t *at = t->at + (ptrdiff_t)(row + i) * t->columns + c;
        __mmask64 here = row + i < t->rows ? some : 0;
        prefetch(at + t->ahead);
        r[i] = spread(_mm512_xor_si512(_mm512_maskz_loadu_epi8(here, at), flip));
      }
      interleave_bytes(r, left, to + c);
    }
  }
}

/* Codes of 8 bits as BF16, their two bytes looked up, the sign their own. lowest: one may be -128. */
INLINE void pair_codes(const stored *t, int type, int lowest, int32_t *out, int stride) {
  const bf16_codes *codes = type == KV_INT8 ? &INT8_CODES : type == KV_E4M3 ? &E4M3_CODES : &E5M2_CODES;
  __m512i high0 = vi_load(codes->high), high1 = vi_load(codes->high + 64);
  __m512i low0 = vi_load(codes->low), low1 = vi_load(codes->low + 64);
  __m512i sign = _mm512_set1_epi8((char)0x80);
  for (int row = 0; row < t->rows; row += 2) {
    int32_t *to = out + row / 2 * stride;
    for (int c = 0; c < t->columns; c += 64) {
      int left = t->columns - c;
      __mmask64 some = left >= 64 ? ~0ULL : (1ULL << left) - 1;
      __m512i r[4];
      for (int i = 0; i < 2; i++) {
        const uint8_t *at = t->at + (ptrdiff_t)(row + i) * t->columns + c;
        __mmask64 here = row + i < t->rows ? some : 0;
        prefetch(at + t->ahead);
        __m512i code = spread(_mm512_maskz_loadu_epi8(here, at));
        __m512i index = type == KV_INT8 ? _mm512_abs_epi8(code) : code;
        __m512i high = _mm512_permutex2var_epi8(high0, index, high1);
        r[2 * i] = _mm512_permutex2var_epi8(low0, index, low1);
        if (lowest) { /* the one magnitude beyond the table */
          high = _mm512_mask_mov_epi8(high, _mm512_cmpeq_epi8_mask(code, sign), _mm512_set1_epi8(0x43));
        }
        r[2 * i + 1] = _mm512_ternarylogic_epi32(high, code, sign, 0xf8); /* high | code & sign */
      }
      interleave_bytes(r, left, to + c);
    }
  }
}

INLINE void store_pairs(vi even, vi odd, int columns, int32_t *out) {
  static const uint16_t low[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                   8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  vi first = _mm512_loadu_si512(low);
  vi_store(out, _mm512_permutex2var_epi16(even, first, odd));
  if (columns > 16) {
    vi second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
    vi_store(out + 16, _mm512_permutex2var_epi16(even, second, odd));
  }
}

static void pack_bf16(const stored *t, int32_t *out, int stride) {
  for (int row = 0; row < t->rows; row += 2) {
    const uint8_t *at = t->at + (ptrdiff_t)row * 2 * t->columns;
    for (int c = 0; c < t->columns; c += 32) {
      int left = t->columns - c;
      __mmask32 some = left >= 32 ? ~0U : (1U << left) - 1;
      prefetch(at + 2 * c + t->ahead);
      prefetch(at + 2 * (t->columns + c) + t->ahead);
      vi even = _mm512_maskz_loadu_epi16(some, at + 2 * c);
      __mmask32 next = row + 1 < t->rows ? some : 0;
      vi odd = _mm512_maskz_loadu_epi16(next, at + 2 * (t->columns + c));
      store_pairs(even, odd, left, out + row / 2 * stride + c);
    }
  }
}

INLINE void pair_rows(const stored *t, int type, int32_t *out, int stride) {
  for (int r = 0; r < t->rows; r += 2) {
    for (int c = 0; c < t->columns; c += LANES) {
      vf odd = r + 1 < t->rows ? load_scaled(t, type, r + 1, c) : vf_zero();
      vi_store(out + r / 2 * stride + c, vf_bf16_pairs(load_scaled(t, type, r, c), odd));
    }
  }
}

static void pair(const stored *t, int32_t *out, int stride) {
  if (fits_bf16(t)) {
    switch (t->type) {
      case KV_INT8:
        if (t->lowest) {
          pair_codes(t, KV_INT8, 1, out, stride);
        } else {
          pair_codes(t, KV_INT8, 0, out, stride);
        }
        return;
      case KV_E4M3: pair_codes(t, KV_E4M3, 0, out, stride); return;
      case KV_E5M2: pair_codes(t, KV_E5M2, 0, out, stride); return;
    }
  }
  switch (t->type) {
    case KV_F32: pair_rows(t, KV_F32, out, stride); break;
    case KV_F16: pair_rows(t, KV_F16, out, stride); break;
    case KV_BF16: pair_rows(t, KV_BF16, out, stride); break;
    case KV_INT8: pair_rows(t, KV_INT8, out, stride); break;
    case KV_E4M3: pair_rows(t, KV_E4M3, out, stride); break;
    default: pair_rows(t, KV_E5M2, out, stride); break;
  }
}

#else

/* INT16 pairs; there are no unsigned operands, so no bias. */
static void pack_int8(const stored *t, int bias, int32_t *out, int stride) {
  (void)bias;
  int whole = t->columns / 16 * 16;
  for (int row = 0; row < t->rows; row += 2) {
    const int8_t *even = (const int8_t *)t->at + (ptrdiff_t)row * t->columns;
    const int8_t *odd = even + t->columns;
    int both = row + 1 < t->rows;
    int32_t *to = out + row / 2 * stride;
    for (int c = 0; c < whole; c += 16) {
      prefetch((const uint8_t *)even + c + t->ahead);
      prefetch((const uint8_t *)odd + c + t->ahead);
      __m128i e = _mm_loadu_si128((const __m128i *)(even + c));
      __m128i o = both ? _mm_loadu_si128((const __m128i *)(odd + c)) : _mm_setzero_si128();
      vi_store(to + c, _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(e, o)));
      vi_store(to + c + 8, _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(e, o)));
    }
    for (int c = whole; c < stride; c++) {
      int e = c < t->columns ? even[c] : 0;
      int o = c < t->columns && both ? odd[c] : 0;
      to[c] = (int32_t)((uint32_t)(e & 0xffff) | (uint32_t)o << 16);
    }
  }
}

#endif

void octet_pack_tile(
    const stored *t, int in, int round, int bias, int32_t *out, int stride) {
  if (in == IN_INT8) {
    pack_int8(t, bias, out, stride);
    return;
  }
#ifdef __AVX512VNNI__
  if (in == IN_BF16) {
    if (t->type == KV_BF16 && !t->row_scale && !t->column_scale) {
      pack_bf16(t, out, stride);
    } else {
      pair(t, out, stride);
    }
    return;
  }
#endif
  widen(t, round && !fits_bf16(t), (float *)out, stride);
}
