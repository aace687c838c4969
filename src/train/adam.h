/* adam.h - a step of Adam (Kingma and Ba 2015), with its bias corrections:
 *
 *   m = b1 m + (1 - b1) g    v = b2 v + (1 - b2) g^2
 *   p = p - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)    t from 1
 *
 * with b1 = 0.9, b2 = 0.999, eps = 1e-8. */
#ifndef SU_ADAM_H
#define SU_ADAM_H

#include <stddef.h>
#include <stdint.h>

typedef struct SuAdam {
    float *params, *m, *v; /* [n] */
    size_t n;
} SuAdam;

/* gradient [n]; step is t. */
void su_adam_step(const SuAdam *adam, const float *gradient, uint64_t step, double rate);

#endif
