/* tei_info.h - GET /info: what is served, in the words of text-embeddings-inference, and the whole
 * recipe of its vectors. */
#ifndef SU_TEI_INFO_H
#define SU_TEI_INFO_H

#include "http_exchange.h"

/* Of the first model; while it is not open, its name and the limits. */
void su_tei_info(SuExchange *exchange);

#endif
