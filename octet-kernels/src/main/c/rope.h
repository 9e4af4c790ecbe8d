/* The rotary embedding of one head, for rope.c and for keys on their way into the cache. */
#ifndef OCTET_ROPE_H
#define OCTET_ROPE_H

#include <stdint.h>

/* Rotates the first 2·half channels of a head in place. cosines, sines: [half] */
void octet_turn(float *head, const float *cosines, const float *sines, int64_t half);

#endif
