/*
 * Right operands: a stretch of inputs of a few panels as tiles. A row of such a tile is 64 bytes: four
 * INT8 or two BF16 inputs of 16 outputs, which is how panels of those forms lie (linear.h): where a
 * block of inputs is a whole number of tiles they are read where they are. Other forms are unpacked
 * into L1, with rows of zeros behind the end of a block.
 */
#ifndef OCTET_TILE_WEIGHTS_H
#define OCTET_TILE_WEIGHTS_H

#include <string.h>

#include "decode.h"
#include "tile.h"

/* How integers or BF16 are multiplied: u8 weights, s8 weights (nibbles less their zero), BF16. */
enum { KIND_U8, KIND_S8, KIND_BF16 };

enum {
  GROUP = 4,  /* panels that meet a slice of x while it is in L1 */
  STRETCH = 6 /* tiles along k: GROUP panels are 24 KiB and 32 rows of x 12 KiB of 48 KiB of L1 */
};

/* Inputs in a row of a tile. */
INLINE int64_t row_inputs(const int kind) { return kind == KIND_BF16 ? 2 : 4; }

/* Rows of tiles in a block, without what pads the last tile. */
INLINE int64_t block_rows(const int kind, const octet_linear *w) {
  return w->block / row_inputs(kind);
}

INLINE int64_t tiles_of(int64_t rows) { return (rows + TILE_ROWS - 1) / TILE_ROWS; }

INLINE const uint8_t *codes_at(const octet_linear *w, int64_t panel, int64_t input) {
  return (const uint8_t *)w->codes + panel * panel_bytes(w->form, w->k) + panel_bytes(w->form, input);
}

/* Whether the panels are tiles already. */
INLINE int lies_as_tiles(const int kind, const octet_linear *w) {
  return (kind == KIND_U8 || (kind == KIND_BF16 && w->form == FORM_BF16))
         && block_rows(kind, w) % TILE_ROWS == 0;
}

/* Nibbles less their zero fit a signed byte. */
INLINE void unpack_nibbles(const octet_linear *w, int64_t panel, int64_t block, const uint8_t *codes,
                           int64_t rows, uint8_t *to) {
  const i32x16 low = i_set(0x0f0f0f0f);
  const i32x16 zero = i_mul(zeros_of(w, panel, block), i_set(0x01010101));
  for (int64_t r = 0; r < rows; r += 2, codes += 64, to += 2 * TILE_ROW_BYTES) {
    const i32x16 eight = i_load(codes);
    i_store(to, _mm512_sub_epi8(i_and(eight, low), zero));
    i_store(to + TILE_ROW_BYTES, _mm512_sub_epi8(i_and(i_shr(eight, 4), low), zero));
  }
}

/* BF16 holds every code exactly, as the upper half of a float. */
INLINE void unpack_halves(const int form, const octet_linear *w, int64_t panel, int64_t block,
                          const uint8_t *codes, int64_t rows, uint8_t *to) {
  const int inputs = decoded_inputs(form);
  const decoder d = decoder_of(form, w, panel, block);
  for (int64_t r = 0; r < rows; r += inputs / 2, codes += step_bytes(form)) {
    f32x16 q[MOST_STEP];
    decode(form, 0, codes, &d, q);
    UNROLL
    for (int i = 0; i + 1 < inputs; i += 2, to += TILE_ROW_BYTES) {
      i_store(to, i_or(i_shr(i_cast(q[i]), 16), i_and(i_cast(q[i + 1]), i_set((int32_t)0xffff0000))));
    }
  }
}

/* Rows from…end-1 of a block's tiles. */
static void unpack(const int kind, const octet_linear *w, int64_t panel, int64_t block, int64_t from,
                   int64_t end, uint8_t *to) {
  const uint8_t *codes = codes_at(w, panel, block * w->block + from * row_inputs(kind));
  const int64_t rows = end - from;
  if (kind == KIND_S8) {
    unpack_nibbles(w, panel, block, codes, rows, to);
    return;
  }
  if (kind == KIND_U8 || w->form == FORM_BF16) {
    memcpy(to, codes, (size_t)(rows * TILE_ROW_BYTES));
    return;
  }
  switch (w->form) {
    case FORM_E4M3: unpack_halves(FORM_E4M3, w, panel, block, codes, rows, to); break;
    case FORM_E5M2: unpack_halves(FORM_E5M2, w, panel, block, codes, rows, to); break;
    case FORM_I8: unpack_halves(FORM_I8, w, panel, block, codes, rows, to); break;
    case FORM_E2M1: unpack_halves(FORM_E2M1, w, panel, block, codes, rows, to); break;
    default: unpack_halves(FORM_I4, w, panel, block, codes, rows, to); break;
  }
}

/* Tiles first…first+count-1 of a block; zeros behind the block's last row. */
static void unpack_tiles(const int kind, const octet_linear *w, int64_t panel, int64_t block,
                         int64_t first, int64_t count, uint8_t *to) {
  const int64_t from = first * TILE_ROWS;
  const int64_t whole = from + count * TILE_ROWS;
  const int64_t there = block_rows(kind, w);
  const int64_t end = whole < there ? whole : there;
  unpack(kind, w, panel, block, from, end, to);
  memset(to + (end - from) * TILE_ROW_BYTES, 0, (size_t)((whole - end) * TILE_ROW_BYTES));
}

#endif
