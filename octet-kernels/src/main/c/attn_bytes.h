/* Four rows of bytes as words: what a dot product of INT8 sums lies in one lane. */
#ifndef OCTET_ATTN_BYTES_H
#define OCTET_ATTN_BYTES_H

#include "attn_simd.h"

#ifdef __AVX512VNNI__

/* Dwords in the order from which unpacking brings columns to their places. */
INLINE __m512i spread(__m512i row) {
  __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, row);
}

/* Four spread rows of 64 bytes to 64 words. */
INLINE void interleave(const __m512i r[4], __m512i words[4]) {
  __m512i low01 = _mm512_unpacklo_epi8(r[0], r[1]);
  __m512i high01 = _mm512_unpackhi_epi8(r[0], r[1]);
  __m512i low23 = _mm512_unpacklo_epi8(r[2], r[3]);
  __m512i high23 = _mm512_unpackhi_epi8(r[2], r[3]);
  words[0] = _mm512_unpacklo_epi16(low01, low23);
  words[1] = _mm512_unpackhi_epi16(low01, low23);
  words[2] = _mm512_unpacklo_epi16(high01, high23);
  words[3] = _mm512_unpackhi_epi16(high01, high23);
}

#endif

#endif
