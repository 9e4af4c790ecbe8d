/*
 * INT8 and INT4 weights times activations of 16 bits, for layers whose activations are not quantized: every
 * token's x is a fixed-point number under a scale for each group of up to 128 inputs, 256·high + low with two
 * signed bytes. Both are multiplied with the codes by vpdpbusd and joined in int32, exactly; scaled sums of
 * groups are floats. Twice vpdpbusd takes half as long as F32 products, and what x loses (at most 2⁻¹⁶ of the
 * largest of its group) is a sixtieth of what BF16 loses where no input is far larger than the others.
 */
#include "linear_sum.h"

enum {
  PAIRS = ROWS / 2,
  /* |q - z|·|x| stays below 256·2¹⁵: with so many inputs sums stay below 2³¹. */
  MOST_GROUP = 128
};

INLINE int64_t groups_of(const octet_linear *w, int64_t group) { return (w->block + group - 1) / group; }

INLINE void tile_fixed(const int rows, const int panels, const int nibbles, const task *t) {
  const octet_linear *w = t->w;
  const int64_t blocks = w->k / w->block;
  const int64_t groups = groups_of(w, t->group);
  const int8_t *x = t->x + 2 * t->row * t->stride;
  const float *x_scales = t->x_scales + t->row * blocks * groups;
  const int32_t *x_sums = t->x_sums + t->row * blocks * groups;
  f32x16 total[PAIRS][PANELS];
  for (int r = 0; r < rows; r++) {
    for (int p = 0; p < panels; p++) {
      total[r][p] = f_zero();
    }
  }
  for (int64_t b = 0; b < blocks; b++) {
    for (int64_t g = 0; g < groups; g++, x_scales++, x_sums++) {
      const int64_t first = g * t->group;
      const int64_t inputs = w->block - first < t->group ? w->block - first : t->group;
      i32x16 acc[ROWS][PANELS];
      sum_rows(2 * rows, panels, nibbles, t, x, b * w->block + first, inputs, acc);
      UNROLL
      for (int p = 0; p < panels; p++) {
        const f32x16 scale = scale_of(w, t->panel + p, b);
        UNROLL
        for (int r = 0; r < rows; r++) {
          const i32x16 stored = i_add(i_shl(acc[2 * r][p], 8), acc[2 * r + 1][p]);
          const i32x16 sum = centred(w, stored, t->panel + p, b, x_sums[r * blocks * groups]);
          total[r][p] = f_fma(f_of(sum), f_mul(scale, f_set(x_scales[r * blocks * groups])), total[r][p]);
        }
      }
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int p = 0; p < panels; p++) {
      f_store_some(t->y + (t->row + r) * w->n + (t->panel + p) * LANES,
                   finished(w, t->panel + p, NULL, total[r][p]), outputs_of(w, t->panel + p));
    }
  }
}

static void fixed(int rows, int panels, int nibbles, const task *t) {
  (void)panels;
  switch (rows) {
    SIZES(tile_fixed, 1)
    SIZES(tile_fixed, 2)
#if PANELS_AT_ONCE == 2
    SIZES(tile_fixed, 3)
    SIZES(tile_fixed, 4)
    SIZES(tile_fixed, 5)
    SIZES(tile_fixed, 6)
#endif
  }
}

/*
 * Outputs of the panels from…to-1 for all rows: y = Σ_groups x_scale·(Σ x·(q - z))·s + bias.
 *
 * x [rows][2][stride], high bytes and low bytes, k of each, 0 where padded; x_scales and x_sums [rows][k/block][⌈block/group⌉], the sums of
 * 256·high + low; y [rows][n].
 */
OCTET_EXPORT int32_t octet_linear_fixed(const octet_linear *w, int64_t rows, int64_t from, int64_t to,
                                        const int8_t *x, int64_t stride, int64_t group,
                                        const float *x_scales, const int32_t *x_sums, float *y) {
  const int32_t status = check_linear(w, rows, from, to);
  if (status != OCTET_OK) {
    return status;
  }
  if (w->form != FORM_I8 && w->form != FORM_I4) {
    return OCTET_BAD_FORM;
  }
  if (stride < w->k || group < 1 || group > MOST_GROUP || group % form_step(w->form) != 0
      || w->scales == NULL || w->offset != NULL) {
    return OCTET_BAD_SIZE;
  }
  task t = {.w = w, .x = x, .stride = stride, .group = group, .x_scales = x_scales, .x_sums = x_sums, .y = y};
  multiply_all(&t, fixed, PAIRS, rows, 2, from, to);
  return OCTET_OK;
}
