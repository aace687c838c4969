/* unicode_tables.h - the generated tables; read them through category.h, case.h, …
 *
 * Each fact is a two-stage table over blocks of 128 code points: blocks[index[c >> 7] << 7 | c & 127].
 * Only properties, kinds and scripts reach U+10FFFF; the others end at SU_UNICODE_MAPPED_LIMIT, above which nothing maps. */
#ifndef SU_UNICODE_TABLES_H
#define SU_UNICODE_TABLES_H

#include <stdint.h>

#define SU_UNICODE_LIMIT 0x110000u
#define SU_UNICODE_MAPPED_LIMIT 0x2fa80u

extern const uint8_t su_unicode_property_index[SU_UNICODE_LIMIT / 128];
extern const uint8_t su_unicode_property_blocks[];

extern const uint8_t su_unicode_kind_index[SU_UNICODE_LIMIT / 128];
extern const uint8_t su_unicode_kind_blocks[];

extern const uint8_t su_unicode_script_index[SU_UNICODE_LIMIT / 128];
extern const uint8_t su_unicode_script_blocks[];

extern const uint8_t su_unicode_decomposition_index[SU_UNICODE_MAPPED_LIMIT / 128];
extern const uint16_t su_unicode_decomposition_blocks[]; /* place in the pool, 0: none */
extern const uint32_t su_unicode_decomposition_pool[];   /* the last part has bit 31 set */

extern const uint8_t su_unicode_compatible_index[SU_UNICODE_MAPPED_LIMIT / 128];
extern const uint16_t su_unicode_compatible_blocks[]; /* place in the pool, 0: as canonical */

#define SU_UNICODE_COMPOSITIONS 940u
extern const uint64_t su_unicode_composition_pairs[]; /* first << 32 | second, ascending */
extern const uint32_t su_unicode_compositions[];      /* of the pair at the same index */

extern const uint8_t su_unicode_class_index[SU_UNICODE_MAPPED_LIMIT / 128];
extern const uint8_t su_unicode_class_blocks[];

extern const uint8_t su_unicode_lower_index[SU_UNICODE_MAPPED_LIMIT / 128];
extern const uint8_t su_unicode_lower_blocks[]; /* place in deltas */
extern const int32_t su_unicode_lower_deltas[];

#endif
