/* Relative position bias (T5, MPNet): a number for each head and bucket of distances, spread out to
 * one for each distance, so that attention reads it in order. */
#include "encoder/encoder.h"

#include <math.h>
#include <stdlib.h>

size_t su_relative_bias_row(const SutraSpec *spec)
{
    size_t longest = spec->max_positions - spec->position_offset;
    return 2 * longest - 1;
}

/* Of keys at `distance` = query - key. In fp32, as the reference counts. */
static uint32_t bucket_of(ptrdiff_t distance, const SutraSpec *spec)
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
        const float *from = buckets + bucket_of(i - row / 2, spec) * spec->num_heads;
        for (ptrdiff_t head = 0; head < (ptrdiff_t)spec->num_heads; head++)
            bias[head * row + i] = from[head] * log2_e;
    }
}
