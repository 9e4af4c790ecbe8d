/*
 * Weights of every form times F32 or BF16 activations, summed in F32.
 *
 * For few rows each weight is decoded in registers, multiplied and forgotten: the time to read it is
 * all that counts. Some more rows are groups of few: decoding a panel again, from L2, costs less than
 * writing floats down, and of four-bit weights it always does. For many, a stretch of two panels is
 * decoded into L1 once and multiplied with all rows; where x is BF16 and the tier has its products, the stretch is decoded to BF16, which holds every
 * code of FP8, INT8 and INT4 exactly, and scales are applied to the sums.
 */
#include "decode.h"

#ifdef __AVX512BF16__
#define PANELS_AT_ONCE 2
enum { PANELS = 2, ROWS = 12, FEW_ROWS = 8, SOME_ROWS = 48 };
#else
#define PANELS_AT_ONCE 1
enum { PANELS = 1, ROWS = 6, FEW_ROWS = 4, SOME_ROWS = 4 };
#endif

enum {
  STRETCH = 256,   /* inputs decoded at once: 32 KiB of floats */
  KEPT = 512 << 10 /* bytes of x that meet all panels at a time, to stay in an L2 cache of a MiB */
};

/* Whether so many rows are multiplied in groups of few. */
INLINE int grouped(const int32_t form, int64_t rows) {
#ifdef __AVX512BF16__
  return rows <= SOME_ROWS || form == FORM_I4 || form == FORM_E2M1;
#else
  (void)form;
  return rows <= SOME_ROWS;
#endif
}

typedef struct {
  const octet_linear *w;
  const void *x;         /* [rows][stride] F32 or BF16 */
  int64_t stride;
  const float *x_scales; /* [rows]; NULL: 1 */
  float *y;              /* [rows][n] */
  int64_t row, panel;    /* first of the tile */
} task;

INLINE const float *x_scale_of(const task *t, int64_t row) {
  return t->x_scales == NULL ? NULL : t->x_scales + row;
}

/* ---- few rows: decoded in registers ------------------------------------------------------------ */

/* Chains of sums a row, so that one need not wait for the other, and all of them fit into registers. */
enum { CHAINS = 4 };

INLINE int chains_of(const int rows) {
#ifdef __AVX512BF16__
  return rows <= 4 ? 4 : 2;
#else
  return rows == 1 ? 4 : rows == 2 ? 2 : 1;
#endif
}

INLINE void few(const int form, const int even, const int rows, const task *t) {
  const octet_linear *w = t->w;
  const int inputs = decoded_inputs(form);
  const int chains = chains_of(rows);
  const float *x = (const float *)t->x + t->row * t->stride;
  const uint8_t *codes = (const uint8_t *)w->codes + t->panel * panel_bytes(form, w->k);
  f32x16 total[FEW_ROWS];
  UNROLL
  for (int r = 0; r < rows; r++) {
    total[r] = f_zero();
  }
  const int64_t blocks = w->k / w->block;
  for (int64_t b = 0; b < blocks; b++) {
    f32x16 sum[FEW_ROWS][CHAINS];
    UNROLL
    for (int r = 0; r < rows; r++) {
      UNROLL
      for (int c = 0; c < chains; c++) {
        sum[r][c] = f_zero();
      }
    }
    const decoder d = decoder_of(form, w, t->panel, b);
    const int64_t end = (b + 1) * w->block;
    const int steps = inputs >= chains ? 1 : chains / inputs;
    int64_t j = b * w->block;
    for (; j + steps * inputs <= end; j += steps * inputs) {
      UNROLL
      for (int s = 0; s < steps; s++, codes += step_bytes(form)) {
        f32x16 q[MOST_STEP];
        __builtin_prefetch(codes + AHEAD);
        decode(form, even, codes, &d, q);
        UNROLL
        for (int i = 0; i < inputs; i++) {
          UNROLL
          for (int r = 0; r < rows; r++) {
            const int c = (s * inputs + i) % chains;
            sum[r][c] = f_fma(q[i], f_set(x[r * t->stride + j + s * inputs + i]), sum[r][c]);
          }
        }
      }
    }
    for (; j < end; j += inputs, codes += step_bytes(form)) {
      f32x16 q[MOST_STEP];
      decode(form, even, codes, &d, q);
      UNROLL
      for (int i = 0; i < inputs; i++) {
        UNROLL
        for (int r = 0; r < rows; r++) {
          sum[r][0] = f_fma(q[i], f_set(x[r * t->stride + j + i]), sum[r][0]);
        }
      }
    }
    const f32x16 scale = scale_of(w, t->panel, b);
    UNROLL
    for (int r = 0; r < rows; r++) {
      UNROLL
      for (int c = 1; c < chains; c++) {
        sum[r][0] = f_add(sum[r][0], sum[r][c]);
      }
      total[r] = f_fma(sum[r][0], scale, total[r]);
    }
  }
  for (int r = 0; r < rows; r++) {
    f_store_some(t->y + (t->row + r) * w->n + t->panel * LANES,
                 finished(w, t->panel, x_scale_of(t, t->row + r), total[r]), outputs_of(w, t->panel));
  }
}

