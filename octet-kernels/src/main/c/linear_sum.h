/*
 * Integer weights times rows of bytes, summed in int32: what INT8 activations (linear_int.c) and the halves of
 * 16-bit ones (linear_fixed.c) have in common.
 *
 * Weights are stored without a sign (q + 128, q + 8), as the left operand of vpdpbusd; what that adds
 * comes off as (z + 128)·Σx, with Σx given. A tile of rows × panels is summed in registers. As many rows as
 * stay in L2 meet all panels before the next rows do; the panels of a tile stay there, too, and while they
 * are multiplied the next ones are fetched.
 */
#ifndef OCTET_LINEAR_SUM_H
#define OCTET_LINEAR_SUM_H

#include "linear_finish.h"

#ifdef __AVX512VNNI__
#define PANELS_AT_ONCE 2
enum { PANELS = 2, ROWS = 12 };
#else
#define PANELS_AT_ONCE 1
enum { PANELS = 1, ROWS = 4 };
#endif

/*
 * Bytes of x that meet all panels at a time: beside the panels of this tile and the next they fit into
 * an L2 cache of a MiB. Fewer rows than LEAST_KEPT would have the weights read too often.
 */
enum { KEPT = 512 << 10, LEAST_KEPT = 96 };

/*
 * Bytes before its turn that a panel is asked for which is read only once; see decode.h. ALONE: a row waits
 * for memory only, and one panel after the other, each asked for further ahead, comes sooner than two side by side.
 */
enum { AHEAD = 4096, AHEAD_ALONE = 8192 };

typedef struct {
  const octet_linear *w;
  const int8_t *x;        /* [rows][stride], of a 16-bit x [rows][2][stride] */
  int64_t stride;
  int64_t group;          /* inputs of a 16-bit x that share a scale */
  const float *x_scales;  /* [rows], of a 16-bit x [rows][groups] */
  const int32_t *x_sums;  /* [rows][k/block], of a 16-bit x [rows][groups] */
  float *y;               /* [rows][n] */
  int64_t row, panel;     /* first of the tile */
  const uint8_t *ahead;   /* what is fetched meanwhile, beside every panel */
  int64_t ahead_step;     /* bytes of it a step */
  int once;               /* whether every panel is read only once */
} task;

/*
 * Rows are reached from a pointer for every three of them: more pointers than that would not fit into
 * the general registers, and each address is one operand (pointer + stride·{0,1,2}).
 */
#define ROW(r) (at_x[(r) / 3] + ((r) % 3) * stride_x)

/* Sums of `inputs` inputs from input `at` on of the rows of bytes from x on. */
INLINE void sum_rows(const int rows, const int panels, const int nibbles, const task *t, const int8_t *x,
                     int64_t at, int64_t inputs, i32x16 acc[ROWS][PANELS]) {
  const int64_t k = t->w->k;
  const int64_t stride = panel_bytes(nibbles ? FORM_I4 : FORM_I8, k);
  const uint8_t *codes = (const uint8_t *)t->w->codes + t->panel * stride + at * (nibbles ? 8 : 16);
  const int64_t stride_x = t->stride;
  const int8_t *at_x[(ROWS + 2) / 3];
  UNROLL
  for (int r = 0; r < rows; r += 3) {
    at_x[r / 3] = x + r * stride_x + at;
  }
  const i32x16 low = i_set(0x0f0f0f0f);
  /* Where few sums wait for each other, those of high nibbles are apart. */
  const int apart = nibbles && rows <= 2;
  i32x16 high[2][PANELS];
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int p = 0; p < panels; p++) {
      acc[r][p] = i_zero();
      if (apart) {
        high[r][p] = i_zero();
      }
    }
  }
  const int64_t step = nibbles ? 8 : 4;
  const uint8_t *ahead = t->ahead + at / step * t->ahead_step;
  if (t->once && at / step * 64 + AHEAD >= stride) {
    ahead += (panels - 1) * stride; /* the panel beside is read already: on to the next ones */
  }
  for (int64_t j = 0; j < inputs; j += step, codes += 64, ahead += t->ahead_step) {
    i32x16 q[PANELS];
    UNROLL
    for (int p = 0; p < panels; p++) {
      q[p] = i_load(codes + p * stride);
      __builtin_prefetch(ahead + p * stride, 0, 2);
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
      bytes4 four = x_set(ROW(r));
      UNROLL
      for (int p = 0; p < panels; p++) {
        acc[r][p] = nibbles ? i_dot_small(acc[r][p], i_and(q[p], low), four)
                            : i_dot(acc[r][p], q[p], four);
      }
    }
    if (nibbles) {
      UNROLL
      for (int r = 0; r < rows; r++) {
        bytes4 four = x_set(ROW(r) + 4);
        UNROLL
        for (int p = 0; p < panels; p++) {
          i32x16 *sum = apart ? &high[r][p] : &acc[r][p];
          *sum = i_dot_small(*sum, i_and(i_shr(q[p], 4), low), four);
        }
      }
    }
    UNROLL
    for (int r = 0; r < rows; r += 3) {
      at_x[r / 3] += step;
    }
  }
  if (apart) {
    UNROLL
    for (int r = 0; r < rows; r++) {
      UNROLL
      for (int p = 0; p < panels; p++) {
        acc[r][p] = i_add(acc[r][p], high[r][p]);
      }
    }
  }
}

