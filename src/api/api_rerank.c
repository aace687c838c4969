/* sutra.h: documents by their score for a query. */
#include "base/memory.h"
#include "base/status.h"
#include "pipeline/engine.h"

#include <stdlib.h>

typedef struct Ranked {
    float score;
    bool failed;
    size_t document;
} Ranked;

/* The best score first; of equal ones the first document, and what failed last. */
static int compare(const void *left, const void *right)
{
    const Ranked *a = left, *b = right;
    if (a->failed != b->failed) return a->failed ? 1 : -1;
    if (!a->failed && a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->document < b->document ? -1 : 1;
}

static SutraStatus check_arguments(const SutraInput *query, const SutraInput *documents, size_t n,
                                   const float *scores, const SutraEmbedOptions *options,
                                   SutraError *err)
{
    if (!query || (n && (!documents || !scores)))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "query, documents or scores is NULL");
    if (options && options->struct_size >= offsetof(SutraEmbedOptions, dtype) &&
        options->output != SUTRA_OUT_SCORES)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "sutra_rerank gives scores: output is another");
    if (query->pair || query->token_ids)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "the query is a text, without pair or token_ids");
    SU_TRY(su_inputs_check_reserved(query, 1, err));
    SU_TRY(su_inputs_check_reserved(documents, n, err));
    for (size_t i = 0; i < n; i++)
        if (documents[i].pair || documents[i].token_ids || documents[i].prompt_name)
            return su_error_set_item(
                err, SUTRA_E_ARGUMENT, i, true,
                "a document is a text, without pair, token_ids or prompt_name");
    return SUTRA_OK;
}

static void sort(const float *scores, const SutraItem *items, size_t n, Ranked *ranked,
                 size_t *order)
{
    for (size_t i = 0; i < n; i++) {
        bool failed = items[i].status != SUTRA_OK;
        ranked[i] = (Ranked){failed ? 0 : scores[i], failed, i};
    }
    qsort(ranked, n, sizeof *ranked, compare);
    for (size_t i = 0; i < n; i++) order[i] = ranked[i].document;
}

SutraStatus sutra_rerank(SutraEngine *engine, const SutraModel *model, const SutraInput *query,
                         const SutraInput *documents, size_t n, const SutraEmbedOptions *options,
                         float *scores, size_t *order, SutraItem *items, SutraError *err)
{
    static const SutraEmbedOptions defaults = {.struct_size = sizeof defaults,
                                               .output = SUTRA_OUT_SCORES};
    SU_TRY(check_arguments(query, documents, n, scores, options, err));
    SutraInput *pairs = su_alloc(n, sizeof *pairs);
    SutraItem *facts = items ? items : su_alloc(n, sizeof *facts);
    Ranked *ranked = su_alloc(order ? n : 0, sizeof *ranked);
    SutraStatus status = SUTRA_OK;
    if (!pairs || !facts || !ranked)
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for %zu pairs", n);
    for (size_t i = 0; i < n && status == SUTRA_OK; i++) {
        pairs[i] = *query;
        pairs[i].pair = documents[i].text || documents[i].text_size ? documents[i].text : "";
        pairs[i].pair_size = documents[i].text_size;
    }
    if (status == SUTRA_OK) {
        status = sutra_embed_into(engine, model, pairs, n, options ? options : &defaults, scores,
                                  n * sizeof *scores, facts, err);
        if (order) sort(scores, facts, n, ranked, order);
    }
    su_free(pairs);
    if (facts != items) su_free(facts);
    su_free(ranked);
    return status;
}
