/*
 * Static scales with offsets: a code c stands for (c - o)·s, the kernels read c·s. What every key is off by
 * moves all scores of a query alike, what every value is off by comes out as itself.
 */
#include "attn_task.h"

static int sees_any(const octet_attention *c, int64_t query) {
  const int64_t own = c->offset + query;
  const int64_t from = c->window ? clamp(own - c->window + 1, 0, c->keys) : 0;
  const int64_t end = c->causal ? clamp(own + 1, 0, c->keys) : c->keys;
  int64_t key = from;
  while (c->mask && key < end && !c->mask[query * c->keys + key]) {
    key++;
  }
  return key < end;
}

/* In this order on every tier, and in Java: the bits are the same. */
static double sum_of_products(const float *a, const float *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    sum += (double)a[i] * b[i];
  }
  return sum;
}

int32_t octet_remove_offsets(const octet_attention *c, int32_t from, int32_t to) {
  if (!octet_sizes_fit(c) || from < 0 || to < from || to > c->queries || !c->key_offsets || !c->value_offsets) {
    return OCTET_BAD_SIZE;
  }
  const int64_t heads = (int64_t)c->heads * c->group;
  for (int64_t query = from; query < to; query++) {
    if (!sees_any(c, query)) {
      continue;
    }
    for (int64_t h = 0; h < heads; h++) {
      const int64_t row = query * heads + h;
      const float *shift = c->value_offsets + h / c->group * c->value_dim;
      float *out = c->out + row * c->value_dim;
      for (int i = 0; i < c->value_dim; i++) {
        out[i] -= shift[i];
      }
      if (c->lse) {
        const float *keys = c->key_offsets + h / c->group * c->key_dim;
        float *lse = c->lse + h * c->queries + query;
        *lse = (float)(*lse - sum_of_products(c->q + row * c->key_dim, keys, c->key_dim) * c->scale);
      }
    }
  }
  return OCTET_OK;
}
