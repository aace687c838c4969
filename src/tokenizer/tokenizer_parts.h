/* tokenizer_parts.h - what a SuTokenizer and its scratch are made of. Private to src/tokenizer. */
#ifndef SU_TOKENIZER_PARTS_H
#define SU_TOKENIZER_PARTS_H

#include "base/json_file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/decoder.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_model.h"
#include "tokenizer/tokenizer.h"

/* What one byte of ASCII is to the fast path. */
typedef enum SuByteClass {
    SU_BYTE_OTHER = 0, /* not ASCII, or not simply kept: the slow path decides */
    SU_BYTE_SPACE,
    SU_BYTE_PUNCTUATION,
    SU_BYTE_WORD /* A-Z a-z 0-9 */
} SuByteClass;

struct SuTokenizer {
    SuNormalizer normalizer;
    SuPreTokenizer pre_tokenizer;
    SuVocabulary vocabulary; /* of the model */
    SuTokenModel model;
    SuAddedTokens added;
    SuPostProcessor post_processor;
    SuDecoder decoder;
    uint32_t vocab_size; /* highest id + 1 */
    bool fast;           /* the fast path applies: WordPiece on words of BertPreTokenizer */
    bool exact_scores;   /* of SuTokenModelSource */
    bool mapped;         /* the vocabulary lies in an image (tokenizer_image.c) */
    uint8_t byte_class[256];
    int32_t punctuation_ids[128];
};

struct SuTokenizerScratch {
    SuNormalized normalized;
    SuPreTokenizerScratch pre_tokenizer;
    SuModelScratch model;
    SuTokenRow rows[2];   /* of text and pair, without special tokens */
    const char *texts[2]; /* what the rows were made of; borrowed for a call */
    SuTokenRow result;
    int32_t *type_ids; /* [type_capacity] */
    uint8_t *special;  /* [type_capacity] */
    size_t type_capacity;
    char *joined; /* [joined_capacity] prefix and text */
    size_t joined_capacity;
};

/* The vocabulary of tokenizer.json `root`. Errors: FORMAT, UNSUPPORTED, MEMORY. */
SutraStatus su_tokenizer_read_vocabulary(const json_t *root, const char *where,
                                         SuVocabulary *vocabulary, SutraError *err);
/* All sections of tokenizer.json; su_added_tokens_finish and su_tokenizer_finish are left to do. */
SutraStatus su_tokenizer_read_sections(const json_t *root, const char *where,
                                       SuTokenizer *tokenizer, SutraError *err);

/* After the parts are in place: ids are consistent, the fast path's tables. Errors: FORMAT. */
SutraStatus su_tokenizer_finish(SuTokenizer *tokenizer, const char *where, SutraError *err);

/* Tokens of valid UTF-8 that holds no plain added token. first is the index of its first code
 * point. encode_slow takes any tokenizer; encode_fast one with `fast` set, and gives the same. */
SutraStatus su_tokenizer_encode_slow(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                                     const char *text, size_t size, uint32_t first, SuTokenRow *row,
                                     SutraError *err);
SutraStatus su_tokenizer_encode_fast(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                                     const char *text, size_t size, uint32_t first, SuTokenRow *row,
                                     SutraError *err);
/* trim_offsets of the post-processor on row[from, size), the tokens of one text. */
void su_tokenizer_trim_offsets(const SuTokenizer *tokenizer, const char *text, SuTokenRow *row,
                               size_t from);

/* Sets fast, byte_class and punctuation_ids. */
void su_tokenizer_prepare_fast(SuTokenizer *tokenizer);

#endif