#define FEW_CASE(form, even, rows, t) \
  case rows: few(form, even, rows, t); break;
#ifdef __AVX512BF16__
#define FEW_MORE(form, even, t)                                                                      \
  FEW_CASE(form, even, 5, t) FEW_CASE(form, even, 6, t) FEW_CASE(form, even, 7, t)                   \
  FEW_CASE(form, even, 8, t)
#else
#define FEW_MORE(form, even, t)
#endif
#define FEW_ROWS_OF(form, even, rows, t)                                                             \
  switch (rows) {                                                                                    \
    FEW_CASE(form, even, 1, t) FEW_CASE(form, even, 2, t) FEW_CASE(form, even, 3, t)                 \
    FEW_CASE(form, even, 4, t) FEW_MORE(form, even, t)                                               \
  }
#define FEW(form) \
  static void few_##form(int rows, const task *t) { FEW_ROWS_OF(form, 1, rows, t) }
FEW(FORM_F32)
FEW(FORM_F16)
FEW(FORM_BF16)
FEW(FORM_E4M3)
FEW(FORM_E5M2)
FEW(FORM_I8)
FEW(FORM_E2M1)
static void few_FORM_I4(int rows, const task *t) {
  if (t->w->zeros == NULL) {
    FEW_ROWS_OF(FORM_I4, 1, rows, t)
  } else {
    FEW_ROWS_OF(FORM_I4, 0, rows, t)
  }
}

typedef void few_of_form(int rows, const task *t);
static few_of_form *const FEW_OF[FORMS] = {few_FORM_F32,  few_FORM_F16, few_FORM_BF16, few_FORM_E4M3,
                                           few_FORM_E5M2, few_FORM_I8,  few_FORM_I4,   few_FORM_E2M1};

/*
 * Any number of rows, in groups of few. Where they are many, as many as stay in L2 meet all panels before
 * the next do.
 */
static void in_groups(int64_t rows, int64_t from, int64_t to, task *t) {
  const octet_linear *w = t->w;
  const int64_t kept = KEPT / 4 / t->stride / FEW_ROWS * FEW_ROWS;
  const int64_t part = kept < 2 * FEW_ROWS ? 2 * FEW_ROWS : kept;
  const int64_t parts = rows <= SOME_ROWS ? 1 : (rows + part - 1) / part;
  for (int64_t i = 0; i < parts; i++) {
    const int64_t first = rows * i / parts, end = rows * (i + 1) / parts;
    const int64_t groups = (end - first + FEW_ROWS - 1) / FEW_ROWS;
    for (t->panel = from; t->panel < to; t->panel++) {
      t->row = first;
      for (int64_t g = 0; g < groups; g++) {
        const int64_t next = first + (end - first) * (g + 1) / groups;
        FEW_OF[w->form]((int)(next - t->row), t);
        t->row = next;
      }
    }
  }
}

