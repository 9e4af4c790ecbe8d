/* A task of attention, some rows of a head against some blocks: what it knows and where it keeps things. */
#ifndef OCTET_ATTN_TASK_H
#define OCTET_ATTN_TASK_H

#include "attn_tile.h"

enum {
  FEW_ROWS = 8,      /* up to so many, queries are rows of the products */
  TILE_QUERIES = 32, /* columns of a tile otherwise */
  MAX_DIM = 1 << 16,
};

/* Where a task keeps things in its scratch. Rows are padded to whole tiles. */
typedef struct {
  int32_t *queries; /* few rows: [rows][key_words], else tiles of [key_words][TILE_QUERIES] */
  int32_t *keys;    /* [key_words][64] */
  int32_t *values;  /* [value_words][width] */
  int32_t *key_tiles;   /* both as left operands, with how.tiles */
  int32_t *value_tiles;
  int32_t *codes;   /* of a query on its way into a tile */
  float *x;         /* [64][TILE_QUERIES] or [rows][64] */
  int32_t *p;
  float *acc;       /* few rows: [rows][width], else tiles of [width][TILE_QUERIES] */
  float *row;
  float *factor;    /* of each row */
  int32_t *bias;
  double *shift;
  int32_t *from;    /* first key seen */
  int32_t *end;     /* one past the last */
  state s;
  float *key_scale; /* [64] of the keys in work */
  float *value_scale;
  float *weight; /* of octet_fast_bound */
} workspace;

typedef struct {
  const octet_attention *call;
  plan how;
  int head;
  int first_row;
  int rows;
  int few;
  int direct; /* few, and tiles are multiplied as they are stored */
  int tiled;  /* many, and multiplied on tiles */
  tile_file *matrix;
  int query_words; /* of a query in its tile */
  int tiles;
  int odd_scales; /* whether a scale of the values in work is no number */
  float bound;    /* octet_fast_bound of the tile in work; 0 without how.fast */
  workspace w;
} task;

/* Tiles of 16 words. */
INLINE int word_tiles(int words) { return (words + LANES - 1) / LANES; }

INLINE int64_t clamp(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

/* Position of row r of the task in q and out, both seen as rows of a head's channels. */
INLINE int64_t position(const task *t, int r) {
  const octet_attention *c = t->call;
  int64_t row = (int64_t)t->first_row + r;
  return row / c->group * c->heads * c->group + (int64_t)t->head * c->group + row % c->group;
}

INLINE int64_t query_of(const task *t, int r) { return ((int64_t)t->first_row + r) / t->call->group; }

/* How a call computes on this tier. */
plan octet_plan(const octet_attention *call);

int octet_sizes_fit(const octet_attention *c);

int octet_forms_fit(const octet_attention *c);

/* Bytes of a head's task and of its workspace. */
int64_t octet_task_bytes(const octet_attention *call, const plan *how, int rows);

/* The task of a head, with its queries, in the scratch that it needs. */
task *octet_begin_task(
    const octet_attention *call, const plan *how, int head, int first_row, int rows, tile_file *matrix,
    uint8_t *scratch);

/* What a task needs for one tile alone is the same for all heads, and stays in the first cache. */
void octet_share_room(task *t, const task *first);

/* Finds the keys that row r sees. */
void octet_set_visibility(task *t, int r);

/* Row r is beyond the last and fills its tile: nobody reads what it computes. */
void octet_pad_row(task *t, int r);

/* Whether rows from..to see nothing (0), a part (1) or all (2) of a tile. */
int octet_seen(const task *t, int from, int to, int first_key, int count);

/* Scores [rows][64] of the keys that their queries do not see become -inf. */
void octet_hide_across(task *t, int first_key, int count);

/* The same for scores [keys][TILE_QUERIES] of rows first..first + columns. */
void octet_hide_down(task *t, int first, int columns, int first_key, int count, int keys);

/* Whether a row sees any key of a block. */
int octet_sees_block(const task *t, int block);

/* Takes a block's keys and values in. head: the part of it to read; next: the one that is read next. */
void octet_block_of_keys(task *t, int block, const uint8_t *head, const uint8_t *next);

/* A head's part of a block. */
INLINE const uint8_t *part_of_block(const octet_attention *c, int block, int head) {
  return c->blocks[block] + head * c->head_bytes;
}

/* Writes outputs and log-sum-exps, or the parts of a split. */
void octet_finish_task(const task *t, int split);

#endif
