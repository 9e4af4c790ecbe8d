/*
 * Linear layers for many rows on tiles: INT8 and INT4 weights times INT8 activations, and every form
 * that BF16 holds exactly times BF16.
 *
 * Two tiles of x (32 rows) meet two of weights (32 outputs) in four tiles of sums, so that each loaded
 * tile is used twice. What bounds such a loop is where its tiles come from (docs/performance.md has
 * the count): a stretch of inputs of GROUP panels stays in L1 while all rows of a block pass by, and a
 * pair of row tiles while it meets those panels. Sums wait in memory between the stretches of one
 * scale, in y between chunks of k that together do not fit into L2.
 *
 * Sums of integers are exact, and what happens to them afterwards is what linear_int.c does in the same
 * order: outputs agree with the other tiers to the last bit.
 */
#include "tile_weights.h"

enum {
  BLOCK_ROWS = 256,
  CHUNK = 64, /* tiles along k: 256 rows of them are 1 MiB of L2 */
  PAIR_ROWS = 2 * TILE_ROWS,
  MOST_PAIRS = BLOCK_ROWS / PAIR_ROWS * (GROUP / 2),
  MOST_INPUTS = 65536, /* above, a sum of 255·128 could leave int32 */
};

/* One call. A block is what shares a scale; x has its own tiles for each. */
typedef struct {
  const octet_linear *w;
  int64_t rows;
  const uint8_t *x;       /* [⌈rows/16⌉][tiles][16][64] */
  const float *x_scales;  /* [rows]; BF16: NULL: 1 */
  const int32_t *x_sums;  /* [rows][blocks]; INT8 weights alone */
  float *y;               /* [rows][n] */
  int64_t blocks;
  int64_t block_tiles;    /* tiles along k of a block */
  int64_t tiles;          /* and of a row */
} layer;

/* Inputs of a group of panels: a part of one block, or several whole ones. */
typedef struct {
  int64_t first, count; /* tiles along k, from the row's start */
  int64_t part;         /* tiles that are summed before they are scaled */
  int opens, closes;    /* whether a block begins, ends here */
  int resumes, parks;   /* whether its sums come from y, go to y for a later chunk */
  int64_t panel;
  int panels;
  const uint8_t *right[GROUP]; /* [count] tiles of every panel */
  const uint8_t *ahead[GROUP]; /* the codes that come next */
} stretch;

/* 32 rows × 32 outputs at most, and where their sums lie: tiles [row tile][panel]. */
typedef struct {
  int64_t row, panel, block;
  int row_tiles, panels;
  int32_t (*sums)[TILE_ROWS * LANES];
} quad;

typedef struct {
  tile_file tiles;
  _Alignas(64) uint8_t right[GROUP][STRETCH * TILE_BYTES];
  _Alignas(64) int32_t sums[MOST_PAIRS][4][TILE_ROWS * LANES];
} workspace;

/* ---- products ---------------------------------------------------------------------------------- */

#define DOT(kind, t, c, a, b)          \
  do {                                 \
    if ((kind) == KIND_U8) {           \
      TILE_DOT_SU(t, c, a, b);         \
    } else if ((kind) == KIND_S8) {    \
      TILE_DOT_SS(t, c, a, b);         \
    } else {                           \
      TILE_DOT_BF16(t, c, a, b);       \
    }                                  \
  } while (0)

INLINE void open_sums(const int row_tiles, const int panels, tile_file *t, int zero, const quad *q) {
  if (zero) {
    TILE_ZERO(t, 0);
    if (panels == 2) TILE_ZERO(t, 1);
    if (row_tiles == 2) TILE_ZERO(t, 2);
    if (row_tiles == 2 && panels == 2) TILE_ZERO(t, 3);
    return;
  }
  TILE_LOAD(t, 0, q->sums[0], TILE_ROW_BYTES);
  if (panels == 2) TILE_LOAD(t, 1, q->sums[1], TILE_ROW_BYTES);
  if (row_tiles == 2) TILE_LOAD(t, 2, q->sums[2], TILE_ROW_BYTES);
  if (row_tiles == 2 && panels == 2) TILE_LOAD(t, 3, q->sums[3], TILE_ROW_BYTES);
}

