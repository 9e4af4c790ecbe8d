/*
 * The tiles of AMX: eight registers of up to 16 rows of 64 bytes, and what multiplies them. Behind the
 * same few names lie the instructions or, with OCTET_TILES_EMULATED, what Intel's manual says that
 * they do, so that the kernels can be tested on processors without them.
 *
 * Tiles are named by literal numbers. Kernels configure them at their start and release them at their
 * end: released, the registers are in their initial state, which costs nothing on a task switch, and
 * nobody else on this thread finds them in use. A signal in between is harmless: the system saves the
 * tiles in the signal's frame before a handler runs and restores them after it, as it does for every
 * other register; the JVM's handlers use no tiles themselves, and it stops no thread for a safepoint
 * inside native code.
 */
#ifndef OCTET_TILE_H
#define OCTET_TILE_H

#include <stdint.h>

enum { TILES = 8, TILE_ROWS = 16, TILE_ROW_BYTES = 64, TILE_BYTES = TILE_ROWS * TILE_ROW_BYTES };

/* The operand of LDTILECFG (Intel SDM volume 2, LDTILECFG). */
typedef struct {
  uint8_t palette; /* 1: eight tiles of 1 KiB */
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;

_Static_assert(sizeof(tile_config) == 64, "what LDTILECFG reads");

#ifdef OCTET_TILES_EMULATED

#include "tile_emulated.h"

#define TILE_CONFIGURE(t, config) emulated_configure(t, config)
#define TILE_RELEASE(t) emulated_release(t)
#define TILE_ZERO(t, c) emulated_zero(t, c)
#define TILE_LOAD(t, to, from, stride) emulated_load(t, to, from, stride)
#define TILE_STORE(t, from, to, stride) emulated_store(t, from, to, stride)
#define TILE_DOT_SS(t, c, a, b) emulated_dot(t, c, a, b, 1)
#define TILE_DOT_SU(t, c, a, b) emulated_dot(t, c, a, b, 0)
#define TILE_DOT_BF16(t, c, a, b) emulated_dot_bf16(t, c, a, b)

#else

/*
 * Not the compiler's intrinsics: GCC does not tell itself that TILELOADD reads memory, and may move a
 * store behind it.
 */
typedef struct {
  char none;
} tile_file;

#define TILE_CONFIGURE(t, config) \
  ((void)(t), tile_configure(config))
#define TILE_RELEASE(t)                            \
  do {                                             \
    (void)(t);                                     \
    __asm__ volatile("tilerelease" ::: "memory");  \
  } while (0)
#define TILE_ZERO(t, c)                            \
  do {                                             \
    (void)(t);                                     \
    __asm__ volatile("tilezero %%tmm" #c ::);      \
  } while (0)
#define TILE_LOAD(t, to, from, stride)                                                   \
  do {                                                                                   \
    (void)(t);                                                                           \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #to ::"r"((const void *)(from)),       \
                     "r"((int64_t)(stride)) : "memory");                                 \
  } while (0)
#define TILE_STORE(t, from, to, stride)                                                  \
  do {                                                                                   \
    (void)(t);                                                                           \
    __asm__ volatile("tilestored %%tmm" #from ", (%0,%1,1)" ::"r"((void *)(to)),         \
                     "r"((int64_t)(stride)) : "memory");                                 \
  } while (0)
/* In this syntax the operands stand in the reverse order of the manual's. */
#define TILE_DOT(t, instruction, c, a, b)                                                \
  do {                                                                                   \
    (void)(t);                                                                           \
    __asm__ volatile(instruction " %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::);              \
  } while (0)
#define TILE_DOT_SS(t, c, a, b) TILE_DOT(t, "tdpbssd", c, a, b)
#define TILE_DOT_SU(t, c, a, b) TILE_DOT(t, "tdpbsud", c, a, b)
#define TILE_DOT_BF16(t, c, a, b) TILE_DOT(t, "tdpbf16ps", c, a, b)

static inline void tile_configure(const tile_config *config) {
  __asm__ volatile("ldtilecfg %0" ::"m"(*config) : "memory");
}

#endif

/* Every tile of 16 rows of 64 bytes. */
static inline tile_config whole_tiles(void) {
  tile_config config = {.palette = 1};
  for (int i = 0; i < TILES; i++) {
    config.row_bytes[i] = TILE_ROW_BYTES;
    config.rows[i] = TILE_ROWS;
  }
  return config;
}

#endif
