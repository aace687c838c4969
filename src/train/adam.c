#include "train/adam.h"

#include <math.h>

void su_adam_step(const SuAdam *adam, const float *gradient, uint64_t step, double rate)
{
    const double b1 = 0.9, b2 = 0.999, eps = 1e-8;
    double first = rate / (1 - pow(b1, (double)step)), second = 1 / (1 - pow(b2, (double)step));
    for (size_t i = 0; i < adam->n; i++) {
        double g = gradient[i];
        adam->m[i] = (float)(b1 * adam->m[i] + (1 - b1) * g);
        adam->v[i] = (float)(b2 * adam->v[i] + (1 - b2) * g * g);
        adam->params[i] -= (float)(first * adam->m[i] / (sqrt(second * adam->v[i]) + eps));
    }
}
