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

static int64_t part_of(const octet_attention *c, int head, int split, int64_t row) {
  int64_t rows = (int64_t)c->queries * c->group;
  return (((int64_t)head * c->splits + split) * rows + row) * (c->value_dim + 3);
}

/* Where row r goes: its output, or its part of a split. */
static float *place_of(const task *t, int r, int split) {
  const octet_attention *c = t->call;
  return c->splits == 1
      ? c->out + position(t, r) * c->value_dim
      : c->parts + part_of(c, t->head, split, (int64_t)t->first_row + r);
}

/* What the output of row r, before it is divided by the row sum, is multiplied by. */
static float factor_of(const task *t, int r) {
  float sum = t->w.s.sum[r];
  /* A sum of 0: no key was seen, and the output is 0. */
  return t->call->splits > 1 ? 1 : sum == 0 ? 0 : 1 / sum;
}

static void copy_row(const task *t, int r, float *out) {
  const float *acc = t->w.acc + (ptrdiff_t)r * t->how.width;
  float factor = factor_of(t, r);
  for (int c = 0; c < t->call->value_dim; c++) {
    out[c] = acc[c] * factor;
  }
}

/* Columns of a tile: up to LANES rows from `first` on. */
static void copy_columns(const task *t, int first, int rows, int split) {
  float factors[LANES] = {0}, *out[LANES];
  for (int i = 0; i < rows; i++) {
    factors[i] = factor_of(t, first + i);
    out[i] = place_of(t, first + i, split);
  }
  vf factor = vf_load(factors);
  int tile = first / TILE_QUERIES * TILE_QUERIES, dim = t->call->value_dim;
  const float *acc = t->w.acc + (ptrdiff_t)tile * t->how.width + first - tile;
  for (int c = 0; c < dim; c += LANES) {
    int some = dim - c < LANES ? dim - c : LANES;
    vf v[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
      v[i] = vf_mul(vf_load(acc + (ptrdiff_t)(c + i) * TILE_QUERIES), factor);
    }
    vf_transpose(v);
    for (int i = 0; i < rows; i++) {
      float row[LANES];
      vf_store(some == LANES ? out[i] + c : row, v[i]);
      if (some < LANES) {
        memcpy(out[i] + c, row, 4 * (size_t)some);
      }
    }
  }
}

static void copy_outputs(const task *t, int split) {
  if (t->few) {
    for (int r = 0; r < t->rows; r++) {
      copy_row(t, r, place_of(t, r, split));
    }
    return;
  }
  for (int first = 0; first < t->rows; first += LANES) {
    copy_columns(t, first, t->rows - first < LANES ? t->rows - first : LANES, split);
  }
}

/* Static scales of values that were multiplied as codes. */
static void scale_outputs(const task *t, int split) {
  int dim = t->call->value_dim;
  const float *scales = t->call->value_scales + (ptrdiff_t)t->head * dim;
  for (int r = 0; r < t->rows; r++) {
    float *out = place_of(t, r, split);
    for (int c = 0; c < dim; c++) {
      out[c] *= scales[c];
    }
  }
}

void octet_finish_task(const task *t, int split) {
  const octet_attention *c = t->call;
  copy_outputs(t, split);
  if (t->how.fold && c->value_scales) {
    scale_outputs(t, split);
  }
  for (int r = 0; r < t->rows; r++) {
    float max = t->w.s.max[r];
    float sum = t->w.s.sum[r];
    if (c->splits == 1) {
      put_lse(c, t->head, (int64_t)t->first_row + r, max, sum, t->w.shift[r]);
    } else {
      float *part = place_of(t, r, split);
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
