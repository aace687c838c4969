/* added_tokens.h - tokens that are cut out of the text before it reaches the model.
 *
 * Two sets: tokens with `normalized` unset are searched in the text as it is given, the others (in
 * their own normalised form) in the normalised text between those. A match is the leftmost, then
 * the longest; matches do not overlap; single_word refuses a match without looking for a shorter
 * one; lstrip and rstrip widen it over white space. All of it as the reference does. */
#ifndef SU_ADDED_TOKENS_H
#define SU_ADDED_TOKENS_H

#include "tokenizer/normalizer.h"
#include "tokenizer/vocabulary.h"

typedef struct SuAddedToken {
    char *content; /* owned */
    size_t size;
    char *pattern; /* what is searched for: content, or its normalised form; owned */
    size_t pattern_size;
    int32_t id; /* as the file gives it, -1 if it gives none; checked by finish */
    bool single_word, lstrip, rstrip, normalized, special;
    bool named; /* a special token that the configuration names (transformers' all_special_ids) */
    bool bare;  /* of those: given by its text alone */
    bool fallback; /* an earlier token of the same content is kept */
    size_t order;  /* of the call of su_added_tokens_add */
} SuAddedToken;

/* Tokens that are searched for together. */
typedef struct SuAddedSet {
    const SuAddedToken **sorted; /* [count] by pattern */
    size_t count;
    uint32_t first[257]; /* sorted[first[b] … first[b + 1]) begin with byte b */
    int only_byte;       /* the byte that all patterns begin with, or -1 */
    bool split_special;  /* a match of a special token is passed over */
} SuAddedSet;

typedef struct SuAddedTokens {
    SuAddedToken *tokens; /* [count] by id once finished */
    size_t count, capacity;
    SuAddedSet plain, normalized;
    bool split_special; /* special tokens are not cut out of the text */
} SuAddedTokens;

/* A piece of text: an added token, or (token == NULL) what lies between two of them. */
typedef struct SuAddedPiece {
    const SuAddedToken *token;
    size_t begin, end; /* bytes */
} SuAddedPiece;

/* Walks over the pieces of a text. */
typedef struct SuAddedCursor {
    const SuAddedSet *set;
    const char *text;
    size_t size;
    size_t search; /* where the next match may begin */
    size_t done;   /* bytes that pieces have covered */
    SuAddedPiece pending;
} SuAddedCursor;

/* Copies the token, its pattern too if it has one; one without content is ignored, as the reference
 * does. Errors: MEMORY. */
SutraStatus su_added_tokens_add(SuAddedTokens *added, const SuAddedToken *token, SutraError *err);

/* After the last add: numbers the tokens as the reference does (the id of the same text in the
 * vocabulary, else the next one from the vocabulary's size on, whatever the file says) and builds
 * the sets. Of tokens with the same content the last one is kept. Errors: FORMAT (a file's id is
 * not the one that the token gets, or belongs to another token; two tokens are equal when
 * normalised, or nothing is left of one), MEMORY. */
SutraStatus su_added_tokens_finish(SuAddedTokens *added, const SuVocabulary *vocabulary,
                                   const SuNormalizer *normalizer, const char *where,
                                   SutraError *err);
/* Instead of finish, for tokens that were finished before: they were added by id, with their
 * patterns. Errors: FORMAT, MEMORY. */
SutraStatus su_added_tokens_restore(SuAddedTokens *added, const char *where, SutraError *err);
const SuAddedToken *su_added_tokens_with_id(const SuAddedTokens *added, int32_t id);
const SuAddedToken *su_added_tokens_with_content(const SuAddedTokens *added, const char *content);
void su_added_tokens_free(SuAddedTokens *added);

SuAddedCursor su_added_cursor(const SuAddedSet *set, const char *text, size_t size);
bool su_added_cursor_next(SuAddedCursor *cursor, SuAddedPiece *piece);

#endif
