/* normalizer.h - the normalizer section of tokenizer.json: text to normalised text, with the code
 * point that each byte comes from.
 *
 * BertNormalizer, in the reference's order: clean_text drops control characters and turns white
 * space into ' '; handle_chinese_chars puts spaces around ideographs; strip_accents decomposes
 * (NFD) and drops nonspacing marks; lowercase maps each code point by itself. A byte's source is
 * that of the reference: after canonical reordering the k-th original code point keeps the k-th
 * place, whichever mark stands there now. */
#ifndef SU_NORMALIZER_H
#define SU_NORMALIZER_H

#include "base/json_file.h"

typedef enum SuNormalizerKind { SU_NORMALIZER_NONE = 0, SU_NORMALIZER_BERT } SuNormalizerKind;

typedef struct SuNormalizer {
    SuNormalizerKind kind;
    bool clean_text, handle_chinese_chars, strip_accents, lowercase; /* of BERT */
} SuNormalizer;

/* Bytes that may be read after the last byte of a normalised text; zero. */
#define SU_NORMALIZED_PADDING 16u
/* No byte of text becomes more than this many, nor more than 3 / 2 code points. */
#define SU_NORMALIZED_GROWTH 3u

/* Normalised text in buffers that only grow. */
typedef struct SuNormalized {
    char *bytes;      /* [size], then padding */
    uint32_t *source; /* [size] index of the original code point; written when with_source */
    size_t size;
    bool with_source;
    size_t capacity, source_capacity;
    uint32_t *marks;        /* [mark_capacity] combining marks that wait for the next starter */
    uint32_t *mark_sources; /* [mark_capacity] */
    size_t mark_capacity;
} SuNormalized;

/* json may be NULL (no normalizer). Errors: FORMAT, UNSUPPORTED. */
SutraStatus su_normalizer_from_json(const json_t *json, const char *where, SuNormalizer *normalizer,
                                    SutraError *err);

/* Room for any text of `text_size` bytes. Errors: MEMORY. */
SutraStatus su_normalized_reserve(SuNormalized *normalized, size_t text_size, bool with_source,
                                  SutraError *err);
void su_normalized_free(SuNormalized *normalized);

/* Replaces what `normalized` holds by the normalised text. first is the index of text's first code
 * point in the original. text is valid UTF-8. Errors: MEMORY. */
SutraStatus su_normalizer_run(const SuNormalizer *normalizer, const char *text, size_t size,
                              uint32_t first, bool with_source, SuNormalized *normalized,
                              SutraError *err);

#endif
