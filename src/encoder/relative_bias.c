/* Biases by relative position: a number for each head and bucket of distances (T5, MPNet), or a
 * slope for each head (ALiBi), spread out to one for each distance, so that attention reads it in
 * order. */
#include "encoder/encoder.h"

#include <math.h>
#include <stdlib.h>

size_t su_relative_bias_row(const SutraSpec *spec)
{
    size_t longest = spec->max_positions - spec->position_offset;
    return 2 * longest - 1;
}

/* In fp32, as the reference counts. */
uint32_t su_relative_bias_bucket(const SutraSpec *spec, ptrdiff_t distance)
{
    uint32_t half = spec->relative_buckets / 2, exact = half / 2;
    uint32_t first = distance < 0 ? half : 0, n = (uint32_t)labs((long)distance);
    if (n < exact) return first + n;
    float scale = (float)log((double)spec->relative_distance / exact);
    float place = logf((float)n / (float)exact) / scale * (float)(half - exact);
    uint32_t bucket = place < (float)half ? exact + (uint32_t)place : half;
    return first + (bucket < half ? bucket : half - 1);
}

void su_relative_bias_spread(const SutraSpec *spec, const float *buckets, float *bias)
{
    const float log2_e = 1.4426950408889634f;
    ptrdiff_t row = (ptrdiff_t)su_relative_bias_row(spec);
    for (ptrdiff_t i = 0; i < row; i++) {
        const float *from = buckets + su_relative_bias_bucket(spec, i - row / 2) * spec->num_heads;
        for (ptrdiff_t head = 0; head < (ptrdiff_t)spec->num_heads; head++)
            bias[head * row + i] = from[head] * log2_e;
    }
}

double su_alibi_slope(uint32_t head, uint32_t heads)
{
    uint32_t power = 1;
    while (2 * power <= heads) power *= 2;
    if (head < power) return exp2(-8.0 * (head + 1) / power);
    return exp2(-8.0 * (2 * (head - power) + 1) / (2 * power));
}

void su_alibi_spread(const SutraSpec *spec, float *bias)
{
    ptrdiff_t row = (ptrdiff_t)su_relative_bias_row(spec);
    for (uint32_t head = 0; head < spec->num_heads; head++, bias += row) {
        double slope = su_alibi_slope(head, spec->num_heads) * 1.4426950408889634;
        for (ptrdiff_t i = 0; i < row; i++)
            bias[i] = (float)(-slope * (double)labs((long)(i - row / 2)));
    }
}
