/* row_cache.h - rows of a request's items in the engine's vector cache: what they are kept under.
 * Rows that the caller's ranges shape, those of tokens, and those of windows are not kept; without
 * a cache none is. */
#ifndef SU_ROW_CACHE_H
#define SU_ROW_CACHE_H

#include "pipeline/request.h"

/* True: item i has its row, and is described. */
bool su_row_cache_take(SuRequest *request, size_t i, uint64_t queue_ns);

/* row: [plan->row_bytes] of item i */
void su_row_cache_put(const SuRequest *request, size_t i, const void *row, SuCacheFacts facts);

#endif
