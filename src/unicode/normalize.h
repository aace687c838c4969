/* normalize.h - decompositions, compositions and combining classes (Unicode Standard Annex 15). */
#ifndef SU_NORMALIZE_H
#define SU_NORMALIZE_H

#include <stddef.h>
#include <stdint.h>

#define SU_DECOMPOSITION_MAX 4u

/* Writes the full canonical decomposition, at least the code point itself, and returns how many
 * parts it has. The parts of one code point are in canonical order. */
size_t su_unicode_decompose(uint32_t code_point, uint32_t out[SU_DECOMPOSITION_MAX]);

#define SU_COMPATIBLE_MAX 18u

/* The same of the compatibility decomposition. */
size_t su_unicode_decompose_compatible(uint32_t code_point, uint32_t out[SU_COMPATIBLE_MAX]);

/* The code point that the pair is composed to (a primary composite); 0: none. */
uint32_t su_unicode_compose(uint32_t first, uint32_t second);

/* 0 for starters. */
uint8_t su_unicode_combining_class(uint32_t code_point);

#endif
