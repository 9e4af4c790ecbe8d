/* From sums to outputs: what every way of multiplying does in the same order, so that bits agree. */
#ifndef OCTET_LINEAR_FINISH_H
#define OCTET_LINEAR_FINISH_H

#include "linear.h"

/* Outputs of a panel that there are. */
INLINE int outputs_of(const octet_linear *w, int64_t panel) {
  const int64_t left = w->n - panel * LANES;
  return left < LANES ? (int)left : LANES;
}

INLINE f32x16 scale_of(const octet_linear *w, int64_t panel, int64_t block) {
  return w->scales == NULL ? f_set(1)
                           : f_load(w->scales + (panel * (w->k / w->block) + block) * LANES);
}

/* What a panel's stored integers are measured from: z + 128 or z + 8. */
INLINE i32x16 zeros_of(const octet_linear *w, int64_t panel, int64_t block) {
  return w->zeros == NULL ? i_set(w->zero)
                          : i_of_u8(w->zeros + (panel * (w->k / w->block) + block) * LANES);
}

/* Takes (z + 128)·Σx off a sum of stored integers. */
INLINE i32x16 centred(const octet_linear *w, i32x16 sum, int64_t panel, int64_t block, int32_t x_sum) {
  return i_sub(sum, i_mul(zeros_of(w, panel, block), i_set(x_sum)));
}

/* One scale an output: rounded once, from double, as the reference does. y: the panel's outputs. */
INLINE void finish_exact(const octet_linear *w, i32x16 sum, int64_t panel, float x_scale, float *y) {
  const int64_t output = panel * LANES;
  if (w->offset != NULL) {
    sum = i_sub(sum, i_load(w->offset + output));
  }
  const f32x16 bias = w->bias == NULL ? f_zero() : f_load(w->bias + output);
  f_store_some(y, f_scaled(sum, x_scale, f_load(w->scales + output), bias), outputs_of(w, panel));
}

/* The sum of everything to the output: times the row's scale, plus the bias. */
INLINE f32x16 finished(const octet_linear *w, int64_t panel, const float *x_scale, f32x16 sum) {
  if (x_scale != NULL) {
    sum = f_mul(sum, f_set(*x_scale));
  }
  return w->bias == NULL ? sum : f_add(sum, f_load(w->bias + panel * LANES));
}

#endif
