/* token_vectors.h - the tokens of a teacher's tokenizer: which ones texts have, and what the
 * teacher makes of each one alone. */
#ifndef SU_TOKEN_VECTORS_H
#define SU_TOKEN_VECTORS_H

#include "base/status.h"

/* Tokens of texts, without special ones. */
typedef struct SuTextTokens {
    size_t *begin;   /* [n + 1] text i has tokens begin[i] … begin[i + 1] */
    int32_t *tokens; /* [begin[n]] */
} SuTextTokens;

/* Of what the model sees of each text: cut to its max_tokens. Errors: those of sutra_tokenize. */
SutraStatus su_text_tokens_open(SuTextTokens *tokens, const SutraModel *model,
                                const SutraInput *inputs, size_t n, SutraError *err);
void su_text_tokens_close(SuTextTokens *tokens);

typedef struct SuTokenJob {
    const SutraModel *model;
    size_t vocab, dim;
    uint32_t num_threads;
    void (*progress)(void *user, const char *line);
    void *user;
} SuTokenJob;

/* rows [vocab, dim]: the vectors of texts of one token each, with the special tokens that the
 * tokenizer puts around a text. Errors: those of sutra_embed, MEMORY. */
SutraStatus su_token_vectors(const SuTokenJob *job, float *rows, SutraError *err);

#endif
