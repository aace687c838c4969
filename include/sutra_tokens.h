/* sutra_tokens.h - texts to token ids, ids back to text; comes with sutra.h. Any thread. */
#ifndef SUTRA_TOKENS_H
#define SUTRA_TOKENS_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SutraTokens SutraTokens; /* token ids of one request; immutable */

/* Borrowed from the tokens. Input i owns tokens cu_seqlens[i] … cu_seqlens[i+1]. */
typedef struct SutraTokensView {
    uint32_t struct_size;
    size_t num_items;
    const size_t *cu_seqlens;            /* [num_items + 1] */
    const int32_t *token_ids, *type_ids; /* [cu_seqlens[num_items]], like begin and end */
    const uint32_t *begin, *end; /* offsets into the text in Unicode code points, as `tokenizers`
                                    counts them; 0, 0 of special tokens */
    const uint32_t *tokens_seen; /* [num_items] before truncation */
    const uint8_t *special; /* [cu_seqlens[num_items]] 1: no token of the text, put around it */
} SutraTokensView;

/* Tokenises n texts, each with its pair if it has one, truncated to max_tokens (special tokens
 * included; 0: not truncated). The prompt is not added: offsets refer to the text. Errors: ARGUMENT
 * names the first item that has token_ids, a size without its pointer, or text that is not valid
 * UTF-8; ABI one whose reserved words are not zero. */
SUTRA_API SutraStatus sutra_tokenize(const SutraModel *model, const SutraInput *inputs, size_t n,
                                     uint32_t max_tokens, SutraTokens **tokens, SutraError *err);

SUTRA_API SutraStatus sutra_tokens_view(const SutraTokens *tokens, SutraTokensView *view,
                                        SutraError *err);
SUTRA_API void sutra_tokens_free(SutraTokens *tokens);

/* The text of n token ids by the decoder of the model's tokenizer, as `tokenizers` decodes: ids
 * that are no token's are passed over, and where skip_special is 1 those of special tokens. *text
 * is UTF-8, *size bytes and a NUL behind them, and the caller's (sutra_text_free). Errors:
 * ARGUMENT, UNSUPPORTED (names the decoder), LIMIT (an expression of it takes too long), MEMORY. */
SUTRA_API SutraStatus sutra_decode(const SutraModel *model, const int32_t *token_ids, size_t n,
                                   int skip_special, char **text, size_t *size, SutraError *err);
SUTRA_API void sutra_text_free(char *text);

/* A token as the vocabulary has it ("##ing"), *size bytes without a NUL, borrowed from the model;
 * NULL: no token has the id. */
SUTRA_API const char *sutra_model_token(const SutraModel *model, int32_t id, size_t *size);

#ifdef __cplusplus
}
#endif
#endif
