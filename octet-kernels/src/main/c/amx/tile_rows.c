/* Activations as tiles: the left operand, 16 rows of 64 bytes of k. */
#include <string.h>

#include "octet.h"
#include "tile.h"

/*
 * Rows [rows][stride] of elements of `size` bytes, `blocks` blocks of `block` of them, to tiles
 * [⌈rows/16⌉][blocks][⌈block·size/64⌉][16][64 bytes]: what lies behind a block's end, and rows behind the
 * last, are zeros.
 */
OCTET_EXPORT int32_t octet_tile_rows(const uint8_t *x, int64_t rows, int64_t stride, int64_t size,
                                     int64_t blocks, int64_t block, uint8_t *out) {
  const int64_t most = (int64_t)1 << 31;
  if (size != 1 && size != 2) {
    return OCTET_BAD_FORM;
  }
  if (rows < 0 || rows >= most || block < 1 || blocks < 1 || block >= most || blocks >= most
      || blocks * block >= most || stride < blocks * block) {
    return OCTET_BAD_SIZE;
  }
  const int64_t bytes = block * size;
  for (int64_t first = 0; first < rows; first += TILE_ROWS) {
    const int64_t there = rows - first < TILE_ROWS ? rows - first : TILE_ROWS;
    for (int64_t b = 0; b < blocks; b++) {
      const uint8_t *from = x + (first * stride + b * block) * size;
      for (int64_t at = 0; at < bytes; at += TILE_ROW_BYTES, out += TILE_BYTES) {
        const int64_t some = bytes - at < TILE_ROW_BYTES ? bytes - at : TILE_ROW_BYTES;
        if (there < TILE_ROWS || some < TILE_ROW_BYTES) {
          memset(out, 0, TILE_BYTES);
        }
        for (int64_t r = 0; r < there; r++) {
          memcpy(out + r * TILE_ROW_BYTES, from + r * stride * size + at, (size_t)some);
        }
      }
    }
  }
  return OCTET_OK;
}
