/* vocabulary.h - the tokens of a tokenizer: text and id, both ways.
 *
 * Built in two steps: su_vocabulary_add for every token, then su_vocabulary_finish, after which it
 * Built in two steps: su_vocabulary_add for every token, then su_vocabulary_finish, after which it
 * is immutable and its tokens have an index each, by id. Ids need not be contiguous; memory does
 * not depend on how large they are. */
#ifndef SU_VOCABULARY_H
#define SU_VOCABULARY_H

#include "base/status.h"

#include <stdbool.h>

/* One token. The text has no end mark. */
typedef struct SuToken {
    const char *text; /* [size]; NULL where it lies outside the vocabulary's (a damaged image) */
    size_t size;
    int32_t id;
} SuToken;

/* A token on its way into a vocabulary. */
typedef struct SuNewToken {
    uint32_t offset, size; /* bytes of the text so far */
    int32_t id;
} SuNewToken;

typedef struct SuVocabulary {
    size_t count;
    char *text; /* [text_size] every token's bytes, one after the other, then padding */
    size_t text_size, text_capacity;
    uint32_t *starts; /* [count + 1] of the tokens' bytes in text, by index */
    int32_t *ids;     /* [count] by index, ascending; NULL: the index is the id */
    uint32_t *places; /* [mask + 1] open-addressed by text: index + 1; 0: free; NULL: of an image */
    size_t mask;
    SuNewToken *added; /* [count] until finished, in the order they came */
    size_t capacity;
} SuVocabulary;

/* Copies the text. Errors: LIMIT (4 GiB of text), MEMORY. */
SutraStatus su_vocabulary_add(SuVocabulary *vocabulary, const char *text, size_t size, int32_t id,
                              SutraError *err);

/* All lines of a vocab.txt, with su_vocabulary_finish: a line's number is its token's id. Errors:
 * FORMAT (not UTF-8), LIMIT, MEMORY. */
SutraStatus su_vocabulary_read_lines(SuVocabulary *vocabulary, const char *text, size_t size,
                                     const char *where, SutraError *err);

/* What becomes of texts that are there twice. */
typedef enum SuSameTexts {
    SU_SAME_TEXTS_FAIL = 0,
    SU_SAME_TEXTS_LAST, /* the last one added stays, and the others' ids are without a token */
    SU_SAME_TEXTS_STAY  /* all ids have their token, and the text has the highest id */
} SuSameTexts;

/* Sorts by id. Errors: FORMAT (an id twice, or a text twice; names it), MEMORY. */
SutraStatus su_vocabulary_finish(SuVocabulary *vocabulary, SuSameTexts same, const char *where,
                                 SutraError *err);
void su_vocabulary_free(SuVocabulary *vocabulary);

/* The token at index < count. */
SuToken su_vocabulary_at(const SuVocabulary *vocabulary, size_t index);
/* Whether there is such a token, which *token becomes. */
bool su_vocabulary_find(const SuVocabulary *vocabulary, const char *text, size_t size,
                        SuToken *token);
bool su_vocabulary_token(const SuVocabulary *vocabulary, int32_t id, SuToken *token);

#endif
