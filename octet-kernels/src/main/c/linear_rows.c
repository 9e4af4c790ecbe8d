/* Rows of a weight as floats, an embedding's, say: from panels (linear.h) or as the weight was stored. */
#include <string.h>

#include "decode.h"

enum { MOST_INPUTS = 8, MOST_WORD = 4 };

/* Bytes of a step of one row. */
INLINE int word_bytes(const int form) { return form == FORM_F16 ? 2 : MOST_WORD; }

/* Sixteen steps' codes: out[i] holds column i of each. Integers stand without a sign. */
INLINE void values_of(const int form, const uint8_t *codes, f32x16 out[MOST_INPUTS]) {
  if (form == FORM_F32) {
    out[0] = f_load((const float *)(const void *)codes);
    return;
  }
  if (form == FORM_F16) {
    out[0] = f_of_f16((const uint16_t *)(const void *)codes);
    return;
  }
  const i32x16 words = i_load(codes);
  if (form == FORM_BF16) {
    out[0] = f_bits(i_shl(words, 16));
    out[1] = f_bits(i_and(words, i_set((int32_t)0xffff0000)));
    return;
  }
  UNROLL
  for (int i = 0; i < decoded_inputs(form); i++) {
    const i32x16 code = i_shr(words, form == FORM_I4 || form == FORM_E2M1 ? 4 * i : 8 * i);
    switch (form) {
      case FORM_E4M3: out[i] = of_e4m3(i_and(code, i_set(0xff))); break;
      case FORM_E5M2: out[i] = of_e5m2(i_and(code, i_set(0xff))); break;
      case FORM_I8: out[i] = f_of(i_and(code, i_set(0xff))); break;
      case FORM_E2M1: out[i] = f_of_e2m1(code); break;
      default: out[i] = f_of_nibble(code);
    }
  }
}

/* Which column of a step the i-th value is: in panels nibbles of the first four columns are the low ones. */
INLINE int place(const int form, const int panel, int i) {
  return panel && (form == FORM_I4 || form == FORM_E2M1) ? i / 2 + i % 2 * 4 : i;
}

/* Up to 16 steps from `from` on; what a row does not have is 0. left: columns it has. */
INLINE void take(const int form, const int panel, const uint8_t *from, int64_t left, uint8_t *codes) {
  const int word = word_bytes(form), inputs = decoded_inputs(form);
  const int64_t steps = (left + inputs - 1) / inputs;
  memset(codes, 0, LANES * MOST_WORD);
  if (panel) {
    for (int s = 0; s < LANES && s < steps; s++) {
      memcpy(codes + s * word, from + (ptrdiff_t)s * LANES * word, (size_t)word);
    }
    return;
  }
  const int64_t bytes = (left * word + inputs - 1) / inputs;
  memcpy(codes, from, (size_t)(bytes < LANES * word ? bytes : LANES * word));
  if (form == FORM_I8 || form == FORM_I4) { /* as panels have it */
    const i32x16 flip = i_set((int32_t)(form == FORM_I8 ? 0x80808080 : 0x88888888));
    i_store(codes, i_xor(i_load(codes), flip));
  }
}

/* `columns` values whose codes lie in whole steps from `from` on. */
INLINE void decode_run(const int form, const int panel, const uint8_t *from, int64_t columns, float *out) {
  const int inputs = decoded_inputs(form);
  const ptrdiff_t apart = (ptrdiff_t)word_bytes(form) * (panel ? LANES : 1);
  for (int64_t j = 0; panel && j < columns; j += inputs) {
    __builtin_prefetch(from + j / inputs * apart); /* a line a step: asked for all at once */
  }
  for (int64_t j = 0; j < columns; j += LANES * inputs, from += LANES * apart) {
    _Alignas(64) uint8_t codes[LANES * MOST_WORD];
    f32x16 values[MOST_INPUTS];
    float lanes[LANES], some[LANES * MOST_INPUTS];
    take(form, panel, from, columns - j, codes);
    values_of(form, codes, values);
    float *to = columns - j >= LANES * inputs ? out + j : some;
    UNROLL
    for (int i = 0; i < inputs; i++) {
      f_store(lanes, values[i]);
      for (int s = 0; s < LANES; s++) {
        to[s * inputs + place(form, panel, i)] = lanes[s];
      }
    }
    if (to == some) {
      memcpy(out + j, some, 4 * (size_t)(columns - j));
    }
  }
}

/* A row of `columns`, of which every `run` begin with a step of their own. */
INLINE void decode_row(const int form, const int panel, const uint8_t *from, int64_t columns, int64_t run,
                       float *out) {
  const int inputs = decoded_inputs(form);
  const int64_t run_bytes = (run + inputs - 1) / inputs * word_bytes(form) * (panel ? LANES : 1);
  for (int64_t first = 0; first < columns; first += run, from += run_bytes) {
    decode_run(form, panel, from, columns - first < run ? columns - first : run, out + first);
  }
}

/* From codes to weights: (q - z)·s + o, product and sum rounded once each. */
static void scale_row(float *x, int64_t columns, int64_t block, const float *scales, const float *zeros,
                      const float *offsets) {
  for (int64_t b = 0; b * block < columns; b++) {
    const int64_t end = columns - b * block < block ? columns : (b + 1) * block;
    const float scale = scales[b], zero = zeros[b];
    for (int64_t j = b * block; j < end; j++) {
      x[j] = (x[j] - zero) * scale;
    }
    for (int64_t j = b * block; offsets && j < end; j++) {
      x[j] += offsets[b];
    }
  }
}

#define ROW(form)                                                      \
  case form:                                                           \
    if (panel) {                                                       \
      decode_row(form, 1, codes + at[r], columns, run, out + r * columns); \
    } else {                                                           \
      decode_row(form, 0, codes + at[r], columns, run, out + r * columns); \
    }                                                                  \
    break;

/*
 * Rows of `columns` that begin at codes + at[r], to out [count][columns]. panel: their words lie as in a
 * panel, every `run` columns padded to whole steps; otherwise one after the other, integers with a sign,
 * and run is columns. scales, zeros, offsets: [count][⌈columns/block⌉]; zeros of integers are what the
 * code without a sign is measured from. scales NULL: codes are values; offsets NULL: 0.
 */
OCTET_EXPORT int32_t octet_rows_of(int32_t form, int32_t panel, const uint8_t *codes, const int64_t *at,
                                   int64_t count, int64_t columns, int64_t run, int64_t block,
                                   const float *scales, const float *zeros, const float *offsets,
                                   float *out) {
  const int64_t most = (int64_t)1 << 31;
  if (count < 0 || count >= most || columns < 1 || columns >= most || run < 1 || run > columns || block < 1
      || block > columns || (!panel && run != columns) || (scales && !zeros)) {
    return OCTET_BAD_SIZE;
  }
  if (form < 0 || form >= FORMS) {
    return OCTET_BAD_FORM;
  }
  const int64_t blocks = (columns + block - 1) / block;
  for (int64_t r = 0; r < count; r++) {
    switch (form) {
      ROW(FORM_F32)
      ROW(FORM_F16)
      ROW(FORM_BF16)
      ROW(FORM_E4M3)
      ROW(FORM_E5M2)
      ROW(FORM_I8)
      ROW(FORM_I4)
      ROW(FORM_E2M1)
    }
    if (scales) {
      scale_row(out + r * columns, columns, block, scales + r * blocks, zeros + r * blocks,
                offsets ? offsets + r * blocks : NULL);
    }
  }
  return OCTET_OK;
}