INLINE void store_sums(const int row_tiles, const int panels, tile_file *t, const quad *q) {
  TILE_STORE(t, 0, q->sums[0], TILE_ROW_BYTES);
  if (panels == 2) TILE_STORE(t, 1, q->sums[1], TILE_ROW_BYTES);
  if (row_tiles == 2) TILE_STORE(t, 2, q->sums[2], TILE_ROW_BYTES);
  if (row_tiles == 2 && panels == 2) TILE_STORE(t, 3, q->sums[3], TILE_ROW_BYTES);
}

/* Where a quad's operands lie and what to fetch meanwhile. */
typedef struct {
  const uint8_t *left[2], *right[2];
  const uint8_t *next_left;     /* 1 KiB a step, into L1 */
  const uint8_t *next_right[2]; /* two lines a step, into L2 */
} operands;

INLINE void fetch(const int panels, const operands *o, int64_t step) {
  UNROLL
  for (int i = 0; i < TILE_ROWS; i++) {
    _mm_prefetch((const char *)o->next_left + step * TILE_BYTES + i * 64, _MM_HINT_T0);
  }
  UNROLL
  for (int p = 0; p < panels; p++) {
    _mm_prefetch((const char *)o->next_right[p] + step * 128, _MM_HINT_T1);
    _mm_prefetch((const char *)o->next_right[p] + step * 128 + 64, _MM_HINT_T1);
  }
}

/* Tiles 0…3 are sums, 4 and 5 rows of x, 6 and 7 weights. */
INLINE void multiply(const int kind, const int row_tiles, const int panels, tile_file *t,
                     const operands *o, int64_t from, int64_t end) {
  for (int64_t i = from; i < end; i++) {
    TILE_LOAD(t, 6, o->right[0] + i * TILE_BYTES, TILE_ROW_BYTES);
    TILE_LOAD(t, 4, o->left[0] + i * TILE_BYTES, TILE_ROW_BYTES);
    DOT(kind, t, 0, 4, 6);
    if (panels == 2) {
      TILE_LOAD(t, 7, o->right[1] + i * TILE_BYTES, TILE_ROW_BYTES);
      DOT(kind, t, 1, 4, 7);
    }
    if (row_tiles == 2) {
      TILE_LOAD(t, 5, o->left[1] + i * TILE_BYTES, TILE_ROW_BYTES);
      DOT(kind, t, 2, 5, 6);
      if (panels == 2) {
        DOT(kind, t, 3, 5, 7);
      }
    }
    fetch(panels, o, i);
  }
}

/* ---- sums to outputs --------------------------------------------------------------------------- */

INLINE float *output_at(const layer *l, int64_t row, int64_t panel) {
  return l->y + row * l->w->n + panel * LANES;
}

/* Adds a finished block of one row and panel to its outputs; the last block completes them. */
INLINE void add_block(const int kind, const layer *l, int64_t block, int64_t row, int64_t panel,
                      i32x16 sum) {
  const octet_linear *w = l->w;
  float *y = output_at(l, row, panel);
  if (kind == KIND_U8) {
    sum = centred(w, sum, panel, block, l->x_sums[row * l->blocks + block]);
  }
  if (kind != KIND_BF16 && l->blocks == 1) {
    finish_exact(w, sum, panel, l->x_scales[row], y);
    return;
  }
  const int outputs = outputs_of(w, panel);
  const f32x16 before = block == 0 ? f_zero() : f_load_some(y, outputs);
  f32x16 total = f_fma(kind == KIND_BF16 ? f_bits(sum) : f_of(sum), scale_of(w, panel, block), before);
  if (block == l->blocks - 1) {
    total = finished(w, panel, l->x_scales == NULL ? NULL : l->x_scales + row, total);
  }
  f_store_some(y, total, outputs);
}

