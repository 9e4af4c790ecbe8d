/*
 * Tiles in plain C, as the pseudocode of Intel's manual has them (SDM volume 2: LDTILECFG, TILELOADD,
 * TILESTORED, TILEZERO, TDPBSSD, TDPBF16PS; its exception classes AMX-E1 to E4). Where the processor
 * would fault the process ends with a line that says why. For tests.
 */
#ifndef OCTET_TILE_EMULATED_H
#define OCTET_TILE_EMULATED_H

#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not inlined: the kernels name them dozens of times. */
#define EMULATED static __attribute__((noinline, unused))

/* One thread's tiles. All zero: released. */
typedef struct {
  int configured;
  tile_config config;
  uint8_t data[TILES][TILE_ROWS][TILE_ROW_BYTES];
} tile_file;

static inline void tile_require(int holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "a processor would fault here: %s\n", what);
    abort();
  }
}

static inline int all_zero(const void *bytes, size_t count) {
  const uint8_t *b = bytes;
  for (size_t i = 0; i < count; i++) {
    if (b[i] != 0) {
      return 0;
    }
  }
  return 1;
}

EMULATED void emulated_release(tile_file *t) { memset(t, 0, sizeof *t); }

EMULATED void emulated_configure(tile_file *t, const tile_config *config) {
  tile_require(config->palette <= 1, "LDTILECFG of an unknown palette");
  emulated_release(t);
  if (config->palette == 0) {
    return;
  }
  tile_require(all_zero(config->reserved, sizeof config->reserved), "LDTILECFG with reserved bytes set");
  tile_require(all_zero(config->row_bytes + TILES, 2 * (16 - TILES))
                   && all_zero(config->rows + TILES, 16 - TILES),
               "LDTILECFG of a tile beyond the eighth");
  for (int i = 0; i < TILES; i++) {
    tile_require(config->row_bytes[i] <= TILE_ROW_BYTES && config->rows[i] <= TILE_ROWS,
                 "LDTILECFG of a tile too large");
    tile_require((config->row_bytes[i] == 0) == (config->rows[i] == 0),
                 "LDTILECFG of a tile with rows or columns alone");
  }
  t->config = *config;
  t->configured = 1;
}

static inline void require_tile(const tile_file *t, int i) {
  tile_require(t->configured, "tiles are not configured");
  tile_require(i >= 0 && i < TILES && t->config.rows[i] != 0, "a tile that is not configured");
}

static inline void zero_rows_from(tile_file *t, int tile, int row) {
  uint8_t *whole = &t->data[tile][0][0];
  memset(whole + row * TILE_ROW_BYTES, 0, (size_t)(TILE_ROWS - row) * TILE_ROW_BYTES);
}

EMULATED void emulated_zero(tile_file *t, int to) {
  require_tile(t, to);
  zero_rows_from(t, to, 0);
  t->config.start_row = 0;
}

/* Columns and rows beyond the configured ones become zero. */
EMULATED void emulated_load(tile_file *t, int to, const void *from, int64_t stride) {
  require_tile(t, to);
  const int start = t->config.start_row;
  for (int r = start; r < t->config.rows[to]; r++) {
    memset(t->data[to][r], 0, TILE_ROW_BYTES);
    memcpy(t->data[to][r], (const uint8_t *)from + r * stride, t->config.row_bytes[to]);
  }
  zero_rows_from(t, to, t->config.rows[to]);
  t->config.start_row = 0;
}

EMULATED void emulated_store(tile_file *t, int from, void *to, int64_t stride) {
  require_tile(t, from);
  for (int r = t->config.start_row; r < t->config.rows[from]; r++) {
    memcpy((uint8_t *)to + r * stride, t->data[from][r], t->config.row_bytes[from]);
  }
  t->config.start_row = 0;
}

