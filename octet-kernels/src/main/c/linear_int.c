/*
 * INT8 and INT4 weights times INT8 activations, summed exactly in int32.
 *
 * Weights are stored without a sign (q + 128, q + 8), as the left operand of vpdpbusd; what that adds
 * comes off as (z + 128)·Σx, with Σx of every row and block given. A tile of rows × panels is summed in
 * registers over a whole block. As many rows as stay in L2 meet all panels before the next rows do; the
 * panels of a tile stay there, too, and while they are multiplied the next ones are fetched.
 */
#include "linear_finish.h"

#ifdef __AVX512VNNI__
#define PANELS_AT_ONCE 2
enum { PANELS = 2, ROWS = 12, BLOCK_ROWS = 6 };
#else
#define PANELS_AT_ONCE 1
enum { PANELS = 1, ROWS = 4, BLOCK_ROWS = 3 };
#endif

/* Above this many inputs a sum of 255·128 could leave int32. */
enum { MOST_INPUTS = 65536 };

/*
 * Bytes of x that meet all panels at a time: beside the panels of this tile and the next they fit into
 * an L2 cache of a MiB. Fewer rows than LEAST_KEPT would have the weights read too often.
 */
enum { KEPT = 512 << 10, LEAST_KEPT = 96 };

/* Bytes before its turn that a panel is asked for which is read only once; see decode.h. */
enum { AHEAD = 4096 };

typedef struct {
  const octet_linear *w;
  const int8_t *x;        /* [rows][stride] */
  int64_t stride;
  const float *x_scales;  /* [rows] */
  const int32_t *x_sums;  /* [rows][k/block] */
  float *y;               /* [rows][n] */
  int64_t row, panel;     /* first of the tile */
  const uint8_t *ahead;   /* what is fetched meanwhile, beside every panel */
  int64_t ahead_step;     /* bytes of it a step */
} task;

/*
 * Rows are reached from a pointer for every three of them: more pointers than that would not fit into
 * the general registers, and each address is one operand (pointer + stride·{0,1,2}).
 */
#define ROW(r) (at_x[(r) / 3] + ((r) % 3) * stride_x)

