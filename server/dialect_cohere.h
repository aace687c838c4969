/* dialect_cohere.h - Cohere's vectors; its ranks, which are Jina's too, are in rerank_documents.h.
 *
 *   POST /v2/embed   texts (or inputs, a list of {"content": [{"type": "text", "text"}]}), model,
 *                    input_type, embedding_types (float; int8, uint8, binary, ubinary, base64),
 *                    output_dimension, max_tokens, truncate (END; START, NONE)
 *   POST /v1/embed   the same; without embedding_types "embeddings" is the list of vectors
 *
 * input_type chooses a prompt of the model: search_query "query", search_document "document" or
 * "passage", classification and clustering those of their names; where the model has none such,
 * there is none. Without it the model's default prompt counts. Vectors are normalised; int8 and
 * the like are made of them as SutraDtype says. priority means nothing. */
#ifndef SU_DIALECT_COHERE_H
#define SU_DIALECT_COHERE_H

#include "request_fields.h"

void su_cohere_embed(SuExchange *exchange);
void su_cohere_embed_v1(SuExchange *exchange);

/* {"message": …} */
void su_cohere_problem(SuHttpResponse *response, const SuHttpProblem *problem);

extern const SuFieldWords su_cohere_words;
/* As SuEmbedDialect.find: requests for scores get the first reranker unless they name a model. */
SuModelEntry *su_cohere_find(const SuModelTable *models, const SuEmbedRequest *request,
                             SuProblem *problem);
/* ,"meta":{"api_version":{"version":"2"},"billed_units":{…},"warnings":[…]} */
void su_cohere_meta(const SuEmbedAnswer *answer, const char *version, const char *unit,
                    uint64_t billed, SuReplyText *body);

#endif
