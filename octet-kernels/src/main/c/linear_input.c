/* Brings activations into the order and type that the linear kernels read. */
#include <string.h>

#include "lanes.h"
#include "octet.h"

static int wrong_rows(int64_t rows, int64_t k) {
  const int64_t most = (int64_t)1 << 31;
  return rows < 0 || k < 1 || rows >= most || k >= most;
}

/* ---- order ------------------------------------------------------------------------------------- */

INLINE void arrange_row(const size_t size, const uint8_t *x, int64_t k, int64_t block, int64_t padded,
                        const int32_t *order, uint8_t *out) {
  for (int64_t first = 0; first < k; first += block) {
    const int64_t inputs = k - first < block ? k - first : block;
    if (order == NULL) {
      memcpy(out, x + first * size, (size_t)inputs * size);
    } else {
      for (int64_t j = 0; j < inputs; j++) {
        memcpy(out + j * size, x + order[first + j] * size, size);
      }
    }
    memset(out + inputs * size, 0, (size_t)(padded - inputs) * size);
    out += padded * size;
  }
}

/*
 * Copies rows [rows][k] of elements of 1 or 4 bytes to [rows][stride], the first ⌈k/block⌉·padded of
 * each: input j of the result is input order[j] of x (NULL: j), and every block is followed by zeros.
 */
OCTET_EXPORT int32_t octet_arrange(const uint8_t *x, int64_t rows, int64_t k, int64_t size,
                                   int64_t block, int64_t padded, const int32_t *order, uint8_t *out,
                                   int64_t stride) {
  if (wrong_rows(rows, k) || block < 1 || padded < block || stride < (k + block - 1) / block * padded) {
    return OCTET_BAD_SIZE;
  }
  if (size != 1 && size != 4) {
    return OCTET_BAD_FORM;
  }
  if (order != NULL) {
    for (int64_t j = 0; j < k; j++) {
      if (order[j] < 0 || order[j] >= k) {
        return OCTET_BAD_SIZE;
      }
    }
  }
  for (int64_t r = 0; r < rows; r++) {
    if (size == 1) {
      arrange_row(1, x + r * k, k, block, padded, order, out + r * stride);
    } else {
      arrange_row(4, x + r * k * 4, k, block, padded, order, out + r * stride * 4);
    }
  }
  return OCTET_OK;
}

/* ---- sums -------------------------------------------------------------------------------------- */

/* Sums of INT8 codes [rows][stride] over every block: sums [rows][k/block]; k a multiple of block. */
OCTET_EXPORT int32_t octet_block_sums(const int8_t *codes, int64_t rows, int64_t k, int64_t stride,
                                      int64_t block, int32_t *sums) {
  if (wrong_rows(rows, k) || stride < k || block < 1 || k % block != 0) {
    return OCTET_BAD_SIZE;
  }
  const int64_t blocks = k / block;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t b = 0; b < blocks; b++) {
      int32_t sum = 0;
      for (int64_t j = 0; j < block; j++) {
        sum += codes[r * stride + b * block + j];
      }
      sums[r * blocks + b] = sum;
    }
  }
  return OCTET_OK;
}

/* ---- INT8 -------------------------------------------------------------------------------------- */

enum { ABS = 0x7fffffff };
static const float MOST_FINITE = 3.4028235e38f;

/* Largest magnitude; NaN if any is: as integers, magnitudes order like the floats, NaN on top. */
static float largest(const float *x, int64_t count) {
  i32x16 most = i_zero();
  int64_t j = 0;
  for (; j + LANES <= count; j += LANES) {
    most = i_max(most, i_and(i_cast(f_load(x + j)), i_set(ABS)));
  }
  most = i_max(most, i_and(i_cast(f_load_some(x + j, (int)(count - j))), i_set(ABS)));
  const int32_t bits = i_largest(most);
  float result;
  memcpy(&result, &bits, 4);
  return result;
}

/*
 * Quantizes x [rows][k] to codes [rows][stride]: code = x/scale + offset, to the nearest, ties to even, within int8. The scale is
 * `fixed`, or max|x|/`steps` of each row where that is 0. Divided, not multiplied with a reciprocal, which would decide ties differently.
 * A row with a NaN or an infinity gets codes 0 and scale NaN.
 */
OCTET_EXPORT int32_t octet_quantize_int8(const float *x, int64_t rows, int64_t k, int32_t bits,
                                         float steps, float fixed, int32_t offset, int8_t *codes,
                                         int64_t stride, float *scales) {
  if (wrong_rows(rows, k) || stride < k || (bits != 8 && bits != 4) || !(steps > 0)) {
    return OCTET_BAD_SIZE;
  }
  const float top = bits == 4 ? 7 : 127;
  for (int64_t r = 0; r < rows; r++) {
    const float *row = x + r * k;
    const float most = largest(row, k);
    const int finite = most <= MOST_FINITE;
    const float scale = !finite ? __builtin_nanf("") : fixed != 0 ? fixed : most / steps;
    scales[r] = scale;
    if (!finite || scale == 0) {
      memset(codes + r * stride, 0, (size_t)k);
      continue;
    }
    for (int64_t j = 0; j < k; j += LANES) {
      const int some = k - j < LANES ? (int)(k - j) : LANES;
      f32x16 q = f_add(f_div(f_load_some(row + j, some), f_set(scale)), f_set((float)offset));
      q = f_max(f_min(q, f_set(top)), f_set(-top - 1));
      i_store_bytes(codes + r * stride + j, i_near(q), some);
    }
  }
  return OCTET_OK;
}

/* ---- BF16 -------------------------------------------------------------------------------------- */