/* Exception class AMX-E4. */
static inline void require_product(const tile_file *t, int c, int a, int b) {
  require_tile(t, c);
  require_tile(t, a);
  require_tile(t, b);
  const tile_config *g = &t->config;
  tile_require(c != a && a != b && c != b, "a product of tiles that are not three");
  tile_require(g->row_bytes[c] % 4 == 0 && g->row_bytes[a] % 4 == 0 && g->row_bytes[b] % 4 == 0,
               "a product of rows that are no words of 32 bits");
  tile_require(g->rows[c] == g->rows[a], "a product with other rows than its left operand");
  tile_require(g->row_bytes[a] / 4 == g->rows[b], "a product of operands that do not meet");
  tile_require(g->row_bytes[c] == g->row_bytes[b], "a product with other columns than its right operand");
}

/* A finished row; what is not configured of it, and of the rows below, becomes zero. */
static inline void write_product(tile_file *t, int c, int row, const void *bytes) {
  memset(t->data[c][row], 0, TILE_ROW_BYTES);
  memcpy(t->data[c][row], bytes, t->config.row_bytes[c]);
  if (row + 1 == t->config.rows[c]) {
    zero_rows_from(t, c, row + 1);
    t->config.start_row = 0;
  }
}

/* TDPBSSD, or TDPBSUD where b has no sign: sums wrap around, they do not saturate. */
EMULATED void emulated_dot(tile_file *t, int c, int a, int b, int b_signed) {
  require_product(t, c, a, b);
  const int words = t->config.row_bytes[c] / 4;
  for (int m = 0; m < t->config.rows[c]; m++) {
    uint32_t sums[TILE_ROW_BYTES / 4];
    memcpy(sums, t->data[c][m], TILE_ROW_BYTES);
    for (int k = 0; k < t->config.row_bytes[a] / 4; k++) {
      for (int n = 0; n < words; n++) {
        for (int i = 0; i < 4; i++) {
          const int32_t left = (int8_t)t->data[a][m][4 * k + i];
          const uint8_t right = t->data[b][k][4 * n + i];
          sums[n] += (uint32_t)(left * (b_signed ? (int32_t)(int8_t)right : (int32_t)right));
        }
      }
    }
    write_product(t, c, m, sums);
  }
}

static inline float float_of_bf16(const uint8_t *two) {
  uint16_t half;
  memcpy(&half, two, 2);
  const uint32_t bits = (uint32_t)half << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

/*
 * Denormals count and become zero, whatever the thread's own setting is. Between the two fences
 * everything is read from and written to memory, so that no arithmetic leaves them.
 */
static inline unsigned flush_denormals(void) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8040);
  __asm__ volatile("" ::: "memory");
  return before;
}

static inline void restore_denormals(unsigned before) {
  __asm__ volatile("" ::: "memory");
  _mm_setcsr(before);
}

/* TDPBF16PS: even and odd inputs are summed apart, each product fused, then together. */
EMULATED void emulated_dot_bf16(tile_file *t, int c, int a, int b) {
  require_product(t, c, a, b);
  const int words = t->config.row_bytes[c] / 4;
  const unsigned before = flush_denormals();
  for (int m = 0; m < t->config.rows[c]; m++) {
    float pairs[TILE_ROW_BYTES / 2] = {0};
    for (int k = 0; k < t->config.row_bytes[a] / 4; k++) {
      for (int n = 0; n < 2 * words; n++) {
        const float left = float_of_bf16(&t->data[a][m][4 * k + 2 * (n % 2)]);
        pairs[n] = __builtin_fmaf(left, float_of_bf16(&t->data[b][k][2 * n]), pairs[n]);
      }
    }
    float sums[TILE_ROW_BYTES / 4];
    memcpy(sums, t->data[c][m], sizeof sums);
    for (int n = 0; n < words; n++) {
      sums[n] += pairs[2 * n] + pairs[2 * n + 1];
    }
    write_product(t, c, m, sums);
  }
  restore_denormals(before);
}

#endif
