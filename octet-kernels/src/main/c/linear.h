/*
 * A linear layer as its kernels read it: y = x·Wᵀ, W = (q - z)·s.
 *
 * Weights lie in panels of 16 outputs, so that one vector holds the same inputs of 16 outputs and no
 * sum runs across lanes. k counts *padded* inputs: every block of inputs that shares a scale is
 * padded to a whole number of steps, with inputs of 0. Outputs are padded to whole panels.
 *
 *   form        a panel
 *   F32         [k][16] floats
 *   F16         [k][16] halves
 *   BF16        [k/2][16][2]
 *   E4M3, E5M2  [k/4][16][4] bytes
 *   I8          [k/4][16][4] bytes, q + 128
 *   I4          [k/8][16][4] bytes, q + 8: byte j of step c holds inputs 8c + j (low) and 8c + 4 + j
 *   E2M1        as I4, four-bit floats without a flip
 *
 * I8 is also the layout that AMX tiles take as their second operand.
 */
#ifndef OCTET_LINEAR_H
#define OCTET_LINEAR_H

#include "lanes.h"
#include "octet.h"

enum { FORM_F32, FORM_F16, FORM_BF16, FORM_E4M3, FORM_E5M2, FORM_I8, FORM_I4, FORM_E2M1, FORMS };

/* Written by PackedWeight.java, which has the same fields in the same order. */
typedef struct {
  int64_t n;             /* outputs */
  int64_t k;             /* padded inputs */
  int64_t block;         /* padded inputs that share a scale; divides k */
  const void *codes;     /* [panels] */
  const float *scales;   /* [panels][k/block][16]; NULL: 1 */
  const uint8_t *zeros;  /* [panels][k/block][16]; NULL: zero for all */
  const float *bias;     /* [panels·16]; NULL: 0 */
  const int32_t *offset; /* [panels·16], subtracted from integer sums; NULL: 0 */
  int32_t form;
  int32_t zero;
} octet_linear;

_Static_assert(sizeof(octet_linear) == 72, "LinearCalls.LINEAR_BYTES");

/* Inputs of one step of the layout, which blocks are padded to. */
INLINE int64_t form_step(int32_t form) {
  switch (form) {
    case FORM_F32:
    case FORM_F16: return 1;
    case FORM_BF16: return 2;
    case FORM_I4:
    case FORM_E2M1: return 8;
    default: return 4;
  }
}

INLINE int64_t panel_bytes(int32_t form, int64_t k) {
  switch (form) {
    case FORM_F32: return k * 64;
    case FORM_F16:
    case FORM_BF16: return k * 32;
    case FORM_I4:
    case FORM_E2M1: return k * 8;
    default: return k * 16;
  }
}

/* Whether a layer and a range of its panels hold together. */
static inline int32_t check_linear(const octet_linear *w, int64_t rows, int64_t from, int64_t to) {
  const int64_t most = (int64_t)1 << 31;
  if (w->form < 0 || w->form >= FORMS) {
    return OCTET_BAD_FORM;
  }
  if (w->n < 1 || w->k < 1 || w->block < 1 || w->n >= most || w->k >= most || w->k % w->block != 0
      || w->block % form_step(w->form) != 0 || rows < 0 || rows >= most || from < 0 || from > to
      || to > (w->n + LANES - 1) / LANES) {
    return OCTET_BAD_SIZE;
  }
  return OCTET_OK;
}

#endif
