/* normalizer.h - the normalizer section of tokenizer.json: text to normalised text, with the code
 * point that each byte comes from.
 *
 * A list of steps, each of which takes what the step before made:
 *   BertNormalizer   clean_text drops control characters and turns white space into ' ';
 *                    handle_chinese_chars puts spaces around ideographs; strip_accents decomposes
 *                    (NFD) and drops nonspacing marks; lowercase maps each code point by itself
 * A byte's source is that of the reference: after canonical reordering the k-th original code point
 * keeps the k-th place, whichever mark stands there now. */
#ifndef SU_NORMALIZER_H
#define SU_NORMALIZER_H

#include "base/json_file.h"
#include "tokenizer/normalized.h"

#define SU_MAX_NORMALIZERS 32u

typedef enum SuNormalizerKind { SU_NORMALIZER_BERT = 0 } SuNormalizerKind;

typedef struct SuNormalizerStep {
    SuNormalizerKind kind;
    bool clean_text, handle_chinese_chars, strip_accents, lowercase; /* of BERT */
} SuNormalizerStep;

typedef struct SuNormalizer {
    SuNormalizerStep *steps; /* [count] */
    size_t count;
} SuNormalizer;

/* json may be NULL (no steps). To be freed whatever is returned. Errors: FORMAT, UNSUPPORTED,
 * LIMIT, MEMORY. */
SutraStatus su_normalizer_from_json(const json_t *json, const char *where, SuNormalizer *normalizer,
                                    SutraError *err);
/* Adds a copy of the step. Errors: MEMORY. */
SutraStatus su_normalizer_add(SuNormalizer *normalizer, const SuNormalizerStep *step,
                              SutraError *err);
void su_normalizer_free(SuNormalizer *normalizer);
/* The one step of a normalizer that is a BertNormalizer alone; otherwise NULL. */
SuNormalizerStep *su_normalizer_bert(const SuNormalizer *normalizer);

/* Replaces what `normalized` holds by the normalised text. first is the index of text's first code
 * point in the original. text is valid UTF-8. Errors: MEMORY. */
SutraStatus su_normalizer_run(const SuNormalizer *normalizer, const char *text, size_t size,
                              uint32_t first, bool with_source, SuNormalized *normalized,
                              SutraError *err);

#endif
