/* Weights of a panel as floats: what one step of a layout (linear.h) holds. */
#ifndef OCTET_DECODE_H
#define OCTET_DECODE_H

#include "linear_finish.h"

enum { MOST_STEP = 8 };

/* Inputs that decode() yields at once. */
INLINE int decoded_inputs(const int form) {
  return form == FORM_I4 || form == FORM_E2M1 ? 8 : form >= FORM_E4M3 ? 4 : form == FORM_BF16 ? 2 : 1;
}

/* E4M3 shares the places of its bits with a half of 2⁻⁸ its value; E5M2 is the upper half of one. */
INLINE f32x16 of_e4m3(i32x16 code) {
  const i32x16 magnitude = i_and(code, i_set(0x7f));
  const i32x16 half = i_or(i_shl(i_and(code, i_set(0x80)), 8), i_shl(magnitude, 7));
  const i32x16 nan = i_shr(i_equal(magnitude, i_set(0x7f)), 1); /* 0x7fffffff where it is none */
  return f_bits(i_or(i_cast(f_mul(f_of_halves(half), f_set(256))), nan));
}

INLINE f32x16 of_e5m2(i32x16 code) { return f_of_halves(i_shl(code, 8)); }

/* What decoding needs beside the codes. */
typedef struct {
  f32x16 zero; /* what integers are measured from: z + 128 or z + 8 */
#ifdef __AVX512VBMI__
  /* Bits 31…24 and 23…16 of the float of every FP8 code without its sign. */
  __m512i high[2], low[2];
#endif
} decoder;

/* For one block of a panel. */
INLINE decoder decoder_of(const int form, const octet_linear *w, int64_t panel, int64_t block) {
  decoder d;
  d.zero = form == FORM_I8 || form == FORM_I4 ? f_of(zeros_of(w, panel, block)) : f_zero();
#ifdef __AVX512VBMI__
  if (form == FORM_E4M3 || form == FORM_E5M2) {
    uint8_t high[128], low[128];
    const i32x16 count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int i = 0; i < 128; i += LANES) {
      const i32x16 code = i_add(i_set(i), count);
      const i32x16 bits = i_cast(form == FORM_E4M3 ? of_e4m3(code) : of_e5m2(code));
      i_store_bytes(high + i, i_shr(bits, 24), LANES);
      i_store_bytes(low + i, i_shr(bits, 16), LANES);
    }
    for (int i = 0; i < 2; i++) {
      d.high[i] = i_load(high + 64 * i);
      d.low[i] = i_load(low + 64 * i);
    }
  }
#endif
  return d;
}

/* Four FP8 codes of every lane. */
INLINE void decode_fp8(const int form, i32x16 four, const decoder *d, f32x16 out[MOST_STEP]) {
#ifdef __AVX512VBMI__
  (void)form;
  const i32x16 sign = i_and(four, i_set((int32_t)0x80808080));
  const i32x16 high = i_or(sign, _mm512_permutex2var_epi8(d->high[0], four, d->high[1]));
  const i32x16 low = _mm512_permutex2var_epi8(d->low[0], four, d->low[1]);
  const i32x16 top = i_set((int32_t)0xff000000);
  UNROLL
  for (int i = 0; i < 4; i++) {
    const i32x16 upper = i_and(i_shl(high, 24 - 8 * i), top);
    const i32x16 lower = i_and(i < 3 ? i_shl(low, 16 - 8 * i) : i_shr(low, 8), i_shr(top, 8));
    out[i] = f_bits(i_or(upper, lower));
  }
#else
  (void)d;
  UNROLL
  for (int i = 0; i < 4; i++) {
    const i32x16 code = i_and(i_shr(four, 8 * i), i_set(0xff));
    out[i] = form == FORM_E4M3 ? of_e4m3(code) : of_e5m2(code);
  }
#endif
}

/* Decodes the step at `codes`: out[i] holds input i of 16 outputs, without its scale. */
INLINE void decode(const int form, const uint8_t *codes, const decoder *d, f32x16 out[MOST_STEP]) {
  switch (form) {
    case FORM_F32: out[0] = f_load((const float *)codes); break;
    case FORM_F16: out[0] = f_of_f16((const uint16_t *)codes); break;
    case FORM_BF16: {
      const i32x16 pair = i_load(codes);
      out[0] = f_bits(i_shl(pair, 16));
      out[1] = f_bits(i_and(pair, i_set((int32_t)0xffff0000)));
      break;
    }
    case FORM_E4M3:
    case FORM_E5M2: decode_fp8(form, i_load(codes), d, out); break;
    case FORM_I8: {
      const i32x16 four = i_load(codes);
      UNROLL
      for (int i = 0; i < 4; i++) {
        out[i] = f_sub(f_of(i_and(i_shr(four, 8 * i), i_set(0xff))), d->zero);
      }
      break;
    }
    case FORM_E2M1: {
      const i32x16 eight = i_load(codes);
      UNROLL
      for (int i = 0; i < 8; i++) {
        out[i] = f_of_e2m1(i_shr(eight, 8 * (i % 4) + 4 * (i / 4)));
      }
      break;
    }
    default: {
      const i32x16 eight = i_load(codes);
      UNROLL
      for (int i = 0; i < 8; i++) {
        out[i] = f_sub(f_of_nibble(i_shr(eight, 8 * (i % 4) + 4 * (i / 4))), d->zero);
      }
    }
  }
}

INLINE int64_t step_bytes(const int form) { return form == FORM_F16 ? 32 : 64; }

#endif