/* ---- many rows: decoded into L1 ---------------------------------------------------------------- */

/*
 * A stretch of inputs of up to PANELS panels: floats [inputs][PANELS][16], or BF16 pairs of them.
 * Floats are scaled where blocks have scales of their own: a stretch then goes on into the next block,
 * and sums are brought to y less often. Pairs stay codes, and a stretch ends with its block.
 */
typedef struct {
  int64_t first, inputs;
  int panels, scaled;
  _Alignas(64) float values[STRETCH * PANELS * LANES];
} stretch;

/* The part of a stretch that lies in one block: inputs from…end-1 of panel p. */
INLINE void fill_block(const int form, const int even, const int pairs, const octet_linear *w,
                       int64_t panel, int p, int64_t block, int64_t from, int64_t end, stretch *s) {
  const int inputs = decoded_inputs(form);
  const uint8_t *codes = (const uint8_t *)w->codes + (panel + p) * panel_bytes(form, w->k)
                         + from / inputs * step_bytes(form);
  const decoder d = decoder_of(form, w, panel + p, block);
  const f32x16 scale = s->scaled ? scale_of(w, panel + p, block) : f_set(1);
  float *to = s->values + ((from - s->first) / (pairs ? 2 : 1) * PANELS + p) * LANES;
  for (int64_t j = from; j < end; j += inputs, codes += step_bytes(form)) {
    f32x16 q[MOST_STEP];
    __builtin_prefetch(codes + AHEAD);
    decode(form, even, codes, &d, q);
    if (pairs) {
      UNROLL
      for (int i = 0; i + 1 < inputs; i += 2, to += PANELS * LANES) {
        /* Exact: what these forms hold fits into the upper half of a float. */
        i_store(to, i_or(i_shr(i_cast(q[i]), 16), i_and(i_cast(q[i + 1]), i_set((int32_t)0xffff0000))));
      }
    } else {
      UNROLL
      for (int i = 0; i < inputs; i++, to += PANELS * LANES) {
        f_store(to, s->scaled ? f_mul(q[i], scale) : q[i]);
      }
    }
  }
}

INLINE void fill(const int form, const int even, const int pairs, const octet_linear *w, int64_t panel,
                 stretch *s) {
  const int64_t last = s->first + s->inputs;
  for (int p = 0; p < s->panels; p++) {
    for (int64_t from = s->first; from < last;) {
      const int64_t block = from / w->block;
      const int64_t end = (block + 1) * w->block < last ? (block + 1) * w->block : last;
      fill_block(form, even, pairs, w, panel, p, block, from, end, s);
      from = end;
    }
  }
}

static void fill_floats(const octet_linear *w, int64_t panel, stretch *s) {
  switch (w->form) {
    case FORM_F32: fill(FORM_F32, 0, 0, w, panel, s); break;
    case FORM_F16: fill(FORM_F16, 0, 0, w, panel, s); break;
    case FORM_BF16: fill(FORM_BF16, 0, 0, w, panel, s); break;
    case FORM_E4M3: fill(FORM_E4M3, 0, 0, w, panel, s); break;
    case FORM_E5M2: fill(FORM_E5M2, 0, 0, w, panel, s); break;
    case FORM_I8: fill(FORM_I8, 0, 0, w, panel, s); break;
    case FORM_E2M1: fill(FORM_E2M1, 0, 0, w, panel, s); break;
    default: w->zeros == NULL ? fill(FORM_I4, 1, 0, w, panel, s) : fill(FORM_I4, 0, 0, w, panel, s);
  }
}

