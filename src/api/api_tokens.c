/* sutra_tokens.h: token ids of texts, and texts of token ids. */
#include "base/memory.h"
#include "base/status.h"
#include "model/model.h"
#include "pipeline/engine.h"

#include <string.h>

struct SutraTokens {
    size_t num_items, num_tokens, capacity;
    size_t *cu_seqlens;
    uint32_t *seen;
    int32_t *ids, *types;
    uint32_t *begin, *end;
    uint8_t *special;
};

static bool grow(SutraTokens *tokens, size_t needed)
{
    if (needed <= tokens->capacity) return true;
    size_t capacity = tokens->capacity ? tokens->capacity : 256;
    while (capacity < needed) capacity *= 2;
    void **arrays[] = {(void **)&tokens->ids, (void **)&tokens->types, (void **)&tokens->begin,
                       (void **)&tokens->end};
    for (size_t i = 0; i < 4; i++) {
        void *larger = su_realloc(*arrays[i], capacity, sizeof(int32_t));
        if (!larger) return false;
        *arrays[i] = larger;
    }
    uint8_t *special = su_realloc(tokens->special, capacity, 1);
    if (!special) return false;
    tokens->special = special;
    tokens->capacity = capacity;
    return true;
}

static SutraStatus append(SutraTokens *tokens, const SuEncoding *encoding, size_t i,
                          SutraError *err)
{
    size_t at = tokens->num_tokens, n = encoding->num_tokens;
    if (!grow(tokens, at + n))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", at + n);
    memcpy(tokens->ids + at, encoding->token_ids, n * sizeof *tokens->ids);
    memcpy(tokens->types + at, encoding->type_ids, n * sizeof *tokens->types);
    memcpy(tokens->begin + at, encoding->begin, n * sizeof *tokens->begin);
    memcpy(tokens->end + at, encoding->end, n * sizeof *tokens->end);
    memcpy(tokens->special + at, encoding->special, n);
    tokens->num_tokens = at + n;
    tokens->cu_seqlens[i + 1] = tokens->num_tokens;
    tokens->seen[i] =
        encoding->tokens_seen > UINT32_MAX ? UINT32_MAX : (uint32_t)encoding->tokens_seen;
    return SUTRA_OK;
}

static SutraStatus tokenize_item(const SutraModel *model, SuTokenizerScratch *scratch,
                                 const SutraInput *input, uint32_t max_tokens, SutraTokens *tokens,
                                 size_t i, SutraError *err)
{
    SuEncoding encoding;
    SutraError reason = {0};
    SuEncodeRequest request = {.text = input->text ? input->text : "",
                               .text_size = input->text_size,
                               .pair = input->pair,
                               .pair_size = input->pair_size,
                               .max_tokens = max_tokens,
                               .truncate_left = model->truncate_left,
                               .want_offsets = true};
    if (input->token_ids)
        return su_error_set_item(err, SUTRA_E_ARGUMENT, i, true, "token_ids cannot be tokenised");
    SutraStatus status = su_input_check(input, &reason);
    if (status == SUTRA_OK)
        status = su_tokenizer_encode(model->tokenizer, scratch, &request, &encoding, &reason);
    if (status == SUTRA_OK) return append(tokens, &encoding, i, err);
    return su_error_set_item(err, status, i, true, reason.message);
}

SutraStatus sutra_tokenize(const SutraModel *model, const SutraInput *inputs, size_t n,
                           uint32_t max_tokens, SutraTokens **out, SutraError *err)
{
    SuTokenizerScratch *scratch = NULL;
    if (!out) SU_RAISE(err, SUTRA_E_ARGUMENT, "tokens is NULL");
    *out = NULL;
    if (!model || (!inputs && n)) SU_RAISE(err, SUTRA_E_ARGUMENT, "model or inputs is NULL");
    SU_TRY(su_inputs_check_reserved(inputs, n, err));
    SutraTokens *tokens = su_calloc(1, sizeof *tokens);
    if (!tokens) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    tokens->num_items = n;
    tokens->cu_seqlens = su_calloc(n + 1, sizeof *tokens->cu_seqlens);
    tokens->seen = su_calloc(n, sizeof *tokens->seen);
    SutraStatus status = SUTRA_OK;
    if (!tokens->cu_seqlens || !tokens->seen || !grow(tokens, 1))
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    if (status == SUTRA_OK) status = su_tokenizer_scratch_create(&scratch, err);
    for (size_t i = 0; i < n && status == SUTRA_OK; i++)
        status = tokenize_item(model, scratch, &inputs[i], max_tokens, tokens, i, err);
    su_tokenizer_scratch_free(scratch);
    if (status != SUTRA_OK) {
        sutra_tokens_free(tokens);
        return status;
    }
    *out = tokens;
    return SUTRA_OK;
}

SutraStatus sutra_tokens_view(const SutraTokens *tokens, SutraTokensView *view, SutraError *err)
{
    if (!tokens || !view) SU_RAISE(err, SUTRA_E_ARGUMENT, "tokens or view is NULL");
    uint32_t size = view->struct_size;
    if (size < sizeof size) SU_RAISE(err, SUTRA_E_ABI, "SutraTokensView: struct_size is not set");
    SutraTokensView full = {.struct_size = size,
                            .num_items = tokens->num_items,
                            .cu_seqlens = tokens->cu_seqlens,
                            .token_ids = tokens->ids,
                            .type_ids = tokens->types,
                            .begin = tokens->begin,
                            .end = tokens->end,
                            .tokens_seen = tokens->seen,
                            .special = tokens->special};
    memcpy(view, &full, size < sizeof full ? size : sizeof full);
    return SUTRA_OK;
}

void sutra_tokens_free(SutraTokens *tokens)
{
    if (!tokens) return;
    su_free(tokens->cu_seqlens);
    su_free(tokens->seen);
    su_free(tokens->ids);
    su_free(tokens->types);
    su_free(tokens->begin);
    su_free(tokens->end);
    su_free(tokens->special);
    su_free(tokens);
}

SutraStatus sutra_decode(const SutraModel *model, const int32_t *token_ids, size_t n,
                         int skip_special, char **text, size_t *size, SutraError *err)
{
    if (!model || !text || !size || (!token_ids && n))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "model, token_ids, text or size is NULL");
    return su_tokenizer_decode(model->tokenizer, token_ids, n, skip_special == 1, text, size, err);
}

void sutra_text_free(char *text) { su_free(text); }

const char *sutra_model_token(const SutraModel *model, int32_t id, size_t *size)
{
    return su_tokenizer_token(model->tokenizer, id, size);
}
