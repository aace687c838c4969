/* dialect_ollama.h - the vectors of Ollama's API.
 *
 *   POST /api/embed        input (text, list of texts; none or "": the model is opened, that is
 *                          all), model, truncate (default: true), dimensions, keep_alive, options.
 *                          Vectors are normalised
 *   POST /api/embeddings   prompt instead of input, one vector, as the model gives it
 *   POST /api/generate     and /api/chat are refused: this server embeds
 *
 * Of options num_ctx counts, the most tokens of a text; the others are about what this server has
 * none of (sampling, layers on a GPU) and may be anything. So are the fields stream, format, raw,
 * system, template, context, think and insecure, which wrappers send to every path. Any other field
 * is refused, where Ollama ignores it: `prompt` at /api/embed would else be an answer without
 * vectors, and "dimension" vectors of another size. dimensions beyond the model's are refused too.
 */
#ifndef SU_DIALECT_OLLAMA_H
#define SU_DIALECT_OLLAMA_H

#include "http_exchange.h"

void su_ollama_embed(SuExchange *exchange);
void su_ollama_embeddings(SuExchange *exchange);
void su_ollama_generate(SuExchange *exchange);
void su_ollama_chat(SuExchange *exchange);

/* {"error": "model 'x' not found"} */
void su_ollama_problem(SuHttpResponse *response, const SuHttpProblem *problem);

#endif
