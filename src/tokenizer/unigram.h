/* unigram.h - the Unigram model of SentencePiece: the tokens of a word whose scores add up to most
 * (Kudo 2018), found by the Viterbi algorithm.
 *
 * A character that is no token can be taken as unknown, for 10 less than the lowest score; unknown
 * characters side by side are one token, or its bytes ("<0x41>") with byte_fallback. Sums are of
 * doubles, from the word's start; of equal sums the one stays whose last token begins first.
 *
 * Parts: where no token reaches over a place between two characters, all ways lead through it, and
 * a word becomes tokens part by part; the sum goes on. So a text that is one word (Metaspace
 * without split) costs what its words do. What a part becomes depends on the sum before it only
 * where sums are so close that rounding decides: such parts are searched anew each time. */
#ifndef SU_UNIGRAM_H
#define SU_UNIGRAM_H

#include "tokenizer/token_model.h"
#include "tokenizer/token_seams.h"
#include "tokenizer/token_trie.h"

#define SU_UNIGRAM_WHOLE 0x40000000 /* of a unit's id: this token, as a part, stays whole */

typedef struct SuUnigram {
    SuTokenTrie trie;
    const double *scores; /* [num_scores] by id */
    uint32_t num_scores;
    double unk_score;
    int32_t unk_id; /* -1: none, so that words must be known */
    bool byte_fallback;
    int32_t byte_ids[256]; /* -1: none */
    SuTokenSeams seams;    /* without bits words are not cut */
    uint64_t serial;       /* of no other model of the process */
} SuUnigram;

extern const SuTokenModelKind su_unigram_kind;

/* In unigram_encode.c: encode and scratch_size of the kind. */
SutraStatus su_unigram_encode(const void *model, SuModelScratch *scratch, const char *word,
                              size_t size, SuWordPlace place, SuTokenRow *row, SutraError *err);
size_t su_unigram_scratch_size(size_t size);
/* Whether the token, as a part of any word, becomes itself. Errors: FORMAT, MEMORY. */
SutraStatus su_unigram_stays_whole(const SuUnigram *model, SuModelScratch *scratch,
                                   const SuToken *token, SuTokenRow *row, bool *whole,
                                   SutraError *err);

#endif
