/* sutra_tools.h - what is built on the engine's public API: quality measures, exact search and the
 * evaluations of `sutra eval`.
 *
 * Part of libsutra_tools.a, which the program links; versioning, errors and threads are those of
 * sutra.h. Inputs are borrowed until return.
 *
 * How to use it: sutra_model_open and sutra_engine_create of sutra.h, then sutra_eval_sts or
 * sutra_eval_retrieval. sutra_spearman, sutra_ndcg and sutra_top_k stand alone.
 */
#ifndef SUTRA_TOOLS_H
#define SUTRA_TOOLS_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- measures ---- */

/* Spearman's rank correlation of x [n] and y [n], -1 … 1: Pearson's correlation of their ranks,
 * equal values sharing the average of their ranks, as scipy.stats.spearmanr. Errors: ARGUMENT (n <
 * 2), NUMERIC (NaN; all values of x or of y are equal), MEMORY. */
SUTRA_API SutraStatus sutra_spearman(const double *x, const double *y, size_t n, double *rho,
                                     SutraError *err);

/* Normalised discounted cumulative gain at rank k, 0 … 1, as trec_eval's ndcg_cut: the gain is the
 * relevance itself (negative counts as 0), the discount log2(rank + 1).
 *   ranked [num_ranked]   relevance of the documents found, best first; 0 where not judged
 *   judged [num_judged]   all relevances of the query, in any order, for the ideal ranking
 * 0 when nothing is relevant. Errors: MEMORY. */
SUTRA_API SutraStatus sutra_ndcg(const double *ranked, size_t num_ranked, const double *judged,
                                 size_t num_judged, size_t k, double *ndcg, SutraError *err);

/* ---- search ---- */

/* The k most similar of documents [num_documents, dim] for each of queries [num_queries, dim], best
 * first, by sutra_similarity over all of them; of equals the lower index is first.
 *   indices, scores [num_queries, k]; beyond num_documents: SIZE_MAX and -infinity
 * Errors: ARGUMENT, MEMORY. */
SUTRA_API SutraStatus sutra_top_k(SutraDtype dtype, uint32_t dim, const void *queries,
                                  size_t num_queries, const void *documents, size_t num_documents,
                                  size_t k, size_t *indices, float *scores, SutraError *err);

/* ---- evaluations ---- */

typedef struct SutraEvalOptions {
    uint32_t struct_size;
    const SutraEmbedOptions *embed; /* NULL: the model's defaults. Output must be POOLED */
    const char *query_prompt; /* prompt names; sts: for both texts. NULL: the model's default */
    const char *document_prompt;
    void (*progress)(void *user, uint64_t texts_done, uint64_t texts_total);
    void *user;
} SutraEvalOptions;

typedef struct SutraEvalResult {
    uint32_t struct_size;
    uint32_t dim;
    double score;               /* Spearman's rho, or mean nDCG@10 */
    uint64_t items;             /* pairs, or queries */
    uint64_t documents;         /* retrieval: of the corpus; sts: 0 */
    uint64_t tokens, truncated; /* tokens encoded; texts that were cut */
} SutraEvalResult;

/* Semantic textual similarity: lines "score<TAB>sentence1<TAB>sentence2", "\n" only; a first line
 * whose score is not a number is a header. The score is Spearman's rho of the gold scores and the
 * similarities. Errors: IO, FORMAT (names file and line), those of sutra_embed. */
SUTRA_API SutraStatus sutra_eval_sts(SutraEngine *engine, const SutraModel *model, const char *path,
                                     const SutraEvalOptions *options, SutraEvalResult *result,
                                     SutraError *err);

/* Retrieval over a folder in BEIR form: corpus.jsonl (_id, title, text), queries.jsonl (_id, text),
 * qrels.tsv or qrels/test.tsv (query-id, corpus-id, score; one header line). A document is its
 * title, one space, its text. Every query that is judged is run against the whole corpus; a
 * document whose id is the query's own is left out, as in BEIR. Of equal scores the greater id is
 * first, as in trec_eval. The score is the mean nDCG@10. Errors: as above. */
SUTRA_API SutraStatus sutra_eval_retrieval(SutraEngine *engine, const SutraModel *model,
                                           const char *directory, const SutraEvalOptions *options,
                                           SutraEvalResult *result, SutraError *err);

#ifdef __cplusplus
}
#endif
#endif
