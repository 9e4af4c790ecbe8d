/*
 * INT8 and INT4 weights times INT8 activations, summed exactly in int32: a tile of rows × panels in registers
 * over a whole block.
 */
#include "linear_sum.h"

#ifdef __AVX512VNNI__
enum { BLOCK_ROWS = 6 };
#else
enum { BLOCK_ROWS = 3 };
#endif

/* Above this many inputs a sum of 255·128 could leave int32. */
enum { MOST_INPUTS = 65536 };

INLINE i32x16 centred_in(const task *t, i32x16 sum, int r, int p, int64_t block) {
  const int64_t blocks = t->w->k / t->w->block;
  return centred(t->w, sum, t->panel + p, block, t->x_sums[(t->row + r) * blocks + block]);
}

/* Sums of one block from input `at`. */
INLINE void sum_block(const int rows, const int panels, const int nibbles, const task *t, int64_t at,
                      i32x16 acc[ROWS][PANELS]) {
  sum_rows(rows, panels, nibbles, t, t->x + t->row * t->stride, at, t->w->block, acc);
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
  if (w->block == w->k) {
    multiply_all(&t, exact, ROWS, rows, 1, from, to);
  } else {
    multiply_all(&t, in_blocks, BLOCK_ROWS, rows, 1, from, to);
  }
  return OCTET_OK;
}
