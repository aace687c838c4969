/* request_tokens.h - how many tokens a request's texts are, before any of them is computed. */
#ifndef SU_REQUEST_TOKENS_H
#define SU_REQUEST_TOKENS_H

#include "engine_problem.h"

/* The text after its prompt, of su_alloc; NULL: out of memory. */
char *su_prompted_text(const char *prompt, const SutraInput *input, size_t *size);

/* Whether they are `most` at most, prompts and special tokens included, each text cut after
 * `each_most`; false: *problem says how many they are. What cannot be tokenised counts as nothing:
 * the engine says what is wrong with it. Any thread; costs one tokenisation. */
bool su_request_tokens_fit(const SutraModel *model, const SutraInput *inputs, size_t n,
                           uint32_t each_most, uint64_t most, SuProblem *problem);

#endif
