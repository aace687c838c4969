/* aggregate.h - vectors of a text's windows become one, as SutraAggregate defines. */
#ifndef SU_AGGREGATE_H
#define SU_AGGREGATE_H

#include "sutra.h"

#include <stddef.h>

/* Of the window that holds tokens begin … end - 1 of `text`. */
float su_aggregate_weight(SutraAggregate how, size_t begin, size_t end, size_t text);

/* The same of vectors that come one after the other; its bytes are those of all at once. */
typedef struct SuAggregator {
    SutraAggregate how;
    size_t dim, count;
    float sum; /* of weights */
    float *x;  /* [dim] of the maker */
} SuAggregator;

void su_aggregator_add(SuAggregator *aggregator, const float *row, float weight);
/* After the last one, once: x is their vector. count >= 1 */
void su_aggregator_end(SuAggregator *aggregator);

/* rows [n, dim], weights [n] -> x [dim]; n ≥ 1 */
void su_aggregate(SutraAggregate how, const float *rows, const float *weights, size_t n, size_t dim,
                  float *x);

#endif
