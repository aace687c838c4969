/* bpe.h - the BPE model: a word becomes symbols (its characters, or bytes), of which the two side
 * by side whose merge has the lowest rank, and of those the first, become one token, until there is
 * no merge left.
 *
 * Parts: no merge goes over a place between two characters that no token has side by side. So a
 * word is cut there, and its parts become tokens one by one: a text that is one word (Metaspace
 * without split) costs what its words do, and Chinese without spaces is cut into what is met again
 * (word_cache.h). Models with affixes, that drop symbols, or whose merges join the unknown token or
 * those of byte_fallback, have none; of bytes only words that are too long for the cache are cut.
 *
 * Bytes: where words come from a ByteLevel pre-tokeniser as their last step, the model takes the
 * bytes as they are (keep_bytes) instead of the characters that ByteLevel writes them as. */
#ifndef SU_BPE_H
#define SU_BPE_H

#include "tokenizer/pair_table.h"
#include "tokenizer/token_model.h"
#include "tokenizer/token_seams.h"
#include "tokenizer/word_table.h"

#include <string.h>

#define SU_BPE_AFFIX 32u /* bytes of the longest prefix or suffix */

/* Places between characters by their classes: those of a class whose characters differ are known
 * by seams. Classes: ASCII that is a symbol, each its own; U+2581; all others together. */
typedef struct SuBpeJoins {
    uint8_t classes[128];  /* of ASCII */
    uint64_t rows[128][2]; /* rows[a] has bit b: tokens have a character of b behind one of a */
} SuBpeJoins;

#define SU_BPE_SPACE "\xe2\x96\x81" /* U+2581 */
enum { SU_BPE_CLASS_SPACE = 0, SU_BPE_CLASS_OTHER = 1 };

typedef struct SuBpe {
    SuPairTable merges;
    SuWordTable whole;   /* words that are one token, so that nothing need be merged */
    SuWordTable symbols; /* texts of single characters, with prefix and suffix; unless bytes */
    char *text;          /* [text_size] the bytes of tokens, when bytes; then padding */
    size_t text_size;
    int32_t byte_ids[256]; /* symbols of bytes; unless bytes those of byte_fallback; -1: none */
    int32_t unk_id;        /* -1: not in the vocabulary */
    uint64_t serial;       /* of no other model of the process; 0 while it is made: no cache */
    bool bytes, has_unk, fuse_unk, byte_fallback;
    bool whole_parts;   /* whole has what parts become, too */
    SuBpeJoins *joins;  /* where words are cut into parts; NULL: nowhere, but for bytes */
    SuTokenSeams seams; /* the same, within a class, and of bytes */
    uint32_t prefix_size, suffix_size;
    char prefix[SU_BPE_AFFIX], suffix[SU_BPE_AFFIX]; /* of continuing characters, of the last one */
} SuBpe;

/* The class of the character that text [size] begins with; *step: its bytes. */
static inline uint8_t su_bpe_class(const SuBpeJoins *joins, const char *text, size_t size,
                                   size_t *step)
{
    unsigned char byte = (unsigned char)*text;
    *step = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    if (byte < 0x80) return joins->classes[byte];
    bool space = size >= 3 && memcmp(text, SU_BPE_SPACE, 3) == 0;
    return space ? SU_BPE_CLASS_SPACE : SU_BPE_CLASS_OTHER;
}

extern const SuTokenModelKind su_bpe_kind; /* its models are SuBpes */

/* Whether the section describes a model that can take bytes: none is dropped, which would shift the
 * places of others by characters of the alphabet. */
bool su_bpe_takes_bytes(const json_t *json, const SuVocabulary *vocabulary);

/* encode of su_bpe_kind. */
SutraStatus su_bpe_encode(const void *model, SuModelScratch *scratch, const char *word, size_t size,
                          SuWordPlace place, SuTokenRow *row, SutraError *err);
size_t su_bpe_scratch_size(size_t size);

#endif
