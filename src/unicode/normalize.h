/* normalize.h - canonical decomposition and combining classes (Unicode Standard Annex 15). */
#ifndef SU_NORMALIZE_H
#define SU_NORMALIZE_H

#include <stddef.h>
#include <stdint.h>

#define SU_DECOMPOSITION_MAX 4u

/* Writes the full canonical decomposition, at least the code point itself, and returns how many
 * parts it has. The parts of one code point are in canonical order. */
size_t su_unicode_decompose(uint32_t code_point, uint32_t out[SU_DECOMPOSITION_MAX]);

/* 0 for starters. */
uint8_t su_unicode_combining_class(uint32_t code_point);

#endif
