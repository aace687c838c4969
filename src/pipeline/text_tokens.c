/* Tokens of one text, as a request wants them. */
#include "pipeline/text_tokens.h"

#include "base/status.h"

#include <string.h>

static SutraStatus take_token_ids(const SutraInput *input, const SuEmbedPlan *plan,
                                  SuTextTokens *tokens, SutraError *err)
{
    if (input->num_token_ids == 0) SU_RAISE(err, SUTRA_E_ARGUMENT, "token_ids is empty");
    if (plan->truncation == SUTRA_TRUNCATE_WINDOW && input->num_token_ids > plan->max_tokens)
        SU_RAISE(err, SUTRA_E_LIMIT,
                 "token_ids are %zu, more than %u: windows are made of texts, not of token_ids",
                 input->num_token_ids, plan->max_tokens);
    size_t used = input->num_token_ids < plan->max_tokens ? input->num_token_ids : plan->max_tokens;
    size_t first = plan->truncation == SUTRA_TRUNCATE_LEFT ? input->num_token_ids - used : 0;
    *tokens =
        (SuTextTokens){.ids = input->token_ids + first, .used = used, .seen = input->num_token_ids};
    return SUTRA_OK;
}

/* Tokens of the prompt that pooling leaves out: as many as it has alone, cut like a text; one less
 * where the last of them is a special token (nearly always the closing one). */
static SutraStatus prompt_length(const SutraModel *model, SuWorker *worker, const char *prompt,
                                 const SuEmbedPlan *plan, uint32_t *length, SutraError *err)
{
    SuEncoding encoding;
    SuEncodeRequest request = {.text = prompt,
                               .text_size = strlen(prompt),
                               .max_tokens = plan->max_tokens,
                               .truncate_left = plan->truncation == SUTRA_TRUNCATE_LEFT};
    *length = 0;
    if (!*prompt || model->pool_prompt) return SUTRA_OK;
    if (prompt != worker->prompt) {
        SU_TRY(su_tokenizer_encode(model->tokenizer, worker->scratch, &request, &encoding, err));
        size_t last = encoding.num_tokens ? encoding.num_tokens - 1 : 0;
        bool special = encoding.num_tokens &&
                       su_tokenizer_is_named_special(model->tokenizer, encoding.token_ids[last]);
        worker->prompt = prompt;
        worker->prompt_tokens = (uint32_t)(special ? last : encoding.num_tokens);
    }
    *length = worker->prompt_tokens;
    return SUTRA_OK;
}

/* A text alone for vectors, two for a score: token_ids, which have no types, are no pair. */
static SutraStatus check_pair(const SutraInput *input, SutraOutput output, SutraError *err)
{
    if (output != SUTRA_OUT_SCORES && input->pair)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "pair is only for score output");
    if (output == SUTRA_OUT_SCORES && input->token_ids)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "score output takes a text and its pair, not token_ids");
    if (output == SUTRA_OUT_SCORES && !input->pair)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "score output takes a text and its pair: pair is NULL");
    return SUTRA_OK;
}

static SuEncodeRequest encode_request(const SutraInput *input, const char *prompt)
{
    return (SuEncodeRequest){.prefix = prompt,
                             .prefix_size = strlen(prompt),
                             .text = input->text ? input->text : "",
                             .text_size = input->text_size,
                             .pair = input->pair,
                             .pair_size = input->pair_size};
}

/* The place in text [size] from which `characters` code points are left, or up to which there are
 * so many; size, or 0, where there are fewer. */
static size_t place_of(const char *text, size_t size, size_t characters, bool from_end)
{
    size_t at = from_end ? size : 0, count = 0;
    if (from_end) {
        while (at > 0 && count < characters) count += ((unsigned char)text[--at] & 0xc0) != 0x80;
        return at;
    }
    for (; at < size; at++)
        if (((unsigned char)text[at] & 0xc0) != 0x80 && count++ == characters) break;
    return at;
}

