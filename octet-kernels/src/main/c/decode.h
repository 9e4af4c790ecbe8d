/* Weights of a panel as floats: what one step of a layout (linear.h) holds. */
#ifndef OCTET_DECODE_H
#define OCTET_DECODE_H

#include "bf16_codes.h"
#include "linear_finish.h"

enum {
  MOST_STEP = 8,
  /*
   * Bytes before its turn that a panel is asked for. What a core executes ahead of itself covers less the
   * more decoding takes, and the memory's own prefetching ends with every page.
   */
  AHEAD = 8192
};

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
  f32x16 nibbles; /* the values of 0…15 where all outputs have one zero */
  __m512i high[2], low[2]; /* bf16_codes */
#endif
} decoder;

/* For one block of a panel. */
INLINE decoder decoder_of(const int form, const octet_linear *w, int64_t panel, int64_t block) {
  decoder d;
  d.zero = form == FORM_I8 || form == FORM_I4 ? f_of(zeros_of(w, panel, block)) : f_zero();
#ifdef __AVX512VBMI__
  d.nibbles = f_sub(_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), d.zero);
  if (form == FORM_E4M3 || form == FORM_E5M2) {
    const bf16_codes *bytes = form == FORM_E4M3 ? &E4M3_CODES : &E5M2_CODES;
    for (int i = 0; i < 2; i++) {
      d.high[i] = i_load(bytes->high + 64 * i);
      d.low[i] = i_load(bytes->low + 64 * i);
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

/* q - z of the nibble in the lowest bits of every lane; what is above does not matter. */
INLINE f32x16 nibble_of(const int even, i32x16 a, const decoder *d) {
#ifdef __AVX512VBMI__
  if (even) {
    return _mm512_permutexvar_ps(a, d->nibbles);
  }
#else
  (void)even;
#endif
  return f_sub(f_of_nibble(a), d->zero);
}

/*
 * Decodes the step at `codes`: out[i] holds input i of 16 outputs, without its scale. even: all outputs
 * have one zero.
 */
INLINE void decode(const int form, const int even, const uint8_t *codes, const decoder *d,
                   f32x16 out[MOST_STEP]) {
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
        out[i] = nibble_of(even, i_shr(eight, 8 * (i % 4) + 4 * (i / 4)), d);
      }
    }
  }
}

INLINE int64_t step_bytes(const int form) { return form == FORM_F16 ? 32 : 64; }

#endif
