/* bench_texts.h - texts to measure with: unlike each other, of pseudo-words drawn from all of the
 * tokenizer's vocabulary, of a given number of tokens. The same seed gives the same texts.
 *
 * A pseudo-word is one vocabulary entry, or two run together, written in ASCII letters; most are
 * one or two tokens. */
#ifndef SU_BENCH_TEXTS_H
#define SU_BENCH_TEXTS_H

#include "tokenizer/tokenizer.h"

typedef struct SuBenchTexts {
    SutraInput *inputs; /* [n] */
    size_t n;
    char *memory;
    size_t used, capacity; /* bytes of memory */
} SuBenchTexts;

/* lengths [n]: tokens of each text, special tokens included. A text is shorter where no word fits.
 * Errors: MEMORY; UNSUPPORTED (the vocabulary has no words). */
SutraStatus su_bench_texts_create(const SuTokenizer *tokenizer, const uint32_t *lengths, size_t n,
                                  uint32_t seed, SuBenchTexts *texts, SutraError *err);
/* All of one length. */
SutraStatus su_bench_texts_of_length(const SuTokenizer *tokenizer, uint32_t length, size_t n,
                                     uint32_t seed, SuBenchTexts *texts, SutraError *err);
void su_bench_texts_free(SuBenchTexts *texts);

#endif
