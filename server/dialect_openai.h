/* dialect_openai.h - the embeddings API of OpenAI.
 *
 *   POST /v1/embeddings     input (text, or up to max_inputs of them; token ids of OpenAI's
 *                           models where there is a file that says what they stand for), model,
 *                           dimensions, encoding_format (float, base64 of little-endian float32),
 *                           user
 *   GET  /v1/models         and /v1/models/{id}
 *
 * Sutra's own fields beside them: prompt_name, truncate, priority (0 … 255), timeout_ms. A field
 * that is none of these is refused, as OpenAI's API does: a misspelt "dimension" would else give
 * vectors of another size and no word about it. The answer has one field more: truncated, how many
 * texts were cut, where there are such. */
#ifndef SU_DIALECT_OPENAI_H
#define SU_DIALECT_OPENAI_H

#include "http_exchange.h"

void su_openai_embeddings(SuExchange *exchange);
void su_openai_models(SuExchange *exchange);
void su_openai_model(SuExchange *exchange);

/* {"error": {"message", "type", "param", "code"}} */
void su_openai_problem(SuHttpResponse *response, const SuHttpProblem *problem);

#endif