static size_t count_characters(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* Cuts prompt and text to max_tokens times the model's characters a token. */
static bool cut_characters(const SutraModel *model, const SuEmbedPlan *plan,
                           SuEncodeRequest *request)
{
    uint64_t most = (uint64_t)plan->max_tokens * model->token_characters;
    if (!model->token_characters || plan->truncation == SUTRA_TRUNCATE_WINDOW ||
        plan->max_tokens == SU_ANY_LENGTH || request->prefix_size + request->text_size <= most)
        return false;
    bool left = plan->truncation == SUTRA_TRUNCATE_LEFT;
    const char *first = left ? request->text : request->prefix;
    size_t size = left ? request->text_size : request->prefix_size;
    size_t other = left ? request->prefix_size : request->text_size;
    uint64_t count = count_characters(first, size);
    uint64_t rest = count < most ? most - count : 0;
    size_t place = place_of(left ? request->prefix : request->text, other, rest, left);
    if (count <= most && place == (left ? 0 : other)) return false;
    if (left) {
        size_t from = place_of(request->text, request->text_size, most, true);
        request->prefix += place;
        request->prefix_size -= place;
        request->text += from;
        request->text_size -= from;
    } else {
        request->prefix_size = place_of(request->prefix, request->prefix_size, most, false);
        request->text_size = place;
    }
    return true;
}

/* A text that is cut is tokenised whole first: those are the tokens that are counted as seen. */
static SutraStatus encode(const SutraModel *model, SuWorker *worker, const SuEmbedPlan *plan,
                          SuEncodeRequest *request, SuEncoding *encoding, SutraError *err)
{
    SuEncodeRequest whole = *request;
    size_t seen = 0;
    whole.max_tokens = 0;
    bool cut = cut_characters(model, plan, request);
    if (cut && plan->truncation == SUTRA_TRUNCATE_ERROR)
        SU_RAISE(err, SUTRA_E_LIMIT, "the text has %zu characters, more than %llu: %u tokens of %u",
                 count_characters(whole.prefix, whole.prefix_size) +
                     count_characters(whole.text, whole.text_size),
                 (unsigned long long)plan->max_tokens * model->token_characters, plan->max_tokens,
                 model->token_characters);
    if (cut) {
        SU_TRY(su_tokenizer_encode(model->tokenizer, worker->scratch, &whole, encoding, err));
        seen = encoding->num_tokens;
    }
    SU_TRY(su_tokenizer_encode(model->tokenizer, worker->scratch, request, encoding, err));
    if (!cut) return SUTRA_OK;
    /* A word cut in two may have more tokens than all of it. */
    encoding->tokens_seen = seen > encoding->num_tokens ? seen : encoding->num_tokens + 1;
    return SUTRA_OK;
}

static SutraStatus tokenize(const SutraModel *model, SuWorker *worker, const SutraInput *input,
                            const SuEmbedPlan *plan, SuTextTokens *tokens, SutraError *err)
{
    SU_TRY(su_input_check(input, err));
    SU_TRY(check_pair(input, plan->output, err));
    if (input->token_ids) return take_token_ids(input, plan, tokens, err);
    const char *prompt = "";
    uint32_t skip = 0;
    SU_TRY(su_model_prompt(model, input->prompt_name, &prompt, err));
    SU_TRY(prompt_length(model, worker, prompt, plan, &skip, err));
    SuEncoding encoding;
    SuEncodeRequest request = encode_request(input, prompt);
    request.max_tokens = plan->truncation == SUTRA_TRUNCATE_WINDOW ? 0 : plan->max_tokens;
    request.truncate_left = plan->truncation == SUTRA_TRUNCATE_LEFT;
    SU_TRY(encode(model, worker, plan, &request, &encoding, err));
    if (encoding.num_tokens == 0 && !su_model_is_static(model))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "the text has no tokens");
    *tokens = (SuTextTokens){encoding.token_ids, encoding.type_ids, encoding.num_tokens,
                             encoding.tokens_seen, skip};
    return SUTRA_OK;
}

static SutraStatus check_length(const SuEmbedPlan *plan, const SuTextTokens *tokens,
                                SutraError *err)
{
    if (tokens->seen > tokens->used && plan->truncation == SUTRA_TRUNCATE_ERROR)
        SU_RAISE(err, SUTRA_E_LIMIT, "the %s has %zu tokens, more than %u",
                 plan->output == SUTRA_OUT_SCORES ? "pair" : "text", tokens->seen,
                 plan->max_tokens);
    return SUTRA_OK;
}

SutraStatus su_text_tokens(const SutraModel *model, SuWorker *worker, const SutraInput *input,
                           const SuEmbedPlan *plan, SuTextTokens *tokens, SutraError *err)
{
    SU_TRY(tokenize(model, worker, input, plan, tokens, err));
    return check_length(plan, tokens, err);
}

SutraStatus su_text_windows(const SutraModel *model, SuWorker *worker, const SutraInput *input,
                            const SuEmbedPlan *plan, const SuTextTokens *tokens,
                            SuTokenWindows *windows, SutraError *err)
{
    const char *prompt = "";
    SuEncoding encoding = {
        .token_ids = tokens->ids, .type_ids = tokens->types, .num_tokens = tokens->used};
    SU_TRY(su_model_prompt(model, input->prompt_name, &prompt, err));
    SuEncodeRequest request = encode_request(input, prompt);
    request.want_offsets = true; /* they tell the prompt's tokens */
    if (*prompt)
        SU_TRY(su_tokenizer_encode(model->tokenizer, worker->scratch, &request, &encoding, err));
    return su_token_windows_cut(model->tokenizer, &encoding, prompt, request.prefix_size,
                                plan->max_tokens, plan->window_overlap, windows, err);
}

SutraStatus su_embed_count_tokens(SutraEngine *engine, const SutraModel *model,
                                  const SutraInput *inputs, size_t n, const SuEmbedPlan *plan,
                                  size_t *offsets, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    pthread_mutex_lock(&engine->counter_lock);
    SuWorker *worker = &engine->counter;
    worker->prompt = NULL;
    offsets[0] = 0;
    for (size_t i = 0; i < n && status == SUTRA_OK; i++) {
        SuTextTokens tokens = {0};
        SutraError reason = {0}; /* other failures are the item's, when it is run */
        if (su_text_tokens(model, worker, &inputs[i], plan, &tokens, &reason) == SUTRA_E_MEMORY)
            status = su_error_set(err, SUTRA_E_MEMORY, "%s", reason.message);
        offsets[i + 1] = offsets[i] + tokens.used;
    }
    pthread_mutex_unlock(&engine->counter_lock);
    return status;
}
