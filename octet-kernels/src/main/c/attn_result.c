/* From sums to outputs: those of a task, and the parts of keys that were split between tasks. */
#include "attn_task.h"
#include <string.h>

static void put_lse(const octet_attention *c, int head, int64_t row, double max, double sum, double shift) {
  if (c->lse) {
    int64_t query_head = (int64_t)head * c->group + row % c->group;
    double value = sum == 0 ? -INFINITY : max * 0.6931471805599453 + log(sum) + shift;
    c->lse[query_head * c->queries + row / c->group] = (float)value;
  }
}

/* The output of row r, before it is divided by the row sum, times factor. */
static void copy_output(const task *t, int r, float factor, float *out) {
  int dim = t->call->value_dim;
  if (t->few) {
    const float *acc = t->w.acc + (ptrdiff_t)r * t->how.width;
    for (int c = 0; c < dim; c++) {
      out[c] = acc[c] * factor;
    }
  } else {
    int tile = r / TILE_QUERIES * TILE_QUERIES;
    const float *acc = t->w.acc + (ptrdiff_t)tile * t->how.width + r - tile;
    for (int c = 0; c < dim; c++) {
      out[c] = acc[c * TILE_QUERIES] * factor;
    }
  }
  if (t->how.fold && t->call->value_scales) {
    const float *scales = t->call->value_scales + (ptrdiff_t)t->head * dim;
    for (int c = 0; c < dim; c++) {
      out[c] *= scales[c];
    }
  }
}

static int64_t part_of(const octet_attention *c, int head, int split, int64_t row) {
  int64_t rows = (int64_t)c->queries * c->group;
  return (((int64_t)head * c->splits + split) * rows + row) * (c->value_dim + 3);
}

void octet_finish_task(const task *t, int split) {
  const octet_attention *c = t->call;
  for (int r = 0; r < t->rows; r++) {
    float max = t->w.s.max[r];
    float sum = t->w.s.sum[r];
    int64_t row = (int64_t)t->first_row + r;
    if (c->splits == 1) {
      /* A sum of 0: no key was seen, and the output is 0. */
      copy_output(t, r, sum == 0 ? 0 : 1 / sum, c->out + position(t, r) * c->value_dim);
      put_lse(c, t->head, row, max, sum, t->w.shift[r]);
    } else {
      float *part = c->parts + part_of(c, t->head, split, row);
      copy_output(t, r, 1, part);
      part[c->value_dim] = max;
      part[c->value_dim + 1] = sum;
      part[c->value_dim + 2] = (float)t->w.shift[r];
    }
  }
}

static void merge_row(const octet_attention *c, int head, int64_t row) {
  int dim = c->value_dim;
  double max = -INFINITY, sum = 0;
  for (int s = 0; s < c->splits; s++) {
    double own = c->parts[part_of(c, head, s, row) + dim];
    max = own > max ? own : max;
  }
  int64_t at = row / c->group * c->heads * c->group + (int64_t)head * c->group + row % c->group;
  float *out = c->out + at * dim;
  memset(out, 0, 4 * (size_t)dim);
  for (int s = 0; s < c->splits; s++) {
    const float *part = c->parts + part_of(c, head, s, row);
    if (part[dim + 1] == 0) {
      continue; /* saw no key */
    }
    double weight = exp2(part[dim] - max);
    sum += weight * part[dim + 1];
    for (int i = 0; i < dim; i++) {
      out[i] += (float)weight * part[i];
    }
  }
  float factor = sum == 0 ? 0 : (float)(1 / sum);
  for (int i = 0; i < dim; i++) {
    out[i] *= factor;
  }
  put_lse(c, head, row, max, sum, c->parts[part_of(c, head, 0, row) + dim + 2]);
}

int32_t octet_attend_merge(const octet_attention *call, int32_t head) {
  if (!octet_sizes_fit(call) || head < 0 || head >= call->heads || !call->parts) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t row = 0; row < (int64_t)call->queries * call->group; row++) {
    merge_row(call, head, row);
  }
  return OCTET_OK;
}
