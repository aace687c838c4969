/* cache_pages.h - the engine's memory of rows of texts seen before (--cache-bytes).
 *
 *   GET  /cache/stats   {"bytes", "hits", "misses", "hit_rate"}: bytes 0, there is none
 *   POST /cache/clear   {"cleared": true}; false: there is none */
#ifndef SU_CACHE_PAGES_H
#define SU_CACHE_PAGES_H

#include "http_exchange.h"

void su_cache_stats(SuExchange *exchange);
void su_cache_clear(SuExchange *exchange);

#endif
