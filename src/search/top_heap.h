/* top_heap.h - the k best of many scores, kept in a heap whose root is the worst of them.
 *
 * A heap is always k entries: those not found yet are -infinity with index SIZE_MAX. */
#ifndef SU_TOP_HEAP_H
#define SU_TOP_HEAP_H

#include <stddef.h>

void su_top_clear(size_t *indices, float *scores, size_t k);
/* Of equal scores the lower index is better; a NaN is never kept. */
void su_top_offer(size_t *indices, float *scores, size_t k, size_t index, float score);
/* Best first; ends its use as a heap. */
void su_top_sort(size_t *indices, float *scores, size_t k);

#endif
