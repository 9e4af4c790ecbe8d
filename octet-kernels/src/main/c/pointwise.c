/* What maps element to element. */
#include "rows.h"

/* silu(g) = g / (1 + e⁻ᵍ), from the exponential of -|g|, which never overflows. */
INLINE f32x16 silu(f32x16 g) {
  const i32x16 magnitude = i_and(i_cast(g), i_set(0x7fffffff));
  const f32x16 e = f_exp2(f_mul(f_bits(magnitude), f_set(-LOG2_E)));
  const i32x16 negative = i_sar(i_cast(g), 31);
  const f32x16 top = f_bits(i_choose(negative, i_cast(f_mul(g, e)), i_cast(g)));
  return f_div(top, f_add(e, f_set(1)));
}

/* out = silu(gate) · up, of `count` elements; out may be either. */
OCTET_EXPORT int32_t octet_swiglu(const float *gate, const float *up, int64_t count, float *out) {
  if (count < 0) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t j = 0; j < count; j += LANES) {
    const int some = lanes_of(count, j);
    const f32x16 y = f_mul(silu(f_load_some(gate + j, some)), f_load_some(up + j, some));
    f_store_some(out + j, y, some);
  }
  return OCTET_OK;
}

/* x += y, of `count` elements. */
OCTET_EXPORT int32_t octet_add(float *x, const float *y, int64_t count) {
  if (count < 0) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t j = 0; j < count; j += LANES) {
    const int some = lanes_of(count, j);
    f_store_some(x + j, f_add(f_load_some(x + j, some), f_load_some(y + j, some)), some);
  }
  return OCTET_OK;
}
