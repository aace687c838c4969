#include "fma_peak.h"

#include <math.h>

/* fmaf of the C library, as the plain C kernels call it. */
double fma_peak_scalar(size_t rounds)
{
    enum { CHAINS = 8 };
    volatile float start = 1.0f;
    float x = start, y = start * 0.5f, chain[CHAINS];
    for (int i = 0; i < CHAINS; i++) chain[i] = start * (float)(i + 1);
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++) chain[i] = fmaf(chain[i], y, x);
    for (int i = 0; i < CHAINS; i++) start = chain[i];
    return 2.0 * CHAINS * (double)rounds;
}
