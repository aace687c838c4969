/* declared_tokens.h - the added tokens that a model's files declare, in the order in which the
 * reference adds them: su_declared_tokens_add, then su_named_tokens_add. What the vocabulary lacks
 * is numbered in that order (su_added_tokens_finish). */
#ifndef SU_DECLARED_TOKENS_H
#define SU_DECLARED_TOKENS_H

#include "tokenizer/added_tokens.h"
#include "tokenizer/tokenizer_settings.h"

/* Those that come with an id: of added_tokens_decoder, or else of added_tokens.json and of
 * tokenizer.json's added_tokens, in the order of their ids. Of one id the last declaration counts.
 * Errors: FORMAT, MEMORY. */
SutraStatus su_declared_tokens_add(const SuTokenizerSettings *settings, SuAddedTokens *added,
                                   SutraError *err);

/* The named special tokens, then the model's own names and the extra ones. Errors: as above. */
SutraStatus su_named_tokens_add(const SuTokenizerSettings *settings, SuAddedTokens *added,
                                SutraError *err);

/* Tokens that the settings name become special without any other flag, as Qwen2Tokenizer adds them
 * once more. */
void su_named_tokens_make_plain(const SuTokenizerSettings *settings, SuAddedTokens *added);

#endif