/* What is to be done with the sums of a quad that is stored; nothing if its block goes on here. */
static void settle(const int kind, const layer *l, const stretch *s, const quad *q) {
  if (!s->closes && !s->parks) {
    return;
  }
  for (int p = 0; p < q->panels; p++) {
    const int64_t panel = q->panel + p;
    for (int64_t r = 0; r < q->row_tiles * TILE_ROWS && q->row + r < l->rows; r++) {
      const i32x16 sum = i_load(q->sums[r / TILE_ROWS * 2 + p] + r % TILE_ROWS * LANES);
      if (s->closes) {
        add_block(kind, l, q->block, q->row + r, panel, sum);
      } else {
        f_store_some(output_at(l, q->row + r, panel), f_bits(sum), outputs_of(l->w, panel));
      }
    }
  }
}

/* Sums that an earlier chunk left in y. */
static void resume(const layer *l, const quad *q) {
  for (int p = 0; p < q->panels; p++) {
    const int64_t panel = q->panel + p;
    for (int64_t r = 0; r < q->row_tiles * TILE_ROWS && q->row + r < l->rows; r++) {
      const f32x16 sum = f_load_some(output_at(l, q->row + r, panel), outputs_of(l->w, panel));
      i_store(q->sums[r / TILE_ROWS * 2 + p] + r % TILE_ROWS * LANES, i_cast(sum));
    }
  }
}

/* ---- blocking ---------------------------------------------------------------------------------- */

/*
 * One quad over one part of a stretch. `waiting` is the quad before: its sums are settled while the
 * tiles still multiply this one's.
 */
INLINE void step(const int kind, const int row_tiles, const int panels, const layer *l,
                 const stretch *s, const operands *o, int64_t from, const quad *q, quad *waiting,
                 tile_file *t) {
  if (s->resumes) {
    resume(l, q);
  }
  open_sums(row_tiles, panels, t, s->opens, q);
  multiply(kind, row_tiles, panels, t, o, from, from + s->part);
  settle(kind, l, s, waiting);
  store_sums(row_tiles, panels, t, q);
  *waiting = *q;
}

static void step_any(const int kind, const layer *l, const stretch *s, const operands *o, int64_t from,
                     const quad *q, quad *waiting, tile_file *t) {
  if (q->row_tiles == 2) {
    if (q->panels == 2) {
      step(kind, 2, 2, l, s, o, from, q, waiting, t);
    } else {
      step(kind, 2, 1, l, s, o, from, q, waiting, t);
    }
  } else if (q->panels == 2) {
    step(kind, 1, 2, l, s, o, from, q, waiting, t);
  } else {
    step(kind, 1, 1, l, s, o, from, q, waiting, t);
  }
}

/* The rows of a block with the panels of a stretch. */
INLINE void pass_rows(const int kind, const layer *l, const stretch *s, int64_t first_row, int64_t end_row,
                      workspace *ws) {
  quad waiting = {.row_tiles = 0};
  const int alone = s->opens && s->closes; /* sums are done with at once: two places will do */
  const uint8_t *top = l->x + (first_row / TILE_ROWS * l->tiles + s->first) * TILE_BYTES;
  int place = 0, turn = 0;
  for (int64_t row = first_row; row < end_row; row += PAIR_ROWS) {
    const uint8_t *left = l->x + (row / TILE_ROWS * l->tiles + s->first) * TILE_BYTES;
    const uint8_t *next =
        row + PAIR_ROWS < end_row ? left + 2 * l->tiles * TILE_BYTES : top + s->count * TILE_BYTES;
    const int row_tiles = end_row - row > TILE_ROWS ? 2 : 1;
    const int64_t passed = (row - first_row) / PAIR_ROWS * s->count * 128;
    for (int p = 0; p < s->panels; p += 2, place++) {
      const int second = p + 1 < s->panels ? p + 1 : p;
      const operands o = {
        .left = {left, left + l->tiles * TILE_BYTES},
        .right = {s->right[p], s->right[second]},
        .next_left = next + p / 2 * l->tiles * TILE_BYTES,
        .next_right = {s->ahead[p] + passed, s->ahead[second] + passed},
      };
      quad q = {.row = row, .panel = s->panel + p, .row_tiles = row_tiles, .panels = second - p + 1};
      q.block = s->first / l->block_tiles;
      for (int64_t from = 0; from < s->count; from += s->part, q.block++) {
        q.sums = ws->sums[alone ? turn++ % 2 : place];
        step_any(kind, l, s, &o, from, &q, &waiting, &ws->tiles);
      }
    }
  }
  settle(kind, l, s, &waiting);
}

