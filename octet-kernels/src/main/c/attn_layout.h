/*
 * Codes of encoded rows in the order in which a block has them: keys channel by channel, 64 tokens
 * wide; codes of four bits in runs of 64, of which the second half is in the high nibbles of the first.
 */
#ifndef OCTET_ATTN_LAYOUT_H
#define OCTET_ATTN_LAYOUT_H

#include <string.h>

#include "attn_encode.h"

enum {
  SQUARE_BYTES = 16, /* of a row of a square */
  HALF_RUN = 32,     /* nibbles at the same place of their bytes */
  FEW_TOKENS = 8,    /* fewer are put into bytes one by one */
};

INLINE __m128i interleave_low(const int bytes, __m128i a, __m128i b) {
  return bytes == 1 ? _mm_unpacklo_epi8(a, b) : bytes == 2 ? _mm_unpacklo_epi16(a, b) : _mm_unpacklo_epi32(a, b);
}

INLINE __m128i interleave_high(const int bytes, __m128i a, __m128i b) {
  return bytes == 1 ? _mm_unpackhi_epi8(a, b) : bytes == 2 ? _mm_unpackhi_epi16(a, b) : _mm_unpackhi_epi32(a, b);
}

/*
 * Turns a square of 16 / bytes rows over its diagonal. Interleaving the first half of the rows with the
 * second moves a bit of the row's number into the column's; after all bits the two have changed places.
 */
INLINE void turn_square(const int bytes, const uint8_t *from, ptrdiff_t stride, uint8_t *to, ptrdiff_t apart) {
  const int n = SQUARE_BYTES / bytes;
  __m128i rows[SQUARE_BYTES], next[SQUARE_BYTES];
#pragma GCC unroll 16
  for (int i = 0; i < n; i++) {
    rows[i] = _mm_loadu_si128((const __m128i *)(const void *)(from + i * stride));
  }
#pragma GCC unroll 4
  for (int bit = 1; bit < n; bit *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; i++) {
      next[2 * i] = interleave_low(bytes, rows[i], rows[i + n / 2]);
      next[2 * i + 1] = interleave_high(bytes, rows[i], rows[i + n / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; i++) {
      rows[i] = next[i];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < n; i++) {
    _mm_storeu_si128((__m128i *)(void *)(to + i * apart), rows[i]);
  }
}

/* Elements of rows from..end and columns of channels first..dim, one by one. */
INLINE void turn_some(
    const int bytes, const uint8_t *from, ptrdiff_t stride, int row, int end, int first, int dim, uint8_t *to,
    ptrdiff_t apart) {
  for (int c = first; c < dim; c++) {
    for (int r = row; r < end; r++) {
      memcpy(to + c * apart + r * bytes, from + r * stride + c * bytes, (size_t)bytes);
    }
  }
}

/* Rows, `stride` bytes apart, become columns of `dim` rows that are `apart` bytes apart. */
INLINE void turn_rows(
    const int bytes, const uint8_t *from, ptrdiff_t stride, int rows, int dim, uint8_t *to, ptrdiff_t apart) {
  const int n = SQUARE_BYTES / bytes;
  int r = 0;
  for (; r + n <= rows; r += n) {
    int c = 0;
    for (; c + n <= dim; c += n) {
      turn_square(bytes, from + r * stride + c * bytes, stride, to + c * apart + r * bytes, apart);
    }
    turn_some(bytes, from, stride, r, r + n, c, dim, to, apart);
  }
  turn_some(bytes, from, stride, r, rows, 0, dim, to, apart);
}

/* index is counted through all codes of a head's keys or values. */
INLINE void put_nibble(uint8_t *codes, ptrdiff_t index, uint8_t code) {
  uint8_t *at = codes + index / (2 * HALF_RUN) * HALF_RUN + index % HALF_RUN;
  *at = index % (2 * HALF_RUN) < HALF_RUN ? (uint8_t)((*at & 0xf0) | code) : (uint8_t)((*at & 0x0f) | code << 4);
}

/* n neighbours, a code a byte, from `index` on. */
static void put_nibbles(uint8_t *codes, ptrdiff_t index, const uint8_t *from, int n) {
  for (int i = 0; i < n;) {
    const ptrdiff_t to = index + i;
    if (to % HALF_RUN || n - i < HALF_RUN) {
      put_nibble(codes, to, from[i++]);
      continue;
    }
    uint8_t *at = codes + to / (2 * HALF_RUN) * HALF_RUN;
    const int low = to % (2 * HALF_RUN) == 0;
    for (int j = 0; j < HALF_RUN; j++) {
      at[j] = low ? (uint8_t)((at[j] & 0xf0) | from[i + j]) : (uint8_t)((at[j] & 0x0f) | from[i + j] << 4);
    }
    i += HALF_RUN;
  }
}

/* A run of 64 as a code a byte, and back. */
INLINE void unpack_run(const uint8_t *run, uint8_t *codes) {
  for (int i = 0; i < HALF_RUN; i++) {
    codes[i] = run[i] & 15;
    codes[HALF_RUN + i] = run[i] >> 4;
  }
}

INLINE void pack_run(const uint8_t *codes, uint8_t *run) {
  for (int i = 0; i < HALF_RUN; i++) {
    run[i] = (uint8_t)(codes[i] | codes[HALF_RUN + i] << 4);
  }
}

/* Channels first..dim of one token, each in a run of its own. */
static void put_token(const uint8_t *codes, int first, int dim, uint8_t *to, int slot) {
  const int shift = slot < HALF_RUN ? 0 : 4;
  const uint8_t others = (uint8_t)(0xf0 >> shift);
  for (int c = first; c < dim; c++) {
    uint8_t *at = to + (ptrdiff_t)c * HALF_RUN + slot % HALF_RUN;
    *at = (uint8_t)((*at & others) | codes[c] << shift);
  }
}

/* The same for codes of four bits: a channel's 64 tokens are a run. */
static void turn_nibbles(const uint8_t *from, ptrdiff_t stride, int rows, int dim, uint8_t *to, int slot) {
  int c = 0;
  for (; rows >= FEW_TOKENS && c + SQUARE_BYTES <= dim; c += SQUARE_BYTES) {
    uint8_t codes[SQUARE_BYTES][2 * HALF_RUN];
    for (int i = 0; i < SQUARE_BYTES; i++) {
      unpack_run(to + (ptrdiff_t)(c + i) * HALF_RUN, codes[i]);
    }
    turn_rows(1, from + c, stride, rows, SQUARE_BYTES, codes[0] + slot, 2 * HALF_RUN);
    for (int i = 0; i < SQUARE_BYTES; i++) {
      pack_run(codes[i], to + (ptrdiff_t)(c + i) * HALF_RUN);
    }
  }
  for (int r = 0; r < rows; r++) {
    put_token(from + r * stride, c, dim, to, slot + r);
  }
}

/* `rows` encoded keys, `stride` bytes apart, into channels of a block from slot on. */
static void store_keys(
    const uint8_t *from, ptrdiff_t stride, int rows, int dim, int type, uint8_t *to, int slot) {
  if (type == KV_INT4) {
    turn_nibbles(from, stride, rows, dim, to, slot);
    return;
  }
  switch (element_bytes(type)) { /* constants choose the shuffles */
    case 1: turn_rows(1, from, stride, rows, dim, to + slot, KEY_TILE); break;
    case 2: turn_rows(2, from, stride, rows, dim, to + 2 * slot, 2 * KEY_TILE); break;
    default: turn_rows(4, from, stride, rows, dim, to + 4 * slot, 4 * KEY_TILE); break;
  }
}

#endif
