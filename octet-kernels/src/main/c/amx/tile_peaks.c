/* What one core's tiles can do at most: loops of one instruction on whole tiles (see peaks.c). */
#include <string.h>

#include "octet.h"
#include "tile.h"

enum { PEAK_BF16 = 1, PEAK_INT8 = 2 }; /* of peaks.c */

/* A product waits for the one before into the same tile: six chains are more than that takes. */
#define CHAINS_OF(dot, t) \
  do {                    \
    dot(t, 0, 6, 7);      \
    dot(t, 1, 6, 7);      \
    dot(t, 2, 6, 7);      \
    dot(t, 3, 6, 7);      \
    dot(t, 4, 6, 7);      \
    dot(t, 5, 6, 7);      \
  } while (0)

enum { CHAINS = 6 };

/* As octet_peak. */
OCTET_EXPORT int32_t octet_tile_peak(int32_t kind, int64_t rounds, double *result) {
  if (rounds < 0) {
    return OCTET_BAD_SIZE;
  }
  if (kind != PEAK_BF16 && kind != PEAK_INT8) {
    return OCTET_BAD_FORM;
  }
  tile_file tiles;
  const tile_config config = whole_tiles();
  uint8_t ones[TILE_ROWS][TILE_ROW_BYTES];
  int32_t sums[TILE_ROWS][TILE_ROWS];
  memset(ones, kind == PEAK_INT8 ? 1 : 0, sizeof ones);
  TILE_CONFIGURE(&tiles, &config);
  TILE_ZERO(&tiles, 0);
  TILE_ZERO(&tiles, 1);
  TILE_ZERO(&tiles, 2);
  TILE_ZERO(&tiles, 3);
  TILE_ZERO(&tiles, 4);
  TILE_ZERO(&tiles, 5);
  TILE_LOAD(&tiles, 6, ones, TILE_ROW_BYTES);
  TILE_LOAD(&tiles, 7, ones, TILE_ROW_BYTES);
  if (kind == PEAK_INT8) {
    for (int64_t i = 0; i < rounds; i++) {
      CHAINS_OF(TILE_DOT_SS, &tiles);
    }
  } else {
    for (int64_t i = 0; i < rounds; i++) {
      CHAINS_OF(TILE_DOT_BF16, &tiles);
    }
  }
  TILE_STORE(&tiles, 0, sums, TILE_ROW_BYTES);
  TILE_RELEASE(&tiles);
  const double products = TILE_ROWS * TILE_ROWS * (kind == PEAK_INT8 ? 64.0 : 32.0);
  result[0] = 2 * products * CHAINS * (double)rounds;
  result[1] = sums[0][0];
  return OCTET_OK;
}