/* Sums of one block from input `at`. */
INLINE void sum_block(const int rows, const int panels, const int nibbles, const task *t, int64_t at,
                      i32x16 acc[ROWS][PANELS]) {
  const int64_t k = t->w->k;
  const int64_t stride = panel_bytes(nibbles ? FORM_I4 : FORM_I8, k);
  const uint8_t *codes = (const uint8_t *)t->w->codes + t->panel * stride + at * (nibbles ? 8 : 16);
  const int64_t stride_x = t->stride;
  const int8_t *at_x[(ROWS + 2) / 3];
  UNROLL
  for (int r = 0; r < rows; r += 3) {
    at_x[r / 3] = t->x + (t->row + r) * stride_x + at;
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
  for (int64_t j = 0; j < t->w->block; j += step, codes += 64, ahead += t->ahead_step) {
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

INLINE i32x16 centred_in(const task *t, i32x16 sum, int r, int p, int64_t block) {
  const int64_t blocks = t->w->k / t->w->block;
  return centred(t->w, sum, t->panel + p, block, t->x_sums[(t->row + r) * blocks + block]);
}

INLINE float *output_at(const task *t, int r, int p) {
  return t->y + (t->row + r) * t->w->n + (t->panel + p) * LANES;
}

INLINE void tile_exact(const int rows, const int panels, const int nibbles, const task *t) {
  i32x16 acc[ROWS][PANELS];
  sum_block(rows, panels, nibbles, t, 0, acc);
  for (int r = 0; r < rows; r++) {
    for (int p = 0; p < panels; p++) {
      finish_exact(t->w, centred_in(t, acc[r][p], r, p, 0), t->panel + p, t->x_scales[t->row + r],
                   output_at(t, r, p));
    }
  }
}

/* A scale a block: blocks are exact integers, their scaled sums are floats. */
INLINE void tile_blocks(const int rows, const int panels, const int nibbles, const task *t) {
  const octet_linear *w = t->w;
  const int64_t blocks = w->k / w->block;
  f32x16 total[BLOCK_ROWS][PANELS];
  for (int r = 0; r < rows; r++) {
    for (int p = 0; p < panels; p++) {
      total[r][p] = f_zero();
    }
  }
  for (int64_t b = 0; b < blocks; b++) {
    i32x16 acc[ROWS][PANELS];
    sum_block(rows, panels, nibbles, t, b * w->block, acc);
    UNROLL
    for (int p = 0; p < panels; p++) {
      const f32x16 scale = scale_of(w, t->panel + p, b);
      UNROLL
      for (int r = 0; r < rows; r++) {
        total[r][p] = f_fma(f_of(centred_in(t, acc[r][p], r, p, b)), scale, total[r][p]);
      }
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int p = 0; p < panels; p++) {
      const f32x16 y = finished(w, t->panel + p, t->x_scales + t->row + r, total[r][p]);
      f_store_some(output_at(t, r, p), y, outputs_of(w, t->panel + p));
    }
  }
}

/* The tile functions compiled for every number of rows; a constant unrolls them into registers. */
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

static void exact(int rows, int panels, int nibbles, const task *t) {
  (void)panels;
  switch (rows) {
    SIZES(tile_exact, 1)
    SIZES(tile_exact, 2)
    SIZES(tile_exact, 3)
    SIZES(tile_exact, 4)
#if PANELS_AT_ONCE == 2
    SIZES(tile_exact, 5)
    SIZES(tile_exact, 6)
    SIZES(tile_exact, 7)
    SIZES(tile_exact, 8)
    SIZES(tile_exact, 9)
    SIZES(tile_exact, 10)
    SIZES(tile_exact, 11)
    SIZES(tile_exact, 12)
#endif
  }
}

static void in_blocks(int rows, int panels, int nibbles, const task *t) {
  (void)panels;
  switch (rows) {
    SIZES(tile_blocks, 1)
    SIZES(tile_blocks, 2)
    SIZES(tile_blocks, 3)
#if PANELS_AT_ONCE == 2
    SIZES(tile_blocks, 4)
    SIZES(tile_blocks, 5)
    SIZES(tile_blocks, 6)
#endif
  }
}

/* The tiles of some rows and two panels, or the last one; then: the panels whose turn is next. */
static void multiply(task *t, int panels, int64_t first, int64_t end, int64_t then) {
  const octet_linear *w = t->w;
  const int nibbles = w->form == FORM_I4;
  const int whole = w->block == w->k;
  const int64_t rows = end - first;
  const int64_t most = whole ? ROWS : BLOCK_ROWS;
  const int64_t tiles = (rows + most - 1) / most;
  const int once = tiles == 1;
  const uint8_t *codes = w->codes;
  const int64_t bytes = panel_bytes(w->form, w->k);
  const int64_t steps = w->k / (nibbles ? 8 : 4);
  t->ahead = once ? codes + t->panel * bytes + AHEAD : codes + then * bytes;
  t->ahead_step = (64 + tiles - 1) / tiles;
  t->row = first;
  for (int64_t i = 0; i < tiles; i++) { /* of nearly one size: a last row alone would be dear */
    const int64_t next = first + rows * (i + 1) / tiles;
    (whole ? exact : in_blocks)((int)(next - t->row), panels, nibbles, t);
    t->ahead += steps * t->ahead_step;
    t->row = next;
  }
}

/*
 * Outputs of the panels from…to-1 for all rows: y = x_scale·(Σ (x - offset)·(q - z)·s) + bias.
 *
 * x [rows][stride] codes, k of them, 0 where padded; x_scales [rows]; x_sums [rows][k/block]; y [rows][n].
 */
OCTET_EXPORT int32_t octet_linear_int(const octet_linear *w, int64_t rows, int64_t from, int64_t to,
                                      const int8_t *x, int64_t stride, const float *x_scales,
                                      const int32_t *x_sums, float *y) {
  int32_t status = check_linear(w, rows, from, to);
  if (status != OCTET_OK) {
    return status;
  }
  if (w->form != FORM_I8 && w->form != FORM_I4) {
    return OCTET_BAD_FORM;
  }
  if (stride < w->k || w->block > MOST_INPUTS || w->scales == NULL || (w->offset != NULL && w->block != w->k)) {
    return OCTET_BAD_SIZE;
  }
  task t = {.w = w, .x = x, .stride = stride, .x_scales = x_scales, .x_sums = x_sums, .y = y};
  const int64_t kept = KEPT / stride / ROWS * ROWS;
  const int64_t parts = rows == 0 ? 0 : kept < LEAST_KEPT ? 1 : (rows + kept - 1) / kept;
  for (int64_t i = 0; i < parts; i++) {
    for (t.panel = from; t.panel < to; t.panel += PANELS) {
      const int panels = to - t.panel < PANELS ? 1 : PANELS;
      const int64_t then = t.panel + PANELS < to ? t.panel + PANELS : from;
      multiply(&t, panels, rows * i / parts, rows * (i + 1) / parts, then);
    }
  }
  return OCTET_OK;
}