/* A tile function compiled for a number of rows; a constant unrolls it into registers. */
#if PANELS_AT_ONCE == 2
#define SIZES(kind, rows)                                                            \
  case rows:                                                                         \
    if (panels == 1) {                                                               \
      nibbles ? kind(rows, 1, 1, t) : kind(rows, 1, 0, t);                           \
    } else {                                                                         \
      nibbles ? kind(rows, 2, 1, t) : kind(rows, 2, 0, t);                           \
    }                                                                                \
    break;
#else
#define SIZES(kind, rows)                                 \
  case rows:                                              \
    nibbles ? kind(rows, 1, 1, t) : kind(rows, 1, 0, t);  \
    break;
#endif

/* What multiplies a tile of so many rows. */
typedef void tile_of(int rows, int panels, int nibbles, const task *t);

/* The tiles of some rows and two panels, or the last one; then: the panels whose turn is next. */
INLINE void multiply(task *t, tile_of *tile, int64_t most, int panels, int64_t first, int64_t end, int64_t then) {
  const octet_linear *w = t->w;
  const int nibbles = w->form == FORM_I4;
  const int64_t rows = end - first;
  const int64_t tiles = (rows + most - 1) / most;
  t->once = tiles == 1;
  const uint8_t *codes = w->codes;
  const int64_t bytes = panel_bytes(w->form, w->k);
  const int64_t steps = w->k / (nibbles ? 8 : 4);
  const int64_t ahead = panels == 1 ? AHEAD_ALONE : AHEAD;
  t->ahead = t->once ? codes + t->panel * bytes + ahead : codes + then * bytes;
  t->ahead_step = (64 + tiles - 1) / tiles;
  t->row = first;
  for (int64_t i = 0; i < tiles; i++) { /* of nearly one size: a last row alone would be dear */
    const int64_t next = first + rows * (i + 1) / tiles;
    tile((int)(next - t->row), panels, nibbles, t);
    t->ahead += steps * t->ahead_step;
    t->row = next;
  }
}

/* All rows, of `halves` rows of bytes each, times the panels from…to-1, at most `most` rows a tile. */
static void multiply_all(task *t, tile_of *tile, int64_t most, int64_t rows, int64_t halves, int64_t from,
                         int64_t to) {
  const int64_t kept = KEPT / t->stride / ROWS * ROWS;
  const int step = rows * halves == 1 ? 1 : PANELS;
  const int64_t parts = rows == 0 ? 0 : kept < LEAST_KEPT ? 1 : (rows * halves + kept - 1) / kept;
  for (int64_t i = 0; i < parts; i++) {
    for (t->panel = from; t->panel < to; t->panel += step) {
      const int panels = to - t->panel < step ? 1 : step;
      const int64_t then = t->panel + step < to ? t->panel + step : from;
      multiply(t, tile, most, panels, rows * i / parts, rows * (i + 1) / parts, then);
    }
  }
}

#endif
