/* The entries of attention: a task of some rows of some heads against some blocks. */
#ifdef OCTET_TILES
#include "amx/attn_tiles.h"
#endif
#include "attn_nibbles.h"
#include "attn_task.h"

static int is_packed(const octet_attention *c) { return c->key_type == KV_INT4; }

/* The call as its tasks see it: nibbles are unpacked block by block. */
static octet_attention task_call(const octet_attention *call) {
  return is_packed(call) ? octet_unpacked_call(call) : *call;
}

static int forms_fit(const octet_attention *c) {
  if (!is_packed(c)) {
    return octet_forms_fit(c);
  }
  octet_attention unpacked = octet_unpacked_call(c);
  return c->value_type == KV_INT4 && c->key_scale_at >= 0 && c->value_scale_at >= 0 && !c->key_scales
      && !c->value_scales && octet_forms_fit(&unpacked);
}

int32_t octet_attend_scratch(const octet_attention *call, int32_t heads, int32_t rows, int64_t *bytes) {
  if (!octet_sizes_fit(call) || rows < 1 || rows > MAX_DIM || heads < 1 || heads > call->heads) {
    return OCTET_BAD_SIZE;
  }
  if (!forms_fit(call)) {
    return OCTET_BAD_FORM;
  }
  octet_attention own = task_call(call);
  plan how = octet_plan(&own);
  *bytes = heads * octet_task_bytes(&own, &how, rows) + (is_packed(call) ? octet_unpacked_bytes(call) : 0);
  return OCTET_OK;
}

/* Bytes of a head's block that are asked for before queries are made ready. */
enum { FIRST_BYTES = 8192 };

/* Decoding reads a block once, and waits for its first lines longer than for any other. */
static void fetch_first(const octet_attention *c, int head, int block) {
  const uint8_t *part = part_of_block(c, block, head);
  const int64_t bytes = c->head_bytes < FIRST_BYTES ? c->head_bytes : FIRST_BYTES;
  for (int64_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(part + i);
  }
}

/*
 * What is read after a block of head `head`: the next block of the task or, where it had all of the keys, the first
 * one of the next heads, whose task most likely follows. Otherwise nothing new.
 */
static const uint8_t *after(const octet_attention *c, int to_block, int block, int head, int heads) {
  if (block + 1 < to_block) {
    return part_of_block(c, block + 1, head);
  }
  int next = c->splits == 1 && head + heads < c->heads;
  return next ? part_of_block(c, 0, head + heads) : part_of_block(c, block, head);
}

int32_t octet_attend(
    const octet_attention *call, int32_t head, int32_t heads, int32_t first_row, int32_t rows,
    int32_t from_block, int32_t to_block, int32_t split, void *scratch, int64_t scratch_bytes) {
  int64_t need = 0;
  int32_t status = octet_attend_scratch(call, heads, rows, &need);
  if (status != OCTET_OK) {
    return status;
  }
  int64_t blocks = ((int64_t)call->keys + KEY_TILE - 1) / KEY_TILE;
  if (scratch_bytes < need || head < 0 || head > call->heads - heads || first_row < 0
      || (int64_t)first_row + rows > (int64_t)call->queries * call->group || from_block < 0
      || to_block < from_block || to_block > blocks || split < 0 || split >= call->splits) {
    return OCTET_BAD_SIZE;
  }
  tile_file matrix;
  octet_attention own = task_call(call);
  plan how = octet_plan(&own);
  int64_t stride = octet_task_bytes(&own, &how, rows);
  uint8_t *unpacked = (uint8_t *)scratch + heads * stride;
  if (rows <= FEW_ROWS && from_block < to_block) {
    fetch_first(call, head, from_block);
  }
  for (int h = 0; h < heads; h++) {
    task *t = octet_begin_task(&own, &how, head + h, first_row, rows, &matrix, (uint8_t *)scratch + h * stride);
    octet_share_room(t, scratch);
  }
#ifdef OCTET_TILES
  octet_tiles_begin(&matrix);
#endif
  for (int block = from_block; block < to_block; block++) {
    for (int h = 0; h < heads; h++) {
      task *t = (task *)(void *)((uint8_t *)scratch + h * stride);
      int last = h + 1 == heads;
      const uint8_t *part = part_of_block(call, block, head + h);
      const uint8_t *next =
          last ? after(call, to_block, block, head, heads) : part_of_block(call, block, head + h + 1);
      if (is_packed(call) && octet_sees_block(t, block)) {
        octet_unpack(call, part, unpacked);
        part = unpacked;
        next = unpacked;
      }
      octet_block_of_keys(t, block, part, next);
    }
  }
#ifdef OCTET_TILES
  octet_tiles_end(&matrix);
#endif
  for (int h = 0; h < heads; h++) {
    octet_finish_task((const task *)(const void *)((uint8_t *)scratch + h * stride), split);
  }
  return OCTET_OK;
}
