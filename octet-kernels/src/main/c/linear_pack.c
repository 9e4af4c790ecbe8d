/* Packs a weight's rows into panels (linear.h). */
#include <string.h>

#include "linear.h"

/* Written by LinearCalls.java, which has the same fields in the same order. */
typedef struct {
  int64_t n, k;   /* as in the model */
  int64_t block;  /* inputs that share a scale; the last block may be short */
  int64_t padded; /* the same, padded to whole steps of the form */
  int32_t form;
} octet_rows;

_Static_assert(sizeof(octet_rows) == 40, "LinearCalls.ROWS_BYTES");

/* Inputs and bytes of a step of one output; panel = source ^ flip. */
typedef struct {
  int64_t inputs, bytes;
  uint32_t flip;
} step_of;

static step_of step(int32_t form) {
  switch (form) {
    case FORM_I8: return (step_of){4, 4, 0x80808080};
    case FORM_I4: return (step_of){8, 4, 0x88888888};
    case FORM_E2M1: return (step_of){8, 4, 0};
    case FORM_F32: return (step_of){1, 4, 0};
    case FORM_BF16: return (step_of){2, 4, 0};
    case FORM_F16: return (step_of){1, 2, 0};
    default: return (step_of){4, 4, 0};
  }
}

/* Four nibbles of 16 bits to the low halves of four bytes. */
INLINE uint32_t spread(uint32_t x) {
  x = (x | x << 8) & 0x00ff00ff;
  return (x | x << 4) & 0x0f0f0f0f;
}

/* Eight nibbles in the order of the inputs, from input `at` of a packed row; zeros from `end` on. */
static uint32_t nibbles(const uint8_t *row, int64_t at, int64_t end) {
  uint32_t eight = 0;
  if (at % 2 == 0 && end - at >= 8) {
    memcpy(&eight, row + at / 2, 4);
    return eight;
  }
  for (int i = 0; i < 8 && at + i < end; i++) {
    eight |= (uint32_t)(row[(at + i) / 2] >> 4 * ((at + i) % 2) & 15) << 4 * i;
  }
  return eight;
}

/* One step of one output as it lies in a panel, before the flip. */
INLINE uint32_t read_step(int32_t form, step_of s, const uint8_t *row, int64_t at, int64_t end) {
  if (form == FORM_I4 || form == FORM_E2M1) {
    const uint32_t eight = nibbles(row, at, end);
    return spread(eight & 0xffff) | spread(eight >> 16) << 4;
  }
  const int64_t size = s.bytes / s.inputs;
  const int64_t there = end - at < s.inputs ? end - at : s.inputs;
  uint32_t value = 0;
  if (there == s.inputs) {
    memcpy(&value, row + at * size, (size_t)s.bytes);
  } else {
    memcpy(&value, row + at * size, (size_t)(there * size));
  }
  return value;
}

INLINE void pack_panel(const int32_t form, const octet_rows *m, const uint8_t *rows, int64_t panel,
                       uint8_t *out) {
  const step_of s = step(form);
  const int64_t row_bytes = form == FORM_I4 || form == FORM_E2M1 ? (m->k + 1) / 2 : m->k * (s.bytes / s.inputs);
  for (int64_t first = 0; first < m->k; first += m->block) {
    const int64_t end = first + m->block < m->k ? first + m->block : m->k;
    for (int64_t at = first; at < first + m->padded; at += s.inputs) {
      for (int o = 0; o < LANES; o++, out += s.bytes) {
        const int64_t row = panel * LANES + o;
        uint32_t value = 0;
        if (row < m->n && at < end) {
          value = read_step(form, s, rows + row * row_bytes, at, end);
        }
        value ^= s.flip;
        memcpy(out, &value, (size_t)s.bytes);
      }
    }
  }
}

/*
 * Packs the panels from…to-1. rows: [n][k] codes in the form's element type; I4 and E2M1: [n][⌈k/2⌉] bytes of
 * two nibbles, the low one first. panels: the whole packed weight.
 */
OCTET_EXPORT int32_t octet_linear_pack(const octet_rows *m, int64_t from, int64_t to,
                                       const uint8_t *rows, uint8_t *panels) {
  const int64_t most = (int64_t)1 << 31;
  if (m->form < 0 || m->form >= FORMS) {
    return OCTET_BAD_FORM;
  }
  if (m->n < 1 || m->k < 1 || m->block < 1 || m->block > m->k || m->padded < m->block || m->n >= most
      || m->k >= most || m->padded >= most || m->padded % form_step(m->form) != 0 || from < 0
      || from > to || to > (m->n + LANES - 1) / LANES) {
    return OCTET_BAD_SIZE;
  }
  const int64_t k = (m->k + m->block - 1) / m->block * m->padded;
  if (k >= most) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t p = from; p < to; p++) {
    uint8_t *out = panels + p * panel_bytes(m->form, k);
    switch (m->form) { /* a constant form makes the copies single moves */
      case FORM_F32: pack_panel(FORM_F32, m, rows, p, out); break;
      case FORM_F16: pack_panel(FORM_F16, m, rows, p, out); break;
      case FORM_BF16: pack_panel(FORM_BF16, m, rows, p, out); break;
      case FORM_I8: pack_panel(FORM_I8, m, rows, p, out); break;
      case FORM_I4: pack_panel(FORM_I4, m, rows, p, out); break;
      case FORM_E2M1: pack_panel(FORM_E2M1, m, rows, p, out); break;
      default: pack_panel(FORM_E4M3, m, rows, p, out); break;
    }
  }
  return OCTET_OK;
}