#ifdef __AVX512BF16__
static void fill_pairs(const octet_linear *w, int64_t panel, stretch *s) {
  switch (w->form) {
    case FORM_BF16: fill(FORM_BF16, 0, 1, w, panel, s); break;
    case FORM_E4M3: fill(FORM_E4M3, 0, 1, w, panel, s); break;
    case FORM_E5M2: fill(FORM_E5M2, 0, 1, w, panel, s); break;
    case FORM_I8: fill(FORM_I8, 0, 1, w, panel, s); break;
    case FORM_E2M1: fill(FORM_E2M1, 0, 1, w, panel, s); break;
    default: fill(FORM_I4, 0, 1, w, panel, s); break;
  }
}
#endif

/* Adds what a stretch gives to y; the last one finishes it. */
INLINE void add_stretch(const int rows, const int panels, const task *t, const stretch *s,
                        f32x16 sum[ROWS][PANELS]) {
  const octet_linear *w = t->w;
  const int last = s->first + s->inputs == w->k;
  UNROLL
  for (int p = 0; p < panels; p++) {
    const f32x16 scale = s->scaled ? f_set(1) : scale_of(w, t->panel + p, s->first / w->block);
    const int outputs = outputs_of(w, t->panel + p);
    UNROLL
    for (int r = 0; r < rows; r++) {
      float *y = t->y + (t->row + r) * w->n + (t->panel + p) * LANES;
      const f32x16 before = s->first == 0 ? f_zero() : f_load_some(y, outputs);
      const f32x16 total = f_fma(sum[r][p], scale, before);
      f_store_some(y, last ? finished(w, t->panel + p, x_scale_of(t, t->row + r), total) : total, outputs);
    }
  }
}

INLINE void multiply_f32(const int rows, const int panels, const task *t, const stretch *s) {
  f32x16 sum[ROWS][PANELS];
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int p = 0; p < panels; p++) {
      sum[r][p] = f_zero();
    }
  }
  const float *x = (const float *)t->x + t->row * t->stride + s->first;
  const float *values = s->values;
  for (int64_t j = 0; j < s->inputs; j++, values += PANELS * LANES) {
    f32x16 q[PANELS];
    UNROLL
    for (int p = 0; p < panels; p++) {
      q[p] = f_load(values + p * LANES);
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
      const f32x16 one = f_set(x[r * t->stride + j]);
      UNROLL
      for (int p = 0; p < panels; p++) {
        sum[r][p] = f_fma(q[p], one, sum[r][p]);
      }
    }
  }
  add_stretch(rows, panels, t, s, sum);
}

#ifdef __AVX512BF16__
INLINE void multiply_bf16(const int rows, const int panels, const task *t, const stretch *s) {
  f32x16 sum[ROWS][PANELS];
  UNROLL
  for (int r = 0; r < rows; r++) {
    UNROLL
    for (int p = 0; p < panels; p++) {
      sum[r][p] = f_zero();
    }
  }
  const uint16_t *x = (const uint16_t *)t->x + t->row * t->stride + s->first;
  const float *values = s->values;
  for (int64_t j = 0; j < s->inputs; j += 2, values += PANELS * LANES) {
    __m512bh q[PANELS];
    UNROLL
    for (int p = 0; p < panels; p++) {
      q[p] = (__m512bh)i_load(values + p * LANES);
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
      int32_t pair;
      __builtin_memcpy(&pair, x + r * t->stride + j, 4);
      UNROLL
      for (int p = 0; p < panels; p++) {
        sum[r][p] = _mm512_dpbf16_ps(sum[r][p], q[p], (__m512bh)i_set(pair));
      }
    }
  }
  add_stretch(rows, panels, t, s, sum);
}
#endif

#if PANELS_AT_ONCE == 2
#define SIZES(kind, rows) \
  case rows: panels == 1 ? kind(rows, 1, t, s) : kind(rows, 2, t, s); break;
#else
#define SIZES(kind, rows) \
  case rows: kind(rows, 1, t, s); break;
