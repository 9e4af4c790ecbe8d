/*
 * The numbers of codes of 8 bits, which BF16 holds exactly, as two bytes to be looked up: bits 31…24 and
 * 23…16 of the float of codes 0…127, bit 7 of a code being its sign. Those of INT8 are magnitudes.
 */
#ifndef OCTET_BF16_CODES_H
#define OCTET_BF16_CODES_H

#include <stdint.h>

typedef struct {
  _Alignas(64) uint8_t high[128], low[128];
} bf16_codes;

#define EVERY_16(of, c)                                                                          \
  of(c), of(c + 1), of(c + 2), of(c + 3), of(c + 4), of(c + 5), of(c + 6), of(c + 7), of(c + 8), \
      of(c + 9), of(c + 10), of(c + 11), of(c + 12), of(c + 13), of(c + 14), of(c + 15)
#define EVERY(of)                                                                     \
  { EVERY_16(of, 0), EVERY_16(of, 16), EVERY_16(of, 32), EVERY_16(of, 48),            \
    EVERY_16(of, 64), EVERY_16(of, 80), EVERY_16(of, 96), EVERY_16(of, 112) }

/* Upper halves. E4M3: exponents from -6; below, multiples of 2⁻⁹; one code is no number. */
#define E4M3_FLOAT(c)                                                            \
  ((c) == 0x7f ? 0x7fff                                                          \
   : (c) >= 8  ? ((c) / 8 + 120) << 7 | (c) % 8 << 4                             \
   : (c) >= 4  ? 120 << 7 | (c) % 4 << 5                                         \
   : (c) >= 2  ? 119 << 7 | (c) % 2 << 6                                         \
               : (c) * 118 << 7)
/* E5M2: exponents from -14, the highest for what is not finite; below, multiples of 2⁻¹⁶. */
#define E5M2_FLOAT(c)                                                            \
  ((c) >= 0x7d  ? 0x7fff                                                         \
   : (c) >= 124 ? 0x7f80                                                         \
   : (c) >= 4   ? ((c) / 4 + 112) << 7 | (c) % 4 << 5                            \
   : (c) >= 2   ? 112 << 7 | (c) % 2 << 6                                        \
                : (c) * 111 << 7)
/* Integers: the exponent is the place of the highest bit, the others follow it. */
#define INT8_OF(c, place) ((127 + place) << 7 | ((c) << (7 - place) & 0x7f))
#define INT8_FLOAT(c)                                                            \
  ((c) >= 64  ? INT8_OF(c, 6)                                                    \
   : (c) >= 32 ? INT8_OF(c, 5)                                                   \
   : (c) >= 16 ? INT8_OF(c, 4)                                                   \
   : (c) >= 8  ? INT8_OF(c, 3)                                                   \
   : (c) >= 4  ? INT8_OF(c, 2)                                                   \
   : (c) >= 2  ? INT8_OF(c, 1)                                                   \
               : (c) * (127 << 7))
#define E4M3_HIGH(c) E4M3_FLOAT(c) >> 8
#define E4M3_LOW(c) E4M3_FLOAT(c) & 0xff
#define E5M2_HIGH(c) E5M2_FLOAT(c) >> 8
#define E5M2_LOW(c) E5M2_FLOAT(c) & 0xff
#define INT8_HIGH(c) INT8_FLOAT(c) >> 8
#define INT8_LOW(c) INT8_FLOAT(c) & 0xff

static const bf16_codes E4M3_CODES = {EVERY(E4M3_HIGH), EVERY(E4M3_LOW)};
static const bf16_codes E5M2_CODES = {EVERY(E5M2_HIGH), EVERY(E5M2_LOW)};
static const bf16_codes INT8_CODES = {EVERY(INT8_HIGH), EVERY(INT8_LOW)};

#endif
