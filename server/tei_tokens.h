/* tei_tokens.h - texts to tokens and back, as text-embeddings-inference has it.
 *
 *   POST /tokenize   inputs, add_special_tokens (true), prompt_name
 *                                       -> [[{"id", "text", "special", "start", "stop"}, …], …]
 *   POST /decode     ids, skip_special_tokens (true)   -> ["text", …]; ids is a list, or many
 *
 * start and stop count bytes of the text, behind the prompt if it has one; special tokens have
 * none, and their own text. Texts are not truncated. */
#ifndef SU_TEI_TOKENS_H
#define SU_TEI_TOKENS_H

#include "http_exchange.h"

void su_tei_tokenize(SuExchange *exchange);
void su_tei_decode(SuExchange *exchange);

#endif