/* The stretch at tile `first` of a chunk that ends at `end`: whole blocks, or a part of one. */
static stretch stretch_of(const layer *l, int64_t from, int64_t first, int64_t end) {
  const int64_t block = first / l->block_tiles * l->block_tiles;
  stretch s = {.first = first};
  if (l->block_tiles <= STRETCH && l->blocks > 1) {
    const int64_t most = STRETCH / l->block_tiles * l->block_tiles;
    s.part = l->block_tiles;
    s.count = end - first < most ? end - first : most;
    s.opens = s.closes = 1;
    return s;
  }
  const int64_t block_end = block + l->block_tiles;
  const int64_t left = (end < block_end ? end : block_end) - first;
  const int64_t stretches = (left + STRETCH - 1) / STRETCH; /* of nearly one size */
  s.count = s.part = (left + stretches - 1) / stretches;
  s.opens = first == block;
  s.closes = first + s.count == block_end;
  s.resumes = !s.opens && first == from;
  s.parks = !s.closes && first + s.count == end;
  return s;
}

static void find_weights(const int kind, const layer *l, int64_t panel, int panels, stretch *s,
                         workspace *ws) {
  const octet_linear *w = l->w;
  s->panel = panel;
  s->panels = panels;
  for (int p = 0; p < panels; p++) {
    const int64_t block = s->first / l->block_tiles;
    const int64_t first = s->first % l->block_tiles;
    const int64_t input = block * w->block + first * TILE_ROWS * row_inputs(kind);
    const uint8_t *codes = codes_at(w, panel + p, input);
    s->ahead[p] = codes + panel_bytes(w->form, s->count * TILE_ROWS * row_inputs(kind));
    if (lies_as_tiles(kind, w)) {
      s->right[p] = codes;
      continue;
    }
    s->right[p] = ws->right[p];
    for (int64_t at = 0; at < s->count; at += s->part) {
      unpack_tiles(kind, w, panel + p, block + at / s->part, first, s->part,
                   ws->right[p] + at * TILE_BYTES);
    }
  }
}

/* Tiles along k of a chunk: whole blocks where there are several. */
static int64_t chunk_of(const layer *l) {
  if (l->blocks > 1) {
    const int64_t blocks = CHUNK / l->block_tiles;
    return (blocks < 1 ? 1 : blocks) * l->block_tiles;
  }
  const int64_t chunks = (l->tiles + CHUNK - 1) / CHUNK;
  return (l->tiles + chunks - 1) / chunks;
}

INLINE void all_panels(const int kind, const layer *l, int64_t from, int64_t to, workspace *ws) {
  const int64_t chunk = chunk_of(l);
  for (int64_t k = 0; k < l->tiles; k += chunk) {
    const int64_t k_end = l->tiles - k < chunk ? l->tiles : k + chunk;
    for (int64_t row = 0; row < l->rows; row += BLOCK_ROWS) {
      const int64_t end_row = l->rows - row < BLOCK_ROWS ? l->rows : row + BLOCK_ROWS;
      for (int64_t panel = from; panel < to; panel += GROUP) {
        stretch s;
        for (int64_t first = k; first < k_end; first += s.count) {
          s = stretch_of(l, k, first, k_end);
          find_weights(kind, l, panel, to - panel < GROUP ? (int)(to - panel) : GROUP, &s, ws);
          pass_rows(kind, l, &s, row, end_row, ws);
        }
      }
    }
  }
}

