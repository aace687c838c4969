/* text_split.h - cutting a piece of text as one step of a pre-tokenizer does. */
#ifndef SU_TEXT_SPLIT_H
#define SU_TEXT_SPLIT_H

#include "tokenizer/pre_tokenizer.h"

/* The next piece of text[*at, size): text[*begin, *at). False when there is none. */
bool su_text_split_next(const SuPreTokenizerStep *step, const char *text, size_t size, size_t *at,
                        size_t *begin);

#endif
