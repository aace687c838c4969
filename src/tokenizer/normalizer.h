/* normalizer.h - the normalizer section of tokenizer.json: text to normalised text, with the code
 * point that each byte comes from.
 *
 * A list of steps, each of which takes what the step before made:
 *   BertNormalizer   clean_text drops control characters and turns white space into ' ';
 *                    handle_chinese_chars puts spaces around ideographs; strip_accents decomposes
 *                    (NFD) and drops nonspacing marks; lowercase maps each code point by itself
 *   NFC NFD NFKC NFKD   Unicode Standard Annex 15
 *   Lowercase           each code point by itself
 *   StripAccents        drops marks
 *   Strip               drops white space at the start, at the end
 *   Replace             a string, or the matches of a regular expression, by a string
 *   Prepend             puts a string in front of a text that is not empty
 *   Precompiled         SentencePiece's map of characters (precompiled_charsmap.h)
 *   Nmt                 drops control characters, makes spaces of others
 *   ByteLevel           each byte as the character that stands for it (byte_alphabet.h)
 * A byte's source is that of the reference: after canonical reordering the k-th original code point
 * keeps the k-th place, whichever mark stands there now. */
#ifndef SU_NORMALIZER_H
#define SU_NORMALIZER_H

#include "base/json_file.h"
#include "tokenizer/normalized.h"
#include "tokenizer/precompiled_charsmap.h"

#define SU_MAX_NORMALIZERS 32u

typedef enum SuNormalizerKind {
    SU_NORMALIZER_BERT = 0,
    SU_NORMALIZER_NFC,
    SU_NORMALIZER_NFD,
    SU_NORMALIZER_NFKC,
    SU_NORMALIZER_NFKD,
    SU_NORMALIZER_LOWERCASE,
    SU_NORMALIZER_STRIP_ACCENTS,
    SU_NORMALIZER_STRIP,
    SU_NORMALIZER_REPLACE,
    SU_NORMALIZER_PREPEND,
    SU_NORMALIZER_PRECOMPILED,
    SU_NORMALIZER_NMT,
    SU_NORMALIZER_BYTE_LEVEL,
    SU_NUM_NORMALIZERS
} SuNormalizerKind;

/* Expressions of REPLACE that need no engine. */
typedef enum SuReplaceShape {
    SU_REPLACE_OTHER = 0,
    SU_REPLACE_ENDS, /* "\\A +| +\\z", by nothing */
    SU_REPLACE_START /* "\\A" and then nothing but characters */
} SuReplaceShape;

typedef struct SuNormalizerStep {
    SuNormalizerKind kind;
    bool clean_text, handle_chinese_chars, strip_accents, lowercase; /* of BERT */
    bool strip_left, strip_right;                                    /* of STRIP */
    char *pattern;                                                   /* [pattern_size] of REPLACE */
    size_t pattern_size;
    uint32_t repeats; /* of REPLACE: the pattern at least that often, as often as it is; 0: once */
    SuReplaceShape shape;  /* of the expression; su_normalizer_add sets it */
    SuPattern *expression; /* of REPLACE: what the pattern is, if it is a regular expression */
    char *content;         /* [content_size] of REPLACE and PREPEND */
    size_t content_size;
    char *blob; /* [blob_size] of PRECOMPILED */
    size_t blob_size;
    SuCharsmap map; /* in the blob */
} SuNormalizerStep;

typedef struct SuNormalizer {
    SuNormalizerStep *steps; /* [count] */
    size_t count;
} SuNormalizer;

/* json may be NULL (no steps). To be freed whatever is returned. Errors: FORMAT, UNSUPPORTED,
 * LIMIT, MEMORY. */
SutraStatus su_normalizer_from_json(const json_t *json, const char *where, SuNormalizer *normalizer,
                                    SutraError *err);
/* Adds a copy of the step and of its texts, and takes over its expression, also when it fails.
 * Errors: MEMORY. */
SutraStatus su_normalizer_add(SuNormalizer *normalizer, const SuNormalizerStep *step,
                              SutraError *err);
void su_normalizer_free(SuNormalizer *normalizer);
/* Puts the last step in front of the others. */
void su_normalizer_last_first(SuNormalizer *normalizer);
/* The one step of a normalizer that is a BertNormalizer alone; otherwise NULL. */
SuNormalizerStep *su_normalizer_bert(const SuNormalizer *normalizer);

/* Replaces what `normalized` holds by the normalised text. first is the index of text's first code
 * point in the original. text is valid UTF-8. Errors: LIMIT (of a regular expression), MEMORY. */
SutraStatus su_normalizer_run(const SuNormalizer *normalizer, const char *text, size_t size,
                              uint32_t first, bool with_source, SuNormalized *normalized,
                              SutraError *err);

#endif
