/*
 * Writes keys and values into blocks of the cache, code for code what
 * dev.octet.kernels.attention.BlockEncoder writes. Keys lie channel-major, so up to a block of them
 * is encoded row by row first and then transposed.
 */
#include "attn_encode.h"
#include "attn_layout.h"
#include "attn_tile.h"
#include "rope.h"

enum { MAX_DIM = 1 << 16 };

/* One head's keys or values as rows, and where a block has them. */
typedef struct {
  encoding how;
  int dim;
  int width;        /* dim in whole vectors */
  int64_t at;       /* offsets in the head's part of a block */
  int64_t scale_at; /* -1: none; zero points follow */
  float *row;       /* room for one */
  uint8_t *codes;   /* room for a block of them, encoded */
} part;

/* Encodes the part's row; its scale goes to slot `slot`. */
static int32_t encode(const part *p, uint8_t *head, int slot, uint8_t *out) {
  row_scale own = {1, 0};
  memset(p->row + p->dim, 0, 4 * (size_t)(p->width - p->dim));
  const int32_t status = encode_row(&p->how, p->row, p->width, out, &own);
  if (p->scale_at >= 0) {
    memcpy(head + p->scale_at + 4 * slot, &own.scale, 4);
  }
  if (p->how.type == KV_INT4) {
    head[p->scale_at + 4 * KEY_TILE + slot] = (uint8_t)own.zero;
  }
  return status;
}

/* Keys of tokens that share a block; token: the first one's place among those of the call. */
static int32_t put_keys(
    const octet_attention *l, const part *p, int head_index, uint8_t *head, int slot, int token, int tokens,
    const float *keys) {
  const int stride = p->width * element_bytes(p->how.type);
  for (int t = 0; t < tokens; t++) {
    const ptrdiff_t at = token + t;
    memcpy(p->row, keys + (at * l->heads + head_index) * p->dim, 4 * (size_t)p->dim);
    if (l->cosines) {
      octet_turn(p->row, l->cosines + at * l->pairs, l->sines + at * l->pairs, l->pairs);
    }
    if (l->signs) {
      const float *mean = l->mean + (ptrdiff_t)head_index * p->dim;
      for (int c = 0; c < p->dim; c++) {
        p->row[c] -= mean[c];
      }
      octet_rotate(p->row, l->signs, p->dim, l->hadamard);
    }
    const int32_t status = encode(p, head, slot + t, p->codes + (ptrdiff_t)t * stride);
    if (status != OCTET_OK) {
      return status;
    }
  }
  store_keys(p->codes, stride, tokens, p->dim, p->how.type, head + p->at, slot);
  return OCTET_OK;
}

static int32_t put_values(
    const octet_attention *l, const part *p, int head_index, uint8_t *head, int slot, int tokens,
    const float *values) {
  const ptrdiff_t bytes = (ptrdiff_t)p->dim * element_bytes(p->how.type);
  for (int t = 0; t < tokens; t++) {
    memcpy(p->row, values + ((ptrdiff_t)t * l->heads + head_index) * p->dim, 4 * (size_t)p->dim);
    const int32_t status = encode(p, head, slot + t, p->codes);
    if (status != OCTET_OK) {
      return status;
    }
    if (p->how.type == KV_INT4) {
      put_nibbles(head + p->at, (ptrdiff_t)(slot + t) * p->dim, p->codes, p->dim);
    } else {
      memcpy(head + p->at + (slot + t) * bytes, p->codes, (size_t)bytes);
    }
  }
  return OCTET_OK;
}

/* Whether a type, a place for scales and static ones go together. */
static int writable(int type, int64_t scale_at, const float *fixed, const float *offsets) {
  if (offsets && !(fixed && type == KV_INT8)) {
    return 0;
  }
  switch (type) {
    case KV_F32:
    case KV_F16:
    case KV_BF16: return 1;
    case KV_INT8:
    case KV_E4M3:
    case KV_E5M2: return fixed ? scale_at < 0 : scale_at >= 0;
    case KV_INT4: return !fixed && scale_at >= 0;
    default: return 0;
  }
}

/* A head's numbers, padded to whole vectors with `beyond`; null for none. */
static const float *padded(const float *all, int head, int dim, int width, float beyond, float *room) {
  if (!all) {
    return NULL;
  }
  memcpy(room, all + (ptrdiff_t)head * dim, 4 * (size_t)dim);
  for (int c = dim; c < width; c++) {
    room[c] = beyond;
  }
  return room;
}

static int widest(const octet_attention *l) {
  return round_up(l->key_dim > l->value_dim ? l->key_dim : l->value_dim, LANES);
}

/* Rows of floats in the scratch: one to encode, scales and offsets of keys and of values. */
enum { FLOAT_ROWS = 5 };

int32_t octet_append_scratch(const octet_attention *l, int64_t *bytes) {
  if (l->key_dim < 1 || l->key_dim > MAX_DIM || l->value_dim < 1 || l->value_dim > MAX_DIM) {
    return OCTET_BAD_SIZE;
  }
  *bytes = 4 * (int64_t)widest(l) * (KEY_TILE + FLOAT_ROWS);
  return OCTET_OK;
}

