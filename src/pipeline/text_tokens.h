/* text_tokens.h - tokens of one text of a request, and the windows of one that has too many. */
#ifndef SU_TEXT_TOKENS_H
#define SU_TEXT_TOKENS_H

#include "pipeline/engine.h"
#include "tokenizer/token_windows.h"

/* Borrowed: from the worker's scratch until its next text, or from the input. */
typedef struct SuTextTokens {
    const int32_t *ids, *types; /* [used]; types NULL: all zero */
    size_t used, seen;          /* after and before truncation */
    uint32_t prompt_len;        /* tokens that pooling leaves out */
} SuTextTokens;

/* used is more than the plan's max_tokens where it says windows, and never else. tokens is filled
 * as far as was found out when it fails, too. Errors: ARGUMENT, MEMORY, LIMIT (too long, and the
 * plan says error; token_ids too long for one window), UNSUPPORTED, as sutra_embed. */
SutraStatus su_text_tokens(const SutraModel *model, SuWorker *worker, const SutraInput *input,
                           const SuEmbedPlan *plan, SuTextTokens *tokens, SutraError *err);

/* The windows of a text whose tokens su_text_tokens just gave, more than max_tokens. Borrowed from
 * the worker's scratch until its next text; those are not valid any more. Errors: ARGUMENT (a
 * window has no room), MEMORY. */
SutraStatus su_text_windows(const SutraModel *model, SuWorker *worker, const SutraInput *input,
                            const SuEmbedPlan *plan, const SuTextTokens *tokens,
                            SuTokenWindows *windows, SutraError *err);

#endif
