/* wordpiece.h - the WordPiece model: a word becomes the longest token that it begins with, then the
 * longest continuing tokens; a word that cannot be taken apart, or is too long, becomes unk. */
#ifndef SU_WORDPIECE_H
#define SU_WORDPIECE_H

#include "tokenizer/token_model.h"
#include "tokenizer/word_table.h"

typedef struct SuWordPiece {
    SuWordTable initial, continuing; /* continuing: without the prefix */
    int32_t unk_id;
    size_t max_chars; /* code points of the longest word that is taken apart */
} SuWordPiece;

typedef struct SuWordPieceOptions {
    const char *unk_token, *prefix; /* of continuing tokens */
    size_t max_chars;
    bool bert_words; /* words of BertPreTokenizer: tokens that those cannot begin with are left
                        out */
} SuWordPieceOptions;

extern const SuTokenModelKind su_wordpiece_kind; /* its models are SuWordPieces */

/* fill of su_wordpiece_kind, by options. Texts of tokens are borrowed from the vocabulary. Errors:
 * FORMAT (no unk token), MEMORY. */
SutraStatus su_wordpiece_fill(SuWordPiece *model, const SuVocabulary *vocabulary,
                              const SuWordPieceOptions *options, const char *where,
                              SutraError *err);

/* encode of su_wordpiece_kind, without scratch. */
SutraStatus su_wordpiece_encode(const SuWordPiece *model, const char *word, size_t size,
                                SuWordPlace place, SuTokenRow *row, SutraError *err);

#endif
