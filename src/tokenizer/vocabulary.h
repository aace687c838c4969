/* vocabulary.h - the tokens of a tokenizer: text and id, both ways.
 *
 * Built in two steps: su_vocabulary_add for every token, then su_vocabulary_finish, after which it
 * is immutable. Ids need not be contiguous; memory does not depend on how large they are. */
#ifndef SU_VOCABULARY_H
#define SU_VOCABULARY_H

#include "base/status.h"

#include <stdbool.h>

typedef struct SuToken {
    uint32_t offset, size; /* bytes of the vocabulary's text */
    int32_t id;
} SuToken;

typedef struct SuVocabulary {
    SuToken *tokens; /* [count] by id once finished */
    size_t count, capacity;
    char *text; /* [text_size] every token's bytes, one after the other, then padding */
    size_t text_size, text_capacity;
    uint32_t *places; /* [mask + 1] open-addressed by text: index into tokens + 1; 0: free */
    size_t mask;
} SuVocabulary;

/* Copies the text. Errors: LIMIT (4 GiB of text), MEMORY. */
SutraStatus su_vocabulary_add(SuVocabulary *vocabulary, const char *text, size_t size, int32_t id,
                              SutraError *err);

/* All lines of a vocab.txt, with su_vocabulary_finish: a line's number is its token's id. Errors:
 * FORMAT (not UTF-8), LIMIT, MEMORY. */
SutraStatus su_vocabulary_read_lines(SuVocabulary *vocabulary, const char *text, size_t size,
                                     const char *where, SutraError *err);

/* Sorts by id. last_wins: of equal texts the last one added stays, and the others'
 * ids are without a token. Errors: FORMAT (an id twice, or a text twice; names it), MEMORY. */
SutraStatus su_vocabulary_finish(SuVocabulary *vocabulary, bool last_wins, const char *where,
                                 SutraError *err);
void su_vocabulary_free(SuVocabulary *vocabulary);

/* NULL if there is none. */
const SuToken *su_vocabulary_find(const SuVocabulary *vocabulary, const char *text, size_t size);
const SuToken *su_vocabulary_token(const SuVocabulary *vocabulary, int32_t id);
/* The token's bytes; NULL where it lies outside the text (a damaged image). */
const char *su_vocabulary_text(const SuVocabulary *vocabulary, const SuToken *token);

#endif
