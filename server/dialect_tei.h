/* dialect_tei.h - the API of Hugging Face's text-embeddings-inference: vectors, token vectors,
 * similarities, ranks, scores. Its tokens are in tei_tokens.h.
 *
 *   POST /embed        inputs                       -> [[0.1, …], …]
 *   POST /embed_all    inputs                       -> [[[0.1, …], …], …]: each token's
 *   POST /similarity   source_sentence, sentences   -> [0.1, …]
 *   POST /rerank       query, texts                 -> [{"index", "score"}, …], the best first
 *   POST /predict      inputs                       -> [{"score", "label"}], of a pair, or a list
 *                                                   of them: ["a", "b"], [["a", "b"], …]
 *   POST /, /invocations                            any of the others but token vectors, by fields
 *
 * Beyond it a request may name its "model". What is not truncated at the client's word is refused,
 * as without --auto-truncate there. */
#ifndef SU_DIALECT_TEI_H
#define SU_DIALECT_TEI_H

#include "request_fields.h"

void su_tei_embed_all(SuExchange *exchange);
void su_tei_similarity(SuExchange *exchange);
void su_tei_rerank(SuExchange *exchange);
void su_tei_any(SuExchange *exchange);
void su_tei_predict(SuExchange *exchange);
/* There is no model with a sparse head. */
void su_tei_embed_sparse(SuExchange *exchange);

extern const SuFieldWords su_tei_words;
/* Of /embed, which is Sutra's own path too (dialect_sutra.h). */
bool su_tei_read_embed(SuReading *r, const json_t *root);
void su_tei_write_embed(const SuEmbedAnswer *answer, SuHttpResponse *response);
/* As SuEmbedDialect.find: requests for scores get the first reranker unless they name a model. */
SuModelEntry *su_tei_find(const SuModelTable *models, const SuEmbedRequest *request,
                          SuProblem *problem);

/* {"error": …, "error_type": …}, with that API's statuses. */
void su_tei_problem(SuHttpResponse *response, const SuHttpProblem *problem);

#endif
