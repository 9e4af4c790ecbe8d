/* Rotary embedding (RoFormer, arXiv 2104.09864) in Hugging Face's order: channel i with i + half. */
#include "rope.h"
#include "rows.h"

void octet_turn(float *head, const float *cosines, const float *sines, int64_t half) {
  for (int64_t i = 0; i < half; i += LANES) {
    const int some = lanes_of(half, i);
    const f32x16 cosine = f_load_some(cosines + i, some);
    const f32x16 sine = f_load_some(sines + i, some);
    const f32x16 a = f_load_some(head + i, some);
    const f32x16 b = f_load_some(head + half + i, some);
    f_store_some(head + i, f_sub(f_mul(a, cosine), f_mul(b, sine)), some);
    f_store_some(head + half + i, f_add(f_mul(b, cosine), f_mul(a, sine)), some);
  }
}

/*
 * Rotates the first 2·half channels of every head in place. x [tokens][heads][head_dim]; cosines and
 * sines [tokens][half]: row t holds those of token t's position.
 */
OCTET_EXPORT int32_t octet_rope(float *x, int64_t tokens, int64_t heads, int64_t head_dim, int64_t half,
                                const float *cosines, const float *sines) {
  if (wrong_size(tokens, heads) || wrong_size(half, head_dim) || 2 * half > head_dim) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t t = 0; t < tokens; t++) {
    for (int64_t h = 0; h < heads; h++) {
      octet_turn(x + (t * heads + h) * head_dim, cosines + t * half, sines + t * half, half);
    }
  }
  return OCTET_OK;
}
