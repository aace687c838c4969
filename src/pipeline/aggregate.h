/* aggregate.h - vectors of a text's windows become one, as SutraAggregate defines. */
#ifndef SU_AGGREGATE_H
#define SU_AGGREGATE_H

#include "sutra.h"

#include <stddef.h>

/* Of the window that holds tokens begin … end - 1 of `text`. */
float su_aggregate_weight(SutraAggregate how, size_t begin, size_t end, size_t text);

/* rows [n, dim], weights [n] -> x [dim]; n ≥ 1 */
void su_aggregate(SutraAggregate how, const float *rows, const float *weights, size_t n, size_t dim,
                  float *x);

#endif
