/* bpe.h - the BPE model: a word becomes symbols (its characters, or bytes), of which the two side
 * by side whose merge has the lowest rank, and of those the first, become one token, until there is
 * no merge left.
 *
 * Bytes: where words come from a ByteLevel pre-tokeniser as their last step, the model takes the
 * bytes as they are (keep_bytes) instead of the characters that ByteLevel writes them as. */
#ifndef SU_BPE_H
#define SU_BPE_H

#include "tokenizer/pair_table.h"
#include "tokenizer/token_model.h"
#include "tokenizer/word_table.h"

#define SU_BPE_AFFIX 32u /* bytes of the longest prefix or suffix */

typedef struct SuBpe {
    SuPairTable merges;
    SuWordTable whole;   /* words that are one token, so that nothing need be merged */
    SuWordTable symbols; /* texts of single characters, with prefix and suffix; unless bytes */
    char *text;          /* [text_size] the bytes of tokens, when bytes; then padding */
    size_t text_size;
    int32_t byte_ids[256]; /* symbols of bytes; unless bytes those of byte_fallback; -1: none */
    int32_t unk_id;        /* -1: not in the vocabulary */
    bool bytes, has_unk, fuse_unk, byte_fallback;
    uint32_t prefix_size, suffix_size;
    char prefix[SU_BPE_AFFIX], suffix[SU_BPE_AFFIX]; /* of continuing characters, of the last one */
} SuBpe;

extern const SuTokenModelKind su_bpe_kind; /* its models are SuBpes */

/* Whether the section describes a model that can take bytes: none is dropped, which would shift the
 * places of others by characters of the alphabet. */
bool su_bpe_takes_bytes(const json_t *json, const SuVocabulary *vocabulary);

/* encode of su_bpe_kind. */
SutraStatus su_bpe_encode(const void *model, SuModelScratch *scratch, const char *word, size_t size,
                          SuWordPlace place, SuTokenRow *row, SutraError *err);
size_t su_bpe_scratch_size(size_t size);

#endif