/* Rounds x [rows][k] to the nearest BF16 [rows][stride], ties to even; a NaN stays one. */
OCTET_EXPORT int32_t octet_to_bf16(const float *x, int64_t rows, int64_t k, uint16_t *out,
                                   int64_t stride) {
  if (wrong_rows(rows, k) || stride < k) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t j = 0; j < k; j++) {
      uint32_t bits;
      memcpy(&bits, x + r * k + j, 4);
      const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
      const int nan = (bits & ABS) > 0x7f800000;
      out[r * stride + j] = (uint16_t)(nan ? bits >> 16 | 0x40 : rounded >> 16);
    }
  }
  return OCTET_OK;
}

/* ---- FP8 --------------------------------------------------------------------------------------- */

/*
 * The nearest E4M3 value, ties to even, at most 448. From 2⁻⁶ on three bits of the mantissa stay; below,
 * multiples of 2⁻⁹, which adding and taking away 1.5·2¹⁴ rounds to.
 */
INLINE f32x16 nearest_e4m3(f32x16 x) {
  const i32x16 bits = i_cast(x);
  const i32x16 sign = i_and(bits, i_set((int32_t)0x80000000));
  const i32x16 magnitude = i_and(bits, i_set(ABS));
  const i32x16 odd = i_and(i_shr(magnitude, 20), i_set(1));
  const i32x16 normal =
      i_and(i_add(i_add(magnitude, i_set(0x7ffff)), odd), i_set((int32_t)0xfff00000));
  const f32x16 magic = f_set(24576);
  const i32x16 subnormal = i_cast(f_sub(f_add(f_bits(magnitude), magic), magic));
  const i32x16 small = i_above(i_set(0x3c800000), magnitude); /* below 2⁻⁶ */
  const i32x16 limited = i_min(i_choose(small, subnormal, normal), i_set(0x43e00000));
  return f_bits(i_or(limited, sign));
}

/*
 * Rounds x [rows][k] to FP8 E4M3 in blocks of `block` inputs (the last may be short) under one scale:
 * `fixed`, or max|x|/448 where that is 0. out holds the values of the codes, times the scale if
 * `scaled`; scales [rows][⌈k/block⌉]. A block with a NaN or an infinity becomes NaN.
 */
OCTET_EXPORT int32_t octet_round_e4m3(const float *x, int64_t rows, int64_t k, int64_t block,
                                      float fixed, int32_t scaled, float *out, float *scales) {
  if (wrong_rows(rows, k) || block < 1) {
    return OCTET_BAD_SIZE;
  }
  const int64_t blocks = (k + block - 1) / block;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t b = 0; b < blocks; b++) {
      const int64_t at = r * k + b * block;
      const int64_t count = k - b * block < block ? k - b * block : block;
      const float most = largest(x + at, count);
      const int finite = most <= MOST_FINITE;
      float scale = !finite ? __builtin_nanf("") : fixed != 0 ? fixed : most / 448;
      scales[r * blocks + b] = scale;
      const f32x16 divisor = f_set(scale == 0 ? 1 : scale);
      const f32x16 factor = f_set(scaled ? scale : finite ? 1 : scale);
      for (int64_t j = 0; j < count; j += LANES) {
        const int some = count - j < LANES ? (int)(count - j) : LANES;
        const f32x16 value = nearest_e4m3(f_div(f_load_some(x + at + j, some), divisor));
        f_store_some(out + at + j, f_mul(value, factor), some);
      }
    }
  }
  return OCTET_OK;
}

/* ---- 16 bits ----------------------------------------------------------------------------------- */

/*
 * Quantizes x [rows][k] to fixed-point numbers of 16 bits, in two bytes with a sign: 256·high + low = x/scale to the
 * nearest, ties to even. Every `group` inputs of a block have a scale, max|x|/32639 (127·257, the largest number
 * of two such bytes); where all are below 2⁻¹⁰⁰, 2⁻¹⁰⁰/32639, so that no scale loses bits. k is a multiple of block; the last
 * group of a block may be short. out [rows][2][stride]; scales and sums of the numbers [rows][k/block][⌈block/group⌉].
 * A group with a NaN or an infinity gets zeros and scale NaN.
 */
OCTET_EXPORT int32_t octet_quantize_int16(const float *x, int64_t rows, int64_t k, int64_t block,
                                          int64_t group, int8_t *out, int64_t stride, float *scales,
                                          int32_t *sums) {
  if (wrong_rows(rows, k) || stride < k || block < 1 || k % block != 0 || group < 1 || group > 65536) {
    return OCTET_BAD_SIZE;
  }
  const float most_code = 32639, least = 7.888609e-31f;
  for (int64_t r = 0; r < rows; r++) {
    int8_t *high = out + 2 * r * stride, *low = high + stride;
    for (int64_t first = 0; first < k;) {
      const int64_t left = block - first % block;
      const int64_t count = left < group ? left : group;
      const float *from = x + r * k + first;
      const float most = largest(from, count);
      const int finite = most <= MOST_FINITE;
      const float scale = (most > least ? most : least) / most_code;
      const f32x16 inverse = f_set(finite ? 1 / scale : 0);
      i32x16 sum = i_zero();
      for (int64_t j = 0; j < count; j += LANES) {
        const int some = count - j < LANES ? (int)(count - j) : LANES;
        const i32x16 code = finite ? i_near(f_mul(f_load_some(from + j, some), inverse)) : i_zero();
        const i32x16 upper = i_sar(i_add(code, i_set(128)), 8);
        i_store_bytes(high + first + j, upper, some);
        i_store_bytes(low + first + j, i_sub(code, i_shl(upper, 8)), some);
        sum = i_add(sum, code);
      }
      *scales++ = finite ? scale : __builtin_nanf("");
      *sums++ = i_total(sum);
      first += count;
    }
  }
  return OCTET_OK;
}
