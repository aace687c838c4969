/* eval_retrieval.c - mean nDCG@10 of exact search over a BEIR folder. */
#include "base/memory.h"
#include "tools/beir_folder.h"

#include <string.h>

enum { DEPTH = 10 };

/* Vectors of the texts, or of the judged ones alone. */
static SutraStatus embed_texts(SuEvalRun *run, const SuBeirTexts *from, bool judged_only,
                               const char *prompt, unsigned char **vectors, SutraError *err)
{
    SuEvalTexts texts = {.path = from->path};
    SutraStatus status = SUTRA_OK;
    for (size_t i = 0; i < from->count && status == SUTRA_OK; i++) {
        const SuBeirText *item = &from->items[i];
        if (judged_only && !item->judged) continue;
        status = su_eval_texts_append(&texts, item->text, item->text_size, item->line, err);
    }
    if (status == SUTRA_OK) status = su_eval_embed(run, &texts, prompt, vectors, err);
    su_eval_texts_free(&texts);
    return status;
}

/* The relevance of one document among a query's judgements, 0 if it has none. */
static double relevance_of(const SuJudgement *judged, size_t n, size_t document)
{
    double relevance = 0;
    for (size_t i = 0; i < n; i++)
        if (judged[i].document == document) relevance = judged[i].relevance;
    return relevance;
}

/* nDCG of one query; found [num_found] document indices, best first. */
static SutraStatus score_query(const SuBeirFolder *folder, const SuJudgement *judged, size_t n,
                               const size_t *found, size_t num_found, double *ndcg, SutraError *err)
{
    const char *own_id = folder->queries.items[judged->query].id;
    double ranked[DEPTH] = {0};
    size_t kept = 0;
    for (size_t i = 0; i < num_found && kept < DEPTH && found[i] != SIZE_MAX; i++) {
        if (strcmp(folder->documents.items[found[i]].id, own_id) == 0) continue;
        ranked[kept++] = relevance_of(judged, n, found[i]);
    }
    double *all = su_alloc(n, sizeof *all);
    if (!all) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu relevances", n);
    for (size_t i = 0; i < n; i++) all[i] = judged[i].relevance;
    SutraStatus status = sutra_ndcg(ranked, kept, all, n, DEPTH, ndcg, err);
    su_free(all);
    return status;
}

/* Mean over the judged queries; found [queries, DEPTH + 1] in the queries' order. */
static SutraStatus score_all(const SuBeirFolder *folder, const size_t *found, double *mean,
                             SutraError *err)
{
    size_t row = 0;
    *mean = 0;
    for (size_t first = 0, end; first < folder->num_judgements; first = end, row++) {
        for (end = first + 1; end < folder->num_judgements &&
                              folder->judgements[end].query == folder->judgements[first].query;)
            end++;
        double ndcg;
        SU_TRY(score_query(folder, folder->judgements + first, end - first,
                           found + row * (DEPTH + 1), DEPTH + 1, &ndcg, err));
        *mean += ndcg;
    }
    *mean /= (double)row;
    return SUTRA_OK;
}

static SutraStatus evaluate(SuEvalRun *run, const SuBeirFolder *folder, size_t num_queries,
                            double *mean, SutraError *err)
{
    unsigned char *documents = NULL, *queries = NULL;
    size_t *found = su_alloc(num_queries, (DEPTH + 1) * sizeof *found);
    float *scores = su_alloc(num_queries, (DEPTH + 1) * sizeof *scores);
    SutraStatus status = SUTRA_OK;
    if (!found || !scores)
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for %zu queries", num_queries);
    if (status == SUTRA_OK)
        status = embed_texts(run, &folder->queries, true, run->options.query_prompt, &queries, err);
    if (status == SUTRA_OK)
        status = embed_texts(run, &folder->documents, false, run->options.document_prompt,
                             &documents, err);
    if (status == SUTRA_OK)
        status = sutra_top_k(run->embed.dtype, run->dim, queries, num_queries, documents,
                             folder->documents.count, DEPTH + 1, found, scores, err);
    if (status == SUTRA_OK) status = score_all(folder, found, mean, err);
    su_free(documents);
    su_free(queries);
    su_free(found);
    su_free(scores);
    return status;
}

SutraStatus sutra_eval_retrieval(SutraEngine *engine, const SutraModel *model,
                                 const char *directory, const SutraEvalOptions *options,
                                 SutraEvalResult *result, SutraError *err)
{
    SuEvalRun run;
    SuBeirFolder folder;
    double mean = 0;
    if (!directory) SU_RAISE(err, SUTRA_E_ARGUMENT, "eval: directory is NULL");
    SU_TRY(su_eval_run_begin(&run, engine, model, options, err));
    SU_TRY(su_beir_folder_read(&folder, directory, err));
    size_t num_queries = 0;
    for (size_t i = 0; i < folder.queries.count; i++) num_queries += folder.queries.items[i].judged;
    run.total = num_queries + folder.documents.count;
    SutraStatus status = evaluate(&run, &folder, num_queries, &mean, err);
    if (status == SUTRA_OK)
        status = su_eval_run_end(&run, mean, num_queries, folder.documents.count, result, err);
    su_beir_folder_free(&folder);
    return status;
}
