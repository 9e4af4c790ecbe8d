/*
 * The kernels' entry points. One rule for all: sizes are checked by the caller in Java and again
 * here, nothing allocates, nothing is global, and the result is a status. Pointers are not checked:
 * Java passes segments whose sizes it has compared with the sizes given.
 */
#ifndef OCTET_H
#define OCTET_H

#include <stddef.h>
#include <stdint.h>

#define OCTET_EXPORT __attribute__((visibility("default")))

/* Raised whenever the meaning of an entry changes; Java refuses a library of another number. */
#define OCTET_ABI 5

enum {
  OCTET_OK = 0,
  OCTET_BAD_SIZE = 1, /* a negative size, a range outside its whole, a product that overflows */
  OCTET_BAD_FORM = 2, /* a code for a type or option that this library does not know */
  OCTET_NOT_FINITE = 3, /* a NaN or an infinity where a form has no code for it */
};

OCTET_EXPORT int32_t octet_abi(void);

#endif
