/* tokenizer.h - text to token ids, equal to the reference `tokenizers` library in ids and offsets.
 *
 * A SuTokenizer is built once from tokenizer.json or vocab.txt and is immutable: any thread. A
 * SuTokenizerScratch holds one thread's growing buffers; encoding allocates only to grow them.
 * Steps: added tokens are cut out of the text; the rest is normalised, pre-tokenised, turned into
 * ids (WordPiece, BPE, WordLevel), and the post-processor adds special tokens. Offsets count
 * Unicode code points of the text as it was given. */
#ifndef SU_TOKENIZER_H
#define SU_TOKENIZER_H

#include "base/status.h"

#include <stdbool.h>

typedef struct SuTokenizer SuTokenizer;
typedef struct SuTokenizerScratch SuTokenizerScratch;

typedef struct SuEncodeRequest {
    const char *prefix; /* prompt, put before text as if the two were one string (offsets and errors
                           count from its start); NULL: none */
    size_t prefix_size;
    const char *text;
    size_t text_size;
    const char *pair; /* second text; NULL: none */
    size_t pair_size;
    uint32_t max_tokens;    /* special tokens included; 0: no limit. Pairs: longest first, as the
                               reference does */
    bool truncate_left;     /* keep the end instead of the start */
    bool want_offsets;      /* fill begin and end */
    bool no_special_tokens; /* leave the post-processor's tokens out */
} SuEncodeRequest;

/* Borrowed from the scratch until its next use; the arrays are never NULL, but for begin and
 * end. */
typedef struct SuEncoding {
    const int32_t *token_ids; /* [num_tokens] */
    const int32_t *type_ids;  /* [num_tokens] */
    const uint8_t *special;   /* [num_tokens] 1: put there by the post-processor */
    const uint32_t *begin,
        *end; /* [num_tokens] when want_offsets, else NULL; 0,0 for special tokens */
    size_t num_tokens;
    size_t tokens_seen; /* before truncation */
} SuEncoding;

/* `where` (a path) begins error messages. json and vocab are not needed after the call. Ids may
 * have gaps; an id or text that is there twice is an error (in vocab.txt the last line of a text
 * counts, as in the reference). Sections that change neither ids nor texts (truncation, padding)
 * are ignored. Errors: FORMAT, UNSUPPORTED (names the component and lists what is known),
 * MEMORY. */
SutraStatus su_tokenizer_from_json(const void *json, size_t size, const char *where,
                                   SuTokenizer **tokenizer, SutraError *err);

/* BERT tokenizer from one token a line; tokenizer_config.json's options (do_lower_case,
 * strip_accents, tokenize_chinese_chars, special token names) as the reference reads them; config
 * may be NULL. */
SutraStatus su_tokenizer_from_vocab(const void *vocab, size_t size, const void *config,
                                    size_t config_size, const char *where, SuTokenizer **tokenizer,
                                    SutraError *err);
void su_tokenizer_free(SuTokenizer *tokenizer);

uint32_t
su_tokenizer_vocab_size(const SuTokenizer *tokenizer); /* highest id + 1, added tokens included */
uint32_t su_tokenizer_num_special(const SuTokenizer *tokenizer,
                                  bool pair); /* tokens the post-processor adds */
/* One of the special tokens that the model's configuration names. */
bool su_tokenizer_is_named_special(const SuTokenizer *tokenizer, int32_t id);
/* The token's text, not NUL-terminated; NULL for an id that is not in the vocabulary. Borrowed. */
const char *su_tokenizer_token(const SuTokenizer *tokenizer, int32_t id, size_t *size);

SutraStatus su_tokenizer_scratch_create(SuTokenizerScratch **scratch, SutraError *err);
void su_tokenizer_scratch_free(SuTokenizerScratch *scratch);
/* Grows the buffers for texts of up to `text_size` bytes, so that encoding those allocates nothing
 * where the normaliser is a BertNormalizer and the model WordPiece. Buffers of other steps and
 * models grow to what a tokenizer's texts need, with the first of them. */
SutraStatus su_tokenizer_scratch_reserve(SuTokenizerScratch *scratch, size_t text_size,
                                         SutraError *err);

/* Errors: ARGUMENT (not valid UTF-8: names the byte), LIMIT (max_tokens below the special tokens; a
 * text of 4 Gi code points or more), FORMAT (the text needs an unknown token that the vocabulary
 * lacks), MEMORY. */
SutraStatus su_tokenizer_encode(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                                const SuEncodeRequest *request, SuEncoding *encoding,
                                SutraError *err);

/* The text of n token ids; those that no token has are passed over, and with skip_special all
 * special tokens. *text [*size] is the caller's (su_free), with a NUL behind it. Errors:
 * UNSUPPORTED (names the decoder), LIMIT (of a regular expression), MEMORY. */
SutraStatus su_tokenizer_decode(const SuTokenizer *tokenizer, const int32_t *ids, size_t n,
                                bool skip_special, char **text, size_t *size, SutraError *err);

#endif
