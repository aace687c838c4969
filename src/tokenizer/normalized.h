/* normalized.h - normalised text in buffers that only grow. */
#ifndef SU_NORMALIZED_H
#define SU_NORMALIZED_H

#include "tokenizer/pattern.h"
#include "tokenizer/text_buffer.h"

typedef struct SuNormalized {
    SuText text;
    SuText before; /* what the last step read */
    bool with_source;
    uint32_t *marks;        /* [mark_capacity] combining marks that wait for the next starter */
    uint32_t *mark_sources; /* [mark_capacity] of BertNormalizer; in NFC marks that are blocked */
    size_t mark_capacity;
    SuPatternScratch matches; /* of regular expressions */
} SuNormalized;

/* No byte of text becomes more than this many, nor more than 3 / 2 code points, when it is
 * decomposed canonically, put in lower case or set apart. */
#define SU_NORMALIZED_GROWTH 3u

/* The same of bytes that are decomposed compatibly. */
#define SU_COMPATIBLE_GROWTH 11u

/* Room for what a text of `text_size` bytes becomes within that bound, and for its marks. Errors:
 * MEMORY. */
SutraStatus su_normalized_reserve(SuNormalized *normalized, size_t text_size, bool with_source,
                                  SutraError *err);
void su_normalized_free(SuNormalized *normalized);

#endif
