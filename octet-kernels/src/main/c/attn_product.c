/* The two products, chosen by what they multiply and by which way the queries lie. */
#include "attn_tile.h"

/* Keys are the unsigned operand where there is one: 128 more than stored, which the bias undoes. */
void octet_scores(int in, int queries_down, const product *p, const scores *to, int rows, int columns) {
  if (in == IN_INT8) {
    if (queries_down) {
      scores_of(DOT_INT_RIGHT, 1, p, to, rows, columns);
    } else {
      scores_of(DOT_INT_LEFT, 0, p, to, rows, columns);
    }
  } else if (in == IN_BF16) {
    scores_of(DOT_BF16, 0, p, to, rows, columns);
  } else {
    scores_of(DOT_F32, 0, p, to, rows, columns);
  }
}

/* P is the unsigned operand. */
void octet_outputs(int in, int queries_down, const product *p, const outputs *to, int rows, int columns) {
  if (queries_down) {
    switch (in) {
      case IN_INT8: outputs_of(DOT_INT_LEFT, 1, 1, p, to, rows, columns); break;
      case IN_BF16: outputs_of(DOT_BF16, 1, 1, p, to, rows, columns); break;
      default: outputs_of(DOT_F32, 1, 1, p, to, rows, columns); break;
    }
  } else if (to->alpha) {
    switch (in) {
      case IN_INT8: outputs_of(DOT_INT_RIGHT, 0, 1, p, to, rows, columns); break;
      case IN_BF16: outputs_of(DOT_BF16, 0, 1, p, to, rows, columns); break;
      default: outputs_of(DOT_F32, 0, 1, p, to, rows, columns); break;
    }
  } else {
    switch (in) {
      case IN_INT8: outputs_of(DOT_INT_RIGHT, 0, 0, p, to, rows, columns); break;
      case IN_BF16: outputs_of(DOT_BF16, 0, 0, p, to, rows, columns); break;
      default: outputs_of(DOT_F32, 0, 0, p, to, rows, columns); break;
    }
  }
}
