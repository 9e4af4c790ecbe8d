/* The outputs of tiles that hold a NaN or an infinity which not every query sees. */
#include "attn_tile.h"

static int is_number(uint32_t bits, uint32_t exponent) { return (bits & exponent) != exponent; }

int octet_finite(int in, const int32_t *tile, ptrdiff_t n) {
  int all = 1;
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t word = (uint32_t)tile[i];
    all &= is_number(word, 0x7f800000) & (in != IN_BF16 || is_number(word << 16, 0x7f800000));
  }
  return all;
}

/* Element k of an operand whose first word is given. */
static float element(int in, const int32_t *words, ptrdiff_t step, int k) {
  union {
    uint32_t bits;
    float value;
  } x;
  if (in == IN_BF16) {
    uint32_t word = (uint32_t)words[k / 2 * step];
    x.bits = k % 2 ? word & 0xffff0000 : word << 16;
  } else {
    x.bits = (uint32_t)words[k * step];
  }
  return x.value;
}

void octet_outputs_seen(
    int in, int queries_down, const product *p, const outputs *to, const float *x,
    ptrdiff_t x_stride, int rows, int columns) {
  int keys = p->steps * in_word(in);
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++) {
      int query = queries_down ? r : c;
      const float *own = queries_down ? x + r * x_stride : x + c;
      ptrdiff_t next = queries_down ? 1 : x_stride;
      float sum = 0;
      for (int k = 0; k < keys; k++) {
        if (own[k * next] != -INFINITY) {
          sum += element(in, p->a + r * p->a_row, p->a_step, k) * element(in, p->b + c, p->b_step, k);
        }
      }
      float *o = to->o + r * to->stride + c;
      *o = *o * to->alpha[query] + sum;
    }
  }
}
