/* Weights of a panel as floats: what one step of a layout (linear.h) holds. */
#ifndef OCTET_DECODE_H
#define OCTET_DECODE_H

#include "linear.h"

enum { MOST_STEP = 8 };

/* Inputs that decode() yields at once. */
INLINE int decoded_inputs(const int form) {
  return form == FORM_I4 ? 8 : form == FORM_I8 ? 4 : form == FORM_BF16 ? 2 : 1;
}

/* E4M3 shares the places of its bits with a half of 2⁻⁸ its value; E5M2 is the upper half of one. */
INLINE f32x16 of_e4m3(i32x16 code) {
  const i32x16 magnitude = i_and(code, i_set(0x7f));
  const i32x16 half = i_or(i_shl(i_and(code, i_set(0x80)), 8), i_shl(magnitude, 7));
  const i32x16 nan = i_shr(i_equal(magnitude, i_set(0x7f)), 1); /* 0x7fffffff where it is none */
  return f_bits(i_or(i_cast(f_mul(f_of_halves(half), f_set(256))), nan));
}

INLINE f32x16 of_e5m2(i32x16 code) { return f_of_halves(i_shl(code, 8)); }

/* What integers are measured from: z + 128 or z + 8 as floats. */
INLINE f32x16 zero_of(const octet_linear *w, int64_t panel, int64_t block) {
  if (w->zeros == NULL) {
    return f_set((float)w->zero);
  }
  return f_of(i_of_u8(w->zeros + (panel * (w->k / w->block) + block) * LANES));
}

/* Decodes the step at `codes`: out[i] holds input i of 16 outputs, without its scale. */
INLINE void decode(const int form, const uint8_t *codes, f32x16 zero, f32x16 out[MOST_STEP]) {
  switch (form) {
    case FORM_F32: out[0] = f_load((const float *)codes); break;
    case FORM_F16: out[0] = f_of_f16((const uint16_t *)codes); break;
    case FORM_BF16: {
      const i32x16 pair = i_load(codes);
      out[0] = f_bits(i_shl(pair, 16));
      out[1] = f_bits(i_and(pair, i_set((int32_t)0xffff0000)));
      break;
    }
    case FORM_E4M3: out[0] = of_e4m3(i_of_u8(codes)); break;
    case FORM_E5M2: out[0] = of_e5m2(i_of_u8(codes)); break;
    case FORM_I8: {
      const i32x16 four = i_load(codes);
      UNROLL
      for (int i = 0; i < 4; i++) {
        out[i] = f_sub(f_of(i_and(i_shr(four, 8 * i), i_set(0xff))), zero);
      }
      break;
    }
    default: {
      const i32x16 eight = i_load(codes);
      UNROLL
      for (int i = 0; i < 8; i++) {
        out[i] = f_sub(f_of_nibble(i_shr(eight, 8 * (i % 4) + 4 * (i / 4))), zero);
      }
    }
  }
}

INLINE int64_t step_bytes(const int form) {
  return form == FORM_F32 ? 64 : form == FORM_F16 ? 32 : form <= FORM_BF16 || form >= FORM_I8 ? 64 : 16;
}

#endif
