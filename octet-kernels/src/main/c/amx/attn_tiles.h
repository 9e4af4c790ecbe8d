/* The two products of attention on tiles of AMX, for 64 keys and 32 queries. */
#ifndef OCTET_ATTN_TILES_H
#define OCTET_ATTN_TILES_H

#include "attn_tile.h"

void octet_tiles_begin(tile_file *t);

void octet_tiles_end(tile_file *t);

/*
 * Left operands of words [steps][stride], as octet_pack_tile makes them: tiles [columns/16][k_tiles]
 * of 16 columns and 16 steps, zeros behind the last step.
 */
void octet_tile_operand(
    const int32_t *words, ptrdiff_t stride, int steps, int k_tiles, int columns, int32_t *out);

/*
 * Sums of 64 keys and the first 16 or all 32 queries into x [64][32], INT32 or F32 by what is
 * multiplied. queries: words [16 k_tiles][32].
 */
void octet_tile_scores(
    tile_file *t, int in, const int32_t *keys, const int32_t *queries, int k_tiles, int columns, float *x);

/* Scores of such sums, in place. */
void octet_tile_scale(int in, const scores *to, int columns);

/* octet_outputs with left operands of octet_tile_operand; room for two tiles of 16 x 32 sums. */
void octet_tile_outputs(
    tile_file *t, int in, const int32_t *values, const int32_t *p, const outputs *to, int width,
    int columns, int32_t *room);

#endif
