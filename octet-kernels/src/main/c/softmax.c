/* Softmax of rows. */
#include <math.h>
#include <string.h>

#include "rows.h"

/* The largest element; NaN if any is. */
static float highest(const float *x, int64_t n) {
  f32x16 top = f_set(-INFINITY);
  i32x16 nan = i_zero();
  for (int64_t j = 0; j < n; j += LANES) {
    const int some = lanes_of(n, j);
    f32x16 v = f_load_some(x + j, some);
    if (some < LANES) { /* lanes beyond must not count as 0 */
      float padded[LANES];
      f_store(padded, f_set(-INFINITY));
      f_store_some(padded, v, some);
      v = f_load(padded);
    }
    nan = i_or(nan, i_above(i_and(i_cast(v), i_set(0x7fffffff)), i_set(0x7f800000)));
    top = f_max(top, v);
  }
  float lanes[LANES];
  int32_t nans[LANES];
  f_store(lanes, top);
  i_store(nans, nan);
  float result = -INFINITY;
  for (int i = 0; i < LANES; i++) {
    if (nans[i] != 0) {
      return NAN;
    }
    result = lanes[i] > result ? lanes[i] : result;
  }
  return result;
}

static void row(float *x, int64_t n) {
  const float top = highest(x, n);
  if (top == -INFINITY) { /* nothing visible */
    memset(x, 0, (size_t)n * sizeof(float));
    return;
  }
  f64x16 sum = d_zero();
  for (int64_t j = 0; j < n; j += LANES) {
    const int some = lanes_of(n, j);
    const f32x16 v = f_sub(f_load_some(x + j, some), f_set(top));
    f_store_some(x + j, f_exp2(f_mul(v, f_set(LOG2_E))), some);
    sum = d_add(sum, f_load_some(x + j, some));
  }
  const f32x16 factor = f_set((float)(1 / d_total(sum)));
  for (int64_t j = 0; j < n; j += LANES) {
    const int some = lanes_of(n, j);
    f_store_some(x + j, f_mul(f_load_some(x + j, some), factor), some);
  }
}

/* In place, x [rows][n]; a row of -∞ becomes zeros, one with a NaN becomes NaN. */
OCTET_EXPORT int32_t octet_softmax(float *x, int64_t rows, int64_t n) {
  if (wrong_size(rows, n)) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t r = 0; r < rows; r++) {
    row(x + r * n, n);
  }
  return OCTET_OK;
}
