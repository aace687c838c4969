/* wordpiece.h - the WordPiece model: a word becomes the longest token that it begins with, then the
 * longest continuing tokens; a word that cannot be taken apart, or is too long, becomes unk. */
#ifndef SU_WORDPIECE_H
#define SU_WORDPIECE_H

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_row.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_table.h"

typedef struct SuWordPiece {
    SuWordTable initial, continuing; /* continuing: without the prefix */
    int32_t unk_id;
    size_t max_chars; /* code points of the longest word that is taken apart */
} SuWordPiece;

/* Where the bytes of a word lie in the original text: byte i is code point source[i], or first + i
 * when source is NULL. */
typedef struct SuWordPlace {
    const uint32_t *source;
    uint32_t first;
} SuWordPlace;

typedef struct SuWordPieceOptions {
    const char *unk_token, *prefix; /* of continuing tokens */
    size_t max_chars;
    SuPreTokenizer pre_tokenizer; /* tokens that its words cannot begin with are left out */
} SuWordPieceOptions;

/* The tokens' texts are borrowed from the vocabulary. Errors: FORMAT (no unk token), MEMORY. */
SutraStatus su_wordpiece_create(SuWordPiece *model, const SuVocabulary *vocabulary,
                                const SuWordPieceOptions *options, const char *where,
                                SutraError *err);
void su_wordpiece_free(SuWordPiece *model);

/* Pushes the tokens of word [size]; size > 0; valid UTF-8; SU_WORD_LOAD bytes are readable from any
 * of its bytes. Errors: MEMORY. */
SutraStatus su_wordpiece_encode(const SuWordPiece *model, const char *word, size_t size,
                                SuWordPlace place, SuTokenRow *row, SutraError *err);

#endif