#endif
#define MULTIPLY(kind)                                                              \
  static void kind##_any(int rows, int panels, const task *t, const stretch *s) {   \
    (void)panels;                                                                   \
    switch (rows) {                                                                 \
      SIZES(kind, 1) SIZES(kind, 2) SIZES(kind, 3) SIZES(kind, 4) SIZES(kind, 5) SIZES(kind, 6) \
      MORE_SIZES(kind)                                                              \
    }                                                                               \
  }
#if PANELS_AT_ONCE == 2
#define MORE_SIZES(kind) \
  SIZES(kind, 7) SIZES(kind, 8) SIZES(kind, 9) SIZES(kind, 10) SIZES(kind, 11) SIZES(kind, 12)
#else
#define MORE_SIZES(kind)
#endif

typedef void multiply(int rows, int panels, const task *t, const stretch *s);
MULTIPLY(multiply_f32)
#ifdef __AVX512BF16__
MULTIPLY(multiply_bf16)
#endif

typedef void fill_stretch(const octet_linear *w, int64_t panel, stretch *s);

static void many(int pairs, fill_stretch *fill_in, multiply *times, int64_t rows, int64_t from, int64_t to,
                 task *t) {
  const octet_linear *w = t->w;
  const int64_t tiles = (rows + ROWS - 1) / ROWS;
  stretch s = {.scaled = !pairs && w->block < w->k};
  for (t->panel = from; t->panel < to; t->panel += PANELS) {
    s.panels = to - t->panel < PANELS ? 1 : PANELS;
    for (s.first = 0; s.first < w->k; s.first += s.inputs) {
      const int64_t end = s.scaled ? w->k : (s.first / w->block + 1) * w->block;
      s.inputs = end - s.first < STRETCH ? end - s.first : STRETCH;
      fill_in(w, t->panel, &s);
      t->row = 0;
      for (int64_t i = 0; i < tiles; i++) {
        const int64_t next = rows * (i + 1) / tiles;
        times((int)(next - t->row), s.panels, t, &s);
        t->row = next;
      }
    }
  }
}

/*
 * Outputs of the panels from…to-1 for all rows: y = x_scale·Σ x·W + bias.
 *
 * x F32 [rows][stride], k of them, 0 where padded; x_scales [rows] or NULL; y [rows][n].
 */
OCTET_EXPORT int32_t octet_linear_f32(const octet_linear *w, int64_t rows, int64_t from, int64_t to,
                                      const float *x, int64_t stride, const float *x_scales, float *y) {
  const int32_t status = check_linear(w, rows, from, to);
  if (status != OCTET_OK || stride < w->k) {
    return status != OCTET_OK ? status : OCTET_BAD_SIZE;
  }
  task t = {.w = w, .x = x, .stride = stride, .x_scales = x_scales, .y = y};
  if (grouped(w->form, rows)) {
    in_groups(rows, from, to, &t);
  } else {
    many(0, fill_floats, multiply_f32_any, rows, from, to, &t);
  }
  return OCTET_OK;
}

/* The same with x BF16 [rows][stride] and weights that BF16 holds exactly; OCTET_BAD_FORM for others. */
OCTET_EXPORT int32_t octet_linear_bf16(const octet_linear *w, int64_t rows, int64_t from, int64_t to,
                                       const uint16_t *x, int64_t stride, const float *x_scales,
                                       float *y) {
#ifdef __AVX512BF16__
  const int32_t status = check_linear(w, rows, from, to);
  if (status != OCTET_OK || stride < w->k) {
    return status != OCTET_OK ? status : OCTET_BAD_SIZE;
  }
  if (w->form == FORM_F32 || w->form == FORM_F16) {
    return OCTET_BAD_FORM;
  }
  task t = {.w = w, .x = x, .stride = stride, .x_scales = x_scales, .y = y};
  many(1, fill_pairs, multiply_bf16_any, rows, from, to, &t);
  return OCTET_OK;
#else
  (void)w, (void)rows, (void)from, (void)to, (void)x, (void)stride, (void)x_scales, (void)y;
  return OCTET_BAD_FORM;
#endif
}
