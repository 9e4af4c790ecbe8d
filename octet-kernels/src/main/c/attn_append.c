/*
 * Writes keys and values into blocks of the cache, code for code what
 * dev.octet.kernels.attention.BlockEncoder writes. Keys lie channel-major, so up to a block of them
 * is encoded row by row first and then transposed.
 */
#include "attn_tile.h"
#include <string.h>

enum { MAX_DIM = 1 << 16 };

static int element_bytes(int type) { return type == KV_F32 ? 4 : type == KV_INT8 ? 1 : 2; }

/* What a row is divided by: max|x| / 127, NaN for a row that holds one. n is a multiple of LANES. */
static float token_scale(const float *x, int n) {
  vf max = vf_zero(), nan = vf_zero();
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_load(x + c);
    max = vf_max(vf_abs(v), max);
    nan = vf_if_nan(v, v, nan);
  }
  return (vf_hmax(max) + vf_hsum(nan)) / 127;
}

#ifdef __AVX512VNNI__

INLINE void store_bytes(uint8_t *to, vi x) { _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(x)); }

INLINE void store_upper_halves(uint8_t *to, vi x) {
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(vi_shr(x, 16)));
}

INLINE void store_f16(uint8_t *to, vf x) {
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#else

INLINE __m128i halves(vi x) {
  return _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}

INLINE void store_bytes(uint8_t *to, vi x) {
  __m128i h = halves(vi_and(x, vi_set1(0xff)));
  _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(h, h));
}

INLINE void store_upper_halves(uint8_t *to, vi x) {
  _mm_storeu_si128((__m128i *)to, halves(vi_shr(x, 16)));
}

INLINE void store_f16(uint8_t *to, vf x) {
  _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#endif

/* A row of n values, a multiple of LANES, as elements. scale: of INT8. */
static void encode(const float *x, int n, int type, float scale, uint8_t *out) {
  vf divisor = vf_set1(scale == 0 ? 1 : scale);
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_load(x + c);
    switch (type) {
      case KV_INT8:
        v = vf_max(vf_set1(-127), vf_min(vf_set1(127), vf_div(v, divisor)));
        store_bytes(out + c, vf_round(v)); /* of a NaN 0: its scale tells */
        break;
      case KV_BF16: store_upper_halves(out + 2 * c, vf_as_vi(vf_to_bf16(v))); break;
      case KV_F16: store_f16(out + 2 * c, v); break;
      default: vf_store((float *)(void *)(out + 4 * c), v); break;
    }
  }
}

/* Columns of `rows` encoded rows, `stride` bytes apart, into channels of a block from slot on. */
static void transpose(const uint8_t *from, int stride, int rows, int dim, int bytes, uint8_t *to, int slot) {
  for (int c = 0; c < dim; c++) {
    uint8_t *channel = to + ((ptrdiff_t)c * KEY_TILE + slot) * bytes;
    const uint8_t *column = from + (ptrdiff_t)c * bytes;
    switch (bytes) {
      case 1:
        for (int r = 0; r < rows; r++) {
          channel[r] = column[(ptrdiff_t)r * stride];
        }
        break;
      case 2:
        for (int r = 0; r < rows; r++) {
          memcpy(channel + 2 * r, column + (ptrdiff_t)r * stride, 2);
        }
        break;
      default:
        for (int r = 0; r < rows; r++) {
          memcpy(channel + 4 * r, column + (ptrdiff_t)r * stride, 4);
        }
        break;
    }
  }
}

/* Encodes a row of `dim` values; its scale goes to slot `slot` of the scales at `scale_at`. */
static void encode_row(float *row, int dim, int type, uint8_t *head, int64_t scale_at, int slot, uint8_t *out) {
  int width = round_up(dim, LANES);
  float scale = 1;
  memset(row + dim, 0, 4 * (size_t)(width - dim));
  if (type == KV_INT8) {
    scale = token_scale(row, width);
    memcpy(head + scale_at + 4 * slot, &scale, 4);
  }
  encode(row, width, type, scale, out);
}

