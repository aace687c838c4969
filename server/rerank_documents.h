/* rerank_documents.h - documents ranked for a query, as Cohere and Jina have it.
 *
 *   POST /v1/rerank   query, documents (texts, or objects with a "text"), model, top_n,
 *                     return_documents (false), truncation (true; false: too long pairs fail)
 *                       -> {"id", "model", "results": [{"index", "relevance_score", "document":
 *                          {"text"}}, …], "meta", "usage"}, the best first
 *   POST /v2/rerank   the same without documents in its results
 *
 * Scores are from 0 to 1. A document is read as far as the model reads: max_tokens_per_doc may be
 * no less than that, max_chunks_per_doc 1, rank_fields ["text"]. */
#ifndef SU_RERANK_DOCUMENTS_H
#define SU_RERANK_DOCUMENTS_H

#include "http_exchange.h"

void su_rerank_v1(SuExchange *exchange);
void su_rerank_v2(SuExchange *exchange);

/* {"message": …, "detail": …}: Cohere's clients read the one, Jina's the other. */
void su_rerank_problem(SuHttpResponse *response, const SuHttpProblem *problem);

#endif
