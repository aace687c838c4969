/* text_tokens.h - tokens of one text of a request. */
#ifndef SU_TEXT_TOKENS_H
#define SU_TEXT_TOKENS_H

#include "pipeline/engine.h"

/* Borrowed: from the worker's scratch until its next text, or from the input. */
typedef struct SuTextTokens {
    const int32_t *ids, *types; /* [used]; types NULL: all zero */
    size_t used, seen;          /* after and before truncation */
    uint32_t prompt_len;        /* tokens that pooling leaves out */
} SuTextTokens;

/* tokens is filled as far as was found out when it fails, too. Errors: ARGUMENT, MEMORY, LIMIT (too
 * long, and the plan says error), UNSUPPORTED, as sutra_embed. */
SutraStatus su_text_tokens(const SutraModel *model, SuWorker *worker, const SutraInput *input,
                           const SuEmbedPlan *plan, SuTextTokens *tokens, SutraError *err);

#endif