/* Asks for `bytes` of memory that is written soon. */
INLINE void fetch(const uint8_t *from, ptrdiff_t bytes) {
  for (ptrdiff_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(from + i, 1);
  }
}

/*
 * Asks for the lines of one head that a few tokens of a block come into. A key has a byte in a line of every
 * channel; since the last token weights have passed through the caches, and stores would wait for one line after
 * another.
 */
static void fetch_lines(const octet_attention *l, const uint8_t *head, int slot, int tokens) {
  const int nibbles = l->key_type == KV_INT4;
  const ptrdiff_t apart = nibbles ? HALF_RUN : KEY_TILE * element_bytes(l->key_type);
  const uint8_t *key = head + l->key_at + (nibbles ? slot % HALF_RUN : slot * element_bytes(l->key_type));
  for (int c = 0; c < l->key_dim; c++) {
    __builtin_prefetch(key + c * apart, 1);
  }
  const ptrdiff_t row = l->value_type == KV_INT4 ? (l->value_dim + 1) / 2
                                                 : (ptrdiff_t)l->value_dim * element_bytes(l->value_type);
  fetch(head + l->value_at + slot * row, tokens * row);
  if (l->key_scale_at >= 0) {
    fetch(head + l->key_scale_at + 4 * slot, 4 * tokens);
  }
  if (l->value_scale_at >= 0) {
    fetch(head + l->value_scale_at + 4 * slot, 4 * tokens);
  }
}

static int32_t append_head(
    const octet_attention *l, int32_t head, int32_t first, int32_t from, int32_t to, int32_t keys_from,
    const float *keys, const float *values, void *scratch) {
  const ptrdiff_t room = widest(l);
  float *row = scratch;
  uint8_t *codes = (uint8_t *)(row + FLOAT_ROWS * room);
  const int key_width = round_up(l->key_dim, LANES);
  const int value_width = round_up(l->value_dim, LANES);
  const part k = {
      {l->key_type, padded(l->key_scales, head, l->key_dim, key_width, 1, row + room),
       padded(l->key_offsets, head, l->key_dim, key_width, 0, row + 2 * room)},
      l->key_dim, key_width, l->key_at, l->key_scale_at, row, codes};
  const part v = {
      {l->value_type, padded(l->value_scales, head, l->value_dim, value_width, 1, row + 3 * room),
       padded(l->value_offsets, head, l->value_dim, value_width, 0, row + 4 * room)},
      l->value_dim, value_width, l->value_at, l->value_scale_at, row, codes};
  int32_t status = OCTET_OK;
  for (int t = from; t < to && status == OCTET_OK;) {
    const int slot = t % KEY_TILE;
    const int count = KEY_TILE - slot < to - t ? KEY_TILE - slot : to - t;
    uint8_t *at = l->blocks[t / KEY_TILE - first / KEY_TILE] + head * l->head_bytes;
    const int skip = keys_from > t ? (keys_from - t < count ? keys_from - t : count) : 0;
    status = put_keys(l, &k, head, at, slot + skip, t - first + skip, count - skip, keys);
    if (status == OCTET_OK && values) {
      status = put_values(
          l, &v, head, at, slot, count, values + (ptrdiff_t)(t - first) * l->heads * l->value_dim);
    }
    t += count;
  }
  return status;
}

int32_t octet_append(
    const octet_attention *l, int32_t head, int32_t heads, int32_t first, int32_t from, int32_t to,
    int32_t keys_from, const float *keys, const float *values, void *scratch, int64_t scratch_bytes) {
  int64_t need = 0;
  int32_t status = octet_append_scratch(l, &need);
  if (status != OCTET_OK) {
    return status;
  }
  if (scratch_bytes < need || head < 0 || heads < 0 || head > l->heads - heads || first < 0 || from < first
      || to < from || (l->signs && (!l->mean || l->hadamard < 1 || l->key_dim % l->hadamard))
      || (l->cosines && (!l->sines || l->pairs < 0 || l->pairs > l->key_dim / 2))) {
    return OCTET_BAD_SIZE;
  }
  if (!writable(l->key_type, l->key_scale_at, l->key_scales, l->key_offsets)
      || !writable(l->value_type, l->value_scale_at, l->value_scales, l->value_offsets)) {
    return OCTET_BAD_FORM;
  }
  for (int t = from; to - from < FEW_TOKENS && t < to; t += KEY_TILE - t % KEY_TILE) {
    const int slot = t % KEY_TILE;
    const uint8_t *block = l->blocks[t / KEY_TILE - first / KEY_TILE];
    for (int h = head; h < head + heads; h++) {
      fetch_lines(l, block + h * l->head_bytes, slot, KEY_TILE - slot < to - t ? KEY_TILE - slot : to - t);
    }
  }
  for (int h = head; h < head + heads && status == OCTET_OK; h++) {
    status = append_head(l, h, first, from, to, keys_from, keys, values, scratch);
  }
  return status;
}
