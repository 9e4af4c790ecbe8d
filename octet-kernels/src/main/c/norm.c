/* Root mean square norm (arXiv 1910.07467). */
#include <math.h>

#include "rows.h"

static double factor_of(const float *x, int64_t n, float epsilon) {
  f64x16 sum = d_zero();
  int64_t j = 0;
  for (; j + LANES <= n; j += LANES) {
    sum = d_add_square(sum, f_load(x + j));
  }
  sum = d_add_square(sum, f_load_some(x + j, (int)(n - j)));
  return 1 / sqrt(d_total(sum) / (double)n + (double)epsilon);
}

/* A factor that floats hold badly or not at all: rows near the ends of their range. */
static void scale_wide(const float *x, const float *weight, const float *bias, int64_t n, double factor,
                       float *out) {
  for (int64_t j = 0; j < n; j++) {
    out[j] = (float)((double)x[j] * factor * (double)weight[j] + (bias == NULL ? 0 : (double)bias[j]));
  }
}

static void scale(const float *x, const float *weight, const float *bias, int64_t n, float factor,
                  float *out) {
  for (int64_t j = 0; j < n; j += LANES) {
    const int some = lanes_of(n, j);
    f32x16 y = f_mul(f_load_some(x + j, some), f_set(factor));
    y = f_mul(y, f_load_some(weight + j, some));
    if (bias != NULL) {
      y = f_add(y, f_load_some(bias + j, some));
    }
    f_store_some(out + j, y, some);
  }
}

/*
 * out = x / sqrt(mean(x²) + epsilon) · weight + bias for every row. x, out [rows][n], one may be the
 * other; weight [n]; bias [n] or NULL.
 */
OCTET_EXPORT int32_t octet_rms_norm(const float *x, int64_t rows, int64_t n, const float *weight,
                                    const float *bias, float epsilon, float *out) {
  if (wrong_size(rows, n)) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t r = 0; r < rows; r++) {
    const double factor = factor_of(x + r * n, n, epsilon);
    if (factor > 1e-30 && factor < 1e30) {
      scale(x + r * n, weight, bias, n, (float)factor, out + r * n);
    } else {
      scale_wide(x + r * n, weight, bias, n, factor, out + r * n);
    }
  }
  return OCTET_OK;
}
