/* dialect_sutra.h - Sutra's own vectors.
 *
 *   POST /embed   texts (a text or a list), model, normalize, target_dimension, truncate,
 *                 prompt_name -> {"embeddings", "model", "dimensions", "batch_size", "tokens",
 *                 "truncated", "processing_time_ms", "model_time_ms"}
 *
 * The path is text-embeddings-inference's too, whose texts are "inputs"; which of the two there is
 * tells whose request it is. Errors are its. tokens are those that went through the model,
 * truncated are texts; processing_time_ms is the time since the request's first byte,
 * model_time_ms that of its longest batch. Without normalize vectors are as the model gives them. */
#ifndef SU_DIALECT_SUTRA_H
#define SU_DIALECT_SUTRA_H

#include "http_exchange.h"

void su_sutra_embed(SuExchange *exchange);

#endif
