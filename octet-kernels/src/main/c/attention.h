/*
 * Attention of queries over a paged cache of keys and values, a tile of 64 keys at a time.
 *
 * What is read (dev.octet.kernels.attention.KvFormat): a head's keys lie channel-major [dim, 64],
 * its values token-major [64, dim], each followed by 64 F32 token scales where it has them. Rows
 * are interleaved when a tile is read, so that the bytes a dot-product instruction sums lie in one
 * 32-bit lane: four rows of INT8, two of BF16. [k/4][columns][4 bytes] is at the same time what a
 * matrix tile takes as its right-hand operand, and every single word of it can be broadcast as the
 * left-hand one. So the interleaved keys serve both forms of the product:
 *
 *   few rows (decoding)   S  = Q K'   a vector holds 16 keys     O  = P V    16 channels
 *   many rows (prefill)   S' = K Q'   a vector holds 16 queries  O' = V' P'  16 queries
 *
 * In the second, maxima and sums of the softmax need no shuffles and P becomes the operand of the
 * next product by shifts alone.
 */
#ifndef OCTET_ATTENTION_H
#define OCTET_ATTENTION_H

#include "octet.h"

enum { KEY_TILE = 64 };

/* Element types of a cache. Of INT4, keys and values are, with 64 zero points behind their scales. */
enum { KV_F32, KV_F16, KV_BF16, KV_INT8, KV_E4M3, KV_E5M2, KV_INT4 };

/* What a product multiplies. */
enum { IN_F32, IN_BF16, IN_INT8 };

/* One call of Java's attend(), shared by all its tasks. Pointers that may be null say so. */
typedef struct {
  const float *q;          /* [queries, heads * group, key_dim] */
  float *out;              /* [queries, heads * group, value_dim] */
  float *lse;              /* [heads * group, queries], or null */
  const uint8_t *mask;     /* [queries, keys], 1 = seen, or null */
  uint8_t *const *blocks;  /* of 64 tokens */
  const float *mean;       /* subtracted from keys before they were rotated [heads, key_dim], or null */
  const float *signs;      /* of the rotation [key_dim]; null: keys are not rotated */
  const float *key_scales; /* static [heads, key_dim], or null */
  const float *value_scales; /* static [heads, value_dim], or null */
  float *parts;            /* [heads, splits, rows, value_dim + 3], or null with one split */
  int64_t head_bytes;      /* from one head to the next in a block */
  int64_t key_at;          /* offsets in a head's part of a block */
  int64_t key_scale_at;    /* -1: none */
  int64_t value_at;
  int64_t value_scale_at;  /* -1: none */
  int32_t scores_in;       /* what Q K' multiplies */
  int32_t values_in;       /* what P V multiplies */
  int32_t key_type;
  int32_t value_type;
  int32_t key_dim;
  int32_t value_dim;
  int32_t heads;           /* key/value heads */
  int32_t group;           /* query heads of one */
  int32_t queries;
  int32_t keys;            /* tokens in the cache */
  int32_t causal;
  int32_t offset;          /* key position of query 0 */
  int32_t window;          /* 0: none */
  int32_t hadamard;        /* block of the rotation, a power of two */
  int32_t splits;
  float scale;             /* of the scores */
  int32_t fast;            /* INT8 alone: codes of P as attn_fast.c makes them */
  const float *key_offsets;   /* of static scales: o for octet_append, o s for octet_remove_offsets
                                 [heads, key_dim], or null */
  const float *value_offsets; /* the same [heads, value_dim] */
  const float *cosines;       /* what octet_append rotates keys by [tokens, pairs], or null */
  const float *sines;         /* the same */
  int64_t pairs;              /* of channels that are rotated */
} octet_attention;

_Static_assert(sizeof(octet_attention) == 232, "AttentionCall.java writes it field by field");

/* Bytes of scratch a task of so many heads and rows needs. */
OCTET_EXPORT int32_t octet_attend_scratch(
    const octet_attention *call, int32_t heads, int32_t rows, int64_t *bytes);

/*
 * Rows first_row .. first_row + rows of some heads against blocks from_block .. to_block. Row r is query
 * r / group of the head's query head r % group. With several splits the result goes to the parts,
 * else to out and lse. Several heads read a block from its begin to its end, which memory is made for.
 */
OCTET_EXPORT int32_t octet_attend(
    const octet_attention *call,
    int32_t head,
    int32_t heads,
    int32_t first_row,
    int32_t rows,
    int32_t from_block,
    int32_t to_block,
    int32_t split,
    void *scratch,
    int64_t scratch_bytes);

/* Merges the parts of a head's rows into out and lse, in the order of the splits. */
OCTET_EXPORT int32_t octet_attend_merge(const octet_attention *call, int32_t head);

/*
 * Frees outputs and log-sum-exps of queries from ... to - 1 of what the offsets of static scales put into
 * them. Queries that see no key are left alone.
 */
OCTET_EXPORT int32_t octet_remove_offsets(const octet_attention *call, int32_t from, int32_t to);

/* Bytes of scratch octet_append needs. */
OCTET_EXPORT int32_t octet_append_scratch(const octet_attention *layout, int64_t *bytes);

/*
 * Stores tokens from ... to - 1 of heads head ... head + heads - 1: applies the rotary embedding to keys,
 * smooths, rotates and quantizes them, quantizes values, as the fields of `layout` that describe a cache
 * say; its first block is the one that token `first` falls into.
 * Keys before token keys_from are left alone. Zero points of INT4 follow its 64 scales.
 *
 * keys, values: [tokens, heads, dim], token `first` first, as are cosines and sines; values null: left
 * alone, too
 *
 * OCTET_NOT_FINITE: INT8 with static scales was to hold a NaN or an infinity; what is stored then is of
 * no use.
 */
OCTET_EXPORT int32_t octet_append(
    const octet_attention *layout,
    int32_t head,
    int32_t heads,
    int32_t first,
    int32_t from,
    int32_t to,
    int32_t keys_from,
    const float *keys,
    const float *values,
    void *scratch,
    int64_t scratch_bytes);

#endif