static void run(int kind, layer *l, int64_t from, int64_t to, workspace *ws) {
  l->blocks = l->w->k / l->w->block;
  l->block_tiles = tiles_of(block_rows(kind, l->w));
  l->tiles = l->blocks * l->block_tiles;
  const tile_config config = whole_tiles();
  TILE_CONFIGURE(&ws->tiles, &config);
  switch (kind) {
    case KIND_U8: all_panels(KIND_U8, l, from, to, ws); break;
    case KIND_S8: all_panels(KIND_S8, l, from, to, ws); break;
    default: all_panels(KIND_BF16, l, from, to, ws); break;
  }
  TILE_RELEASE(&ws->tiles);
}

/* Whether the scratch is as large and as aligned as a workspace: on the stack it left the JVM too little. */
static int suits(const void *scratch, int64_t bytes) {
  return bytes >= (int64_t)sizeof(workspace) && (uintptr_t)scratch % _Alignof(workspace) == 0;
}

/* Bytes of scratch that either of the two needs, at a multiple of 64. */
OCTET_EXPORT int32_t octet_linear_tiles_scratch(int64_t *bytes) {
  *bytes = sizeof(workspace);
  return OCTET_OK;
}

/*
 * Outputs of the panels from…to-1 for all rows: y = x_scale·(Σ (x - offset)·(q - z)·s) + bias, with
 * INT8 or INT4 weights; zero points of INT4 at most 128 as stored.
 *
 * x [⌈rows/16⌉][k/block][⌈block/64⌉][16][64] codes (octet_tile_rows); x_scales [rows]; x_sums
 * [rows][k/block]; y [rows][n].
 */
OCTET_EXPORT int32_t octet_linear_int_tiles(const octet_linear *w, int64_t rows, int64_t from,
                                            int64_t to, const uint8_t *x, const float *x_scales,
                                            const int32_t *x_sums, float *y, void *scratch,
                                            int64_t scratch_bytes) {
  const int32_t status = check_linear(w, rows, from, to);
  if (status != OCTET_OK) {
    return status;
  }
  if (w->form != FORM_I8 && w->form != FORM_I4) {
    return OCTET_BAD_FORM;
  }
  if (!suits(scratch, scratch_bytes) || w->block > MOST_INPUTS || w->scales == NULL
      || (w->offset != NULL && w->block != w->k)) {
    return OCTET_BAD_SIZE;
  }
  layer l = {.w = w, .rows = rows, .x = x, .x_scales = x_scales, .x_sums = x_sums, .y = y};
  run(w->form == FORM_I8 ? KIND_U8 : KIND_S8, &l, from, to, scratch);
  return OCTET_OK;
}

/*
 * The same with BF16 x [⌈rows/16⌉][k/block][⌈block/32⌉][16][32], x_scales or NULL, and weights that BF16
 * holds exactly; OCTET_BAD_FORM for others. Denormal numbers count as zero.
 */
OCTET_EXPORT int32_t octet_linear_bf16_tiles(const octet_linear *w, int64_t rows, int64_t from,
                                             int64_t to, const uint8_t *x, const float *x_scales,
                                             float *y, void *scratch, int64_t scratch_bytes) {
  const int32_t status = check_linear(w, rows, from, to);
  if (status != OCTET_OK) {
    return status;
  }
  if (w->form == FORM_F32 || w->form == FORM_F16) {
    return OCTET_BAD_FORM;
  }
  if (!suits(scratch, scratch_bytes)) {
    return OCTET_BAD_SIZE;
  }
  layer l = {.w = w, .rows = rows, .x = x, .x_scales = x_scales, .y = y};
  run(KIND_BF16, &l, from, to, scratch);
  return OCTET_OK;
}
