#include "pipeline/row_cache.h"

#include <string.h>

/* All that a row depends on beside the bytes of its text. */
typedef struct KeyFacts {
    uint64_t session;
    uint64_t text_size, pair_size, num_token_ids, prompt_size; /* with a NULL, one more */
    uint32_t output, dtype, pooling, dim, normalize, max_tokens, truncation;
    uint32_t window_overlap, aggregate, raw_scores;
} KeyFacts;

static bool is_kept(const SuRequest *request)
{
    const SuEmbedPlan *plan = request->plan;
    return request->engine->cache && !request->whole && !plan->ranges &&
           plan->output != SUTRA_OUT_TOKENS;
}

static void make_key(const SuRequest *request, size_t i, KeyFacts *facts, SuCacheKey *key)
{
    const SutraInput *input = &request->inputs[i];
    const SuEmbedPlan *plan = request->plan;
    size_t text = input->text ? input->text_size : 0, pair = input->pair ? input->pair_size : 0;
    size_t ids = input->token_ids ? input->num_token_ids : 0;
    size_t prompt = input->prompt_name ? strlen(input->prompt_name) : 0;
    *facts = (KeyFacts){.session = request->session->serial,
                        .text_size = input->text ? text + 1 : 0,
                        .pair_size = input->pair ? pair + 1 : 0,
                        .num_token_ids = input->token_ids ? ids + 1 : 0,
                        .prompt_size = input->prompt_name ? prompt + 1 : 0,
                        .output = plan->output,
                        .dtype = plan->dtype,
                        .pooling = plan->pooling,
                        .dim = plan->dim,
                        .normalize = plan->normalize,
                        .raw_scores = plan->raw_scores,
                        .max_tokens = plan->max_tokens,
                        .truncation = plan->truncation,
                        .window_overlap = plan->window_overlap,
                        .aggregate = plan->aggregate};
    *key = (SuCacheKey){.parts = {{facts, sizeof *facts},
                                  {input->text, text},
                                  {input->pair, pair},
                                  {input->token_ids, ids * sizeof *input->token_ids},
                                  {input->prompt_name, prompt}}};
    su_vector_cache_hash(key);
}

bool su_row_cache_take(SuRequest *request, size_t i, uint64_t queue_ns)
{
    KeyFacts facts;
    SuCacheKey key;
    SuCacheFacts found;
    if (!is_kept(request)) return false;
    make_key(request, i, &facts, &key);
    size_t row_bytes = request->plan->row_bytes;
    if (!su_vector_cache_find(request->engine->cache, &key, request->target.data + i * row_bytes,
                              row_bytes, &found))
        return false;
    if (request->target.items)
        request->target.items[i] =
            (SutraItem){.tokens_seen = found.tokens_seen,
                        .tokens_used = found.tokens_used,
                        .flags = SUTRA_ITEM_CACHED |
                                 (found.tokens_seen > found.tokens_used ? SUTRA_ITEM_TRUNCATED : 0),
                        .queue_ns = queue_ns,
                        .windows = found.windows};
    return true;
}

void su_row_cache_put(const SuRequest *request, size_t i, const void *row, SuCacheFacts facts)
{
    KeyFacts about;
    SuCacheKey key;
    if (!is_kept(request)) return;
    make_key(request, i, &about, &key);
    su_vector_cache_put(request->engine->cache, &key, row, request->plan->row_bytes, facts);
}