/* Keys of tokens that share a block. */
static void put_keys(
    const octet_attention *l, int head_index, uint8_t *head, int slot, int tokens, const float *keys,
    float *row, uint8_t *codes) {
  int dim = l->key_dim;
  int bytes = element_bytes(l->key_type);
  int stride = round_up(dim, LANES) * bytes;
  for (int t = 0; t < tokens; t++) {
    memcpy(row, keys + ((ptrdiff_t)t * l->heads + head_index) * dim, 4 * (size_t)dim);
    if (l->signs) {
      const float *mean = l->mean + (ptrdiff_t)head_index * dim;
      for (int c = 0; c < dim; c++) {
        row[c] -= mean[c];
      }
      octet_rotate(row, l->signs, dim, l->hadamard);
    }
    encode_row(row, dim, l->key_type, head, l->key_scale_at, slot + t, codes + (ptrdiff_t)t * stride);
  }
  transpose(codes, stride, tokens, dim, bytes, head + l->key_at, slot);
}

static void put_values(
    const octet_attention *l, int head_index, uint8_t *head, int slot, int tokens,
    const float *values, float *row, uint8_t *codes) {
  int dim = l->value_dim;
  ptrdiff_t bytes = (ptrdiff_t)dim * element_bytes(l->value_type);
  for (int t = 0; t < tokens; t++) {
    memcpy(row, values + ((ptrdiff_t)t * l->heads + head_index) * dim, 4 * (size_t)dim);
    encode_row(row, dim, l->value_type, head, l->value_scale_at, slot + t, codes);
    memcpy(head + l->value_at + (slot + t) * bytes, codes, (size_t)bytes);
  }
}

static int writable(int type, int64_t scale_at, const float *fixed) {
  return type == KV_INT8 ? scale_at >= 0 && !fixed : type >= KV_F32 && type <= KV_BF16;
}

int32_t octet_append_scratch(const octet_attention *l, int64_t *bytes) {
  if (l->key_dim < 1 || l->key_dim > MAX_DIM || l->value_dim < 1 || l->value_dim > MAX_DIM) {
    return OCTET_BAD_SIZE;
  }
  int64_t widest = round_up(l->key_dim > l->value_dim ? l->key_dim : l->value_dim, LANES);
  *bytes = 4 * widest * (KEY_TILE + 1);
  return OCTET_OK;
}

int32_t octet_append(
    const octet_attention *l, int32_t head, int32_t first, int32_t tokens, int32_t keys_from,
    const float *keys, const float *values, void *scratch, int64_t scratch_bytes) {
  int64_t need = 0;
  int32_t status = octet_append_scratch(l, &need);
  if (status != OCTET_OK) {
    return status;
  }
  if (scratch_bytes < need || head < 0 || head >= l->heads || first < 0 || tokens < 0
      || (int64_t)first + tokens > INT32_MAX
      || (l->signs && (!l->mean || l->hadamard < 1 || l->key_dim % l->hadamard))) {
    return OCTET_BAD_SIZE;
  }
  if (!writable(l->key_type, l->key_scale_at, l->key_scales)
      || !writable(l->value_type, l->value_scale_at, l->value_scales)) {
    return OCTET_BAD_FORM;
  }
  float *row = scratch;
  uint8_t *codes = (uint8_t *)(row + round_up(l->key_dim > l->value_dim ? l->key_dim : l->value_dim, LANES));
  int end = first + tokens;
  for (int t = first; t < end;) {
    int slot = t % KEY_TILE;
    int count = KEY_TILE - slot < end - t ? KEY_TILE - slot : end - t;
    uint8_t *at = l->blocks[t / KEY_TILE - first / KEY_TILE] + head * l->head_bytes;
    int skip = keys_from > t ? (keys_from - t < count ? keys_from - t : count) : 0;
    const float *own = keys + (ptrdiff_t)(t - first + skip) * l->heads * l->key_dim;
    put_keys(l, head, at, slot + skip, count - skip, own, row, codes);
    if (values) {
      put_values(l, head, at, slot, count, values + (ptrdiff_t)(t - first) * l->heads * l->value_dim, row, codes);
    }
    t += count;
  }
  return OCTET_OK;
}
