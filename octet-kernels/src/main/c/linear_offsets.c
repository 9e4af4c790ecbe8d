/*
 * What the offsets of blocks add to a layer: W = (q - z)·s + o gives Σ_blocks o·Σx beside what
 * linear_float.c and linear_int.c compute, which know nothing of it. Σx of a block is taken once for all
 * outputs, so that an offset costs one product a block.
 */
#include "linear.h"

enum { ROWS = 4 };

static float sum_of(const float *x, int64_t count) {
  f32x16 sum = f_zero();
  for (int64_t j = 0; j < count; j += LANES) {
    sum = f_add(sum, f_load_some(x + j, count - j < LANES ? (int)(count - j) : LANES));
  }
  float part[LANES];
  f_store(part, sum);
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) {
      part[i] += part[i + half];
    }
  }
  return part[0];
}

/* Sums x [rows][k] over blocks of `block` inputs, the last of which may be short: [rows][⌈k/block⌉]. */
OCTET_EXPORT int32_t octet_input_sums(const float *x, int64_t rows, int64_t k, int64_t block,
                                      float *sums) {
  const int64_t most = (int64_t)1 << 31;
  if (rows < 0 || k < 1 || block < 1 || rows >= most || k >= most) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t first = 0; first < k; first += block) {
      *sums++ = sum_of(x + r * k + first, k - first < block ? k - first : block);
    }
  }
  return OCTET_OK;
}

INLINE void add(const int rows, const float *offsets, int64_t blocks, const float *sums, float *y,
                int64_t n, int outputs) {
  f32x16 total[ROWS];
  UNROLL
  for (int r = 0; r < rows; r++) {
    total[r] = f_zero();
  }
  for (int64_t b = 0; b < blocks; b++) {
    const f32x16 o = f_load(offsets + b * LANES);
    UNROLL
    for (int r = 0; r < rows; r++) {
      total[r] = f_fma(o, f_set(sums[r * blocks + b]), total[r]);
    }
  }
  UNROLL
  for (int r = 0; r < rows; r++) {
    f_store_some(y + r * n, f_add(f_load_some(y + r * n, outputs), total[r]), outputs);
  }
}

/*
 * Adds to the outputs of the panels from…to-1: y [rows][n] += sums·offsetsᵀ, with offsets
 * [panels][blocks][16] and sums [rows][blocks].
 */
OCTET_EXPORT int32_t octet_add_offsets(const float *offsets, int64_t n, int64_t blocks, int64_t rows,
                                       int64_t from, int64_t to, const float *sums, float *y) {
  const int64_t most = (int64_t)1 << 31;
  if (n < 1 || blocks < 1 || rows < 0 || n >= most || blocks >= most || rows >= most || from < 0
      || from > to || to > (n + LANES - 1) / LANES) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t panel = from; panel < to; panel++) {
    const float *o = offsets + panel * blocks * LANES;
    const int64_t first = panel * LANES;
    const int outputs = n - first < LANES ? (int)(n - first) : LANES;
    int64_t r = 0;
    for (; r + ROWS <= rows; r += ROWS) {
      add(ROWS, o, blocks, sums + r * blocks, y + r * n + first, n, outputs);
    }
    for (; r < rows; r++) {
      add(1, o, blocks, sums + r * blocks, y + r * n + first, n, outputs);
    }
  }
  return OCTET_OK;
}
