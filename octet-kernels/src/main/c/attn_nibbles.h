/*
 * An INT4 cache read as an INT8 one: its codes less their zero points are numbers from -15 to 15, with
 * the same scales. A head's part of a block is unpacked once and then multiplied like any other.
 */
#ifndef OCTET_ATTN_NIBBLES_H
#define OCTET_ATTN_NIBBLES_H

#include "attention.h"

/* The call over the unpacked cache. call: octet_forms_fit but for the INT4 of keys and values. */
octet_attention octet_unpacked_call(const octet_attention *call);

/* Bytes of an unpacked part, a multiple of 64. */
int64_t octet_unpacked_bytes(const octet_attention *call);

/* Unpacks a head's part of a block. out: octet_unpacked_bytes, as octet_unpacked_call says it lies. */
void octet_unpack(const octet_attention *call, const uint8_t *head, uint8_t *out);

#endif
