/* text_split.h - cutting a piece of text as one step of a pre-tokenizer does. */
#ifndef SU_TEXT_SPLIT_H
#define SU_TEXT_SPLIT_H

#include "tokenizer/pre_tokenizer.h"

/* The next piece of text[*at, size): text[*begin, *at). False when there is none. Any step but one
 * whose matches an engine finds (an expression without a scanner). */
bool su_text_split_next(const SuPreTokenizerStep *step, const char *text, size_t size, size_t *at,
                        size_t *begin);

/* Takes a piece, text[begin, end), which is not empty. */
typedef struct SuPieceSink {
    SutraStatus (*take)(void *context, size_t begin, size_t end, SutraError *err);
    void *context;
} SuPieceSink;

/* All pieces of such a step. Errors: LIMIT, MEMORY, the sink's. */
SutraStatus su_text_split_matches(const SuPreTokenizerStep *step, SuPatternScratch *scratch,
                                  const char *text, size_t size, const SuPieceSink *sink,
                                  SutraError *err);

#endif
