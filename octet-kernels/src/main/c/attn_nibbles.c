/* Unpacks codes of four bits (attn_nibbles.h). */
#include "attn_nibbles.h"
#include <string.h>

enum {
  RUN = 64, /* codes that share 32 bytes: the second half lies in the high nibbles */
  SCALES = 4 * KEY_TILE,
};

octet_attention octet_unpacked_call(const octet_attention *call) {
  octet_attention c = *call;
  c.key_type = KV_INT8;
  c.value_type = KV_INT8;
  c.key_at = 0;
  c.key_scale_at = (int64_t)KEY_TILE * c.key_dim;
  c.value_at = c.key_scale_at + SCALES;
  c.value_scale_at = c.value_at + (int64_t)KEY_TILE * c.value_dim;
  return c;
}

int64_t octet_unpacked_bytes(const octet_attention *call) {
  return (int64_t)KEY_TILE * ((int64_t)call->key_dim + call->value_dim) + 2 * SCALES;
}

static void unpack_runs(const uint8_t *restrict from, ptrdiff_t runs, uint8_t *restrict to) {
  for (ptrdiff_t i = 0; i < runs; i++, from += RUN / 2, to += RUN) {
    for (int j = 0; j < RUN / 2; j++) {
      to[j] = from[j] & 15;
      to[j + RUN / 2] = from[j] >> 4;
    }
  }
}

/* Keys, [dim][64], less a zero point a column. */
static void unpack_keys(const octet_attention *c, const uint8_t *head, uint8_t *restrict out) {
  const uint8_t *restrict zeros = head + c->key_scale_at + SCALES;
  unpack_runs(head + c->key_at, c->key_dim, out);
  for (int k = 0; k < c->key_dim; k++, out += KEY_TILE) {
    for (int j = 0; j < KEY_TILE; j++) {
      out[j] = (uint8_t)(out[j] - zeros[j]);
    }
  }
}

/* Values, [64][dim], less a zero point a row. */
static void unpack_values(const octet_attention *c, const uint8_t *head, uint8_t *restrict out) {
  const uint8_t *zeros = head + c->value_scale_at + SCALES;
  unpack_runs(head + c->value_at, c->value_dim, out);
  for (int t = 0; t < KEY_TILE; t++, out += c->value_dim) {
    const uint8_t zero = zeros[t];
    for (int j = 0; j < c->value_dim; j++) {
      out[j] = (uint8_t)(out[j] - zero);
    }
  }
}

void octet_unpack(const octet_attention *call, const uint8_t *head, uint8_t *out) {
  const octet_attention to = octet_unpacked_call(call);
  unpack_keys(call, head, out + to.key_at);
  memcpy(out + to.key_scale_at, head + call->key_scale_at, SCALES);
  unpack_values(call, head, out + to.value_at);
  memcpy(out + to.value_scale_at, head + call->value_scale_at, SCALES);
}
