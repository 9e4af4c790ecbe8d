/*
 * Whether the tiles of this machine compute what this library was tested with: a few products of every
 * kind, in several shapes, against plain C. Asked once, before the tier is chosen.
 */
#include <string.h>

#include "octet.h"
#include "tile.h"

typedef struct {
  int rows, k, columns; /* of a product: k in words of four INT8 or two BF16 */
} shape;

static const shape SHAPES[] = {{16, 16, 16}, {1, 1, 1}, {7, 16, 3}, {16, 5, 11}, {3, 13, 16}};

enum { CHECKED = sizeof SHAPES / sizeof SHAPES[0], KINDS = 3 };

/* Reaches the ends of the range often. */
static uint8_t next_byte(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  const uint32_t x = *state >> 24;
  return x < 32 ? 0x80 : x < 64 ? 0x7f : x < 96 ? 0xff : (uint8_t)(*state >> 16);
}

static float of_bf16(uint16_t half) {
  const uint32_t bits = (uint32_t)half << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

/* A small whole number: every order of adding its products gives the same float. */
static uint16_t next_bf16(uint32_t *state) {
  const float x = (float)(int8_t)next_byte(state);
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (uint16_t)(bits >> 16);
}

typedef struct {
  uint8_t left[TILE_ROWS][TILE_ROW_BYTES], right[TILE_ROWS][TILE_ROW_BYTES];
  int32_t sums[TILE_ROWS][TILE_ROWS], expected[TILE_ROWS][TILE_ROWS];
} operands;

static void fill(int kind, uint32_t *state, operands *o) {
  for (int r = 0; r < TILE_ROWS; r++) {
    for (int i = 0; i < TILE_ROW_BYTES; i++) {
      o->left[r][i] = next_byte(state);
      o->right[r][i] = next_byte(state);
    }
    for (int i = 0; kind == 2 && i < TILE_ROW_BYTES; i += 2) {
      const uint16_t pair[2] = {next_bf16(state), next_bf16(state)};
      memcpy(&o->left[r][i], &pair[0], 2);
      memcpy(&o->right[r][i], &pair[1], 2);
    }
    for (int c = 0; c < TILE_ROWS; c++) {
      const float x = (float)(int8_t)next_byte(state);
      o->sums[r][c] = (int32_t)((uint32_t)next_byte(state) << 16) - 0x7f0000;
      if (kind == 2) {
        memcpy(&o->sums[r][c], &x, 4);
      }
    }
  }
}

static int32_t word_product(int kind, int32_t sum, const uint8_t *a, const uint8_t *b) {
  if (kind < 2) {
    for (int i = 0; i < 4; i++) {
      sum += (int8_t)a[i] * (kind == 0 ? (int32_t)(int8_t)b[i] : (int32_t)b[i]);
    }
    return sum;
  }
  float total;
  memcpy(&total, &sum, 4);
  for (int i = 0; i < 4; i += 2) {
    uint16_t x, y;
    memcpy(&x, a + i, 2);
    memcpy(&y, b + i, 2);
    total += of_bf16(x) * of_bf16(y);
  }
  memcpy(&sum, &total, 4);
  return sum;
}

static void expect(int kind, shape s, operands *o) {
  memcpy(o->expected, o->sums, sizeof o->sums);
  for (int r = 0; r < s.rows; r++) {
    for (int c = 0; c < s.columns; c++) {
      for (int k = 0; k < s.k; k++) {
        o->expected[r][c] = word_product(kind, o->expected[r][c], &o->left[r][4 * k], &o->right[k][4 * c]);
      }
    }
  }
}

static int agrees(int kind, shape s, uint32_t *state, tile_file *t) {
  operands o;
  fill(kind, state, &o);
  expect(kind, s, &o);
  tile_config config = {.palette = 1};
  config.rows[0] = config.rows[4] = (uint8_t)s.rows;
  config.rows[6] = (uint8_t)s.k;
  config.row_bytes[4] = (uint16_t)(4 * s.k);
  config.row_bytes[0] = config.row_bytes[6] = (uint16_t)(4 * s.columns);
  TILE_CONFIGURE(t, &config);
  TILE_LOAD(t, 0, o.sums, TILE_ROW_BYTES);
  TILE_LOAD(t, 4, o.left, TILE_ROW_BYTES);
  TILE_LOAD(t, 6, o.right, TILE_ROW_BYTES);
  if (kind == 0) {
    TILE_DOT_SS(t, 0, 4, 6);
  } else if (kind == 1) {
    TILE_DOT_SU(t, 0, 4, 6);
  } else {
    TILE_DOT_BF16(t, 0, 4, 6);
  }
  TILE_STORE(t, 0, o.sums, TILE_ROW_BYTES);
  TILE_ZERO(t, 0);
  TILE_RELEASE(t);
  return memcmp(o.sums, o.expected, sizeof o.sums) == 0;
}

/* 0 if all agree, else the number of the first product that does not, from 1. */
OCTET_EXPORT int32_t octet_check_tiles(void) {
  tile_file tiles;
  uint32_t state = 1;
  for (int kind = 0; kind < KINDS; kind++) {
    for (int i = 0; i < CHECKED; i++) {
      if (!agrees(kind, SHAPES[i], &state, &tiles)) {
        return kind * CHECKED + i + 1;
      }
    }
  }
  return 0;
}
