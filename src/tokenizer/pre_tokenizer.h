/* pre_tokenizer.h - the pre_tokenizer section of tokenizer.json: normalised text to words.
 *
 * BertPreTokenizer: white space ends words and is dropped; each punctuation character is a word. */
#ifndef SU_PRE_TOKENIZER_H
#define SU_PRE_TOKENIZER_H

#include "base/json_file.h"

typedef enum SuPreTokenizer { SU_PRE_TOKENIZER_NONE = 0, SU_PRE_TOKENIZER_BERT } SuPreTokenizer;

/* json may be NULL (the whole text is one word). Errors: FORMAT, UNSUPPORTED. */
SutraStatus su_pre_tokenizer_from_json(const json_t *json, const char *where,
                                       SuPreTokenizer *pre_tokenizer, SutraError *err);

/* The next word of text[*at, size): text[*begin, *at). False when there is none. */
bool su_pre_tokenizer_next(SuPreTokenizer pre_tokenizer, const char *text, size_t size, size_t *at,
                           size_t *begin);

#endif
