/* dialect_tei.h - the API of Hugging Face's text-embeddings-inference: vectors, token vectors,
 * similarities, ranks.
 *
 *   POST /embed        inputs                       -> [[0.1, …], …]
 *   POST /embed_all    inputs                       -> [[[0.1, …], …], …]: each token's
 *   POST /similarity   source_sentence, sentences   -> [0.1, …]
 *   POST /rerank       query, texts                 -> [{"index", "score"}, …], the best first
 *   POST /, /invocations                            any of these but token vectors, by its fields
 *
 * Beyond it a request may name its "model". What is not truncated at the client's word is refused,
 * as without --auto-truncate there. */
#ifndef SU_DIALECT_TEI_H
#define SU_DIALECT_TEI_H

#include "http_exchange.h"

void su_tei_embed(SuExchange *exchange);
void su_tei_embed_all(SuExchange *exchange);
void su_tei_similarity(SuExchange *exchange);
void su_tei_rerank(SuExchange *exchange);
void su_tei_any(SuExchange *exchange);
/* There is no model with a sparse head, and none that classifies. */
void su_tei_embed_sparse(SuExchange *exchange);
void su_tei_predict(SuExchange *exchange);

/* {"error": …, "error_type": …}, with that API's statuses. */
void su_tei_problem(SuHttpResponse *response, const SuHttpProblem *problem);

#endif
