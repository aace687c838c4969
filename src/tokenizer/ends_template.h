/* ends_template.h - the post-processor of classes that have none of their own, where no file has
 * one: bos_token before each text and eos_token behind, where add_bos_token and add_eos_token are
 * true. */
#ifndef SU_ENDS_TEMPLATE_H
#define SU_ENDS_TEMPLATE_H

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_settings.h"

/* Once the added tokens have ids. Errors: FORMAT, MEMORY. */
SutraStatus su_ends_template_set(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                 SutraError *err);

#endif
