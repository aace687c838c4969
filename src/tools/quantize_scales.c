#include "quantize_scales.h"

#include <math.h>

enum { LEVELS = 256, STEPS = 50, FEWEST_STEPS = 10 };
#define OUTSIDE (1.0 / 20000.0) /* percentile: share of the values cut at either end */

void su_histogram_add(SuHistogram *histogram, const float *x, const float *factor, size_t rows,
                      size_t n)
{
    float width = histogram->high - histogram->low;
    float bins_each = width > 0 ? (float)SU_HISTOGRAM_BINS / width : 0.0f;
    for (size_t i = 0; i < rows * n; i++) {
        float value = factor ? x[i] * factor[i % n] : x[i];
        float bin = (value - histogram->low) * bins_each;
        size_t at = bin > 0 ? (size_t)fminf(bin, SU_HISTOGRAM_BINS - 1) : 0;
        histogram->counts[at]++;
    }
    histogram->total += (double)(rows * n);
}

static double bin_value(const SuHistogram *histogram, size_t bin)
{
    double width = ((double)histogram->high - histogram->low) / SU_HISTOGRAM_BINS;
    return histogram->low + ((double)bin + 0.5) * width;
}

SuRowScale su_scale_of_range(float low, float high)
{
    low = fminf(low, 0.0f);
    high = fmaxf(high, 0.0f);
    SuRowScale row = {.scale = (high - low) / (LEVELS - 1)};
    if (!(row.scale >= 0x1p-126f && row.scale < INFINITY)) return (SuRowScale){.scale = 1.0f};
    row.zero = (int32_t)rintf(-low / row.scale);
    return row;
}

static int level_of(SuRowScale row, double value)
{
    double level = rint(value / row.scale) + row.zero;
    return level < 0 ? 0 : level > LEVELS - 1 ? LEVELS - 1 : (int)level;
}

static double squared_error(const SuHistogram *histogram, SuRowScale row)
{
    double sum = 0;
    for (size_t i = 0; i < SU_HISTOGRAM_BINS; i++) {
        if (histogram->counts[i] <= 0) continue;
        double value = bin_value(histogram, i);
        double wrong = (level_of(row, value) - row.zero) * (double)row.scale - value;
        sum += histogram->counts[i] * wrong * wrong;
    }
    return sum;
}

/* Of the histogram from the same where every bin of a level has the mean of its bins that are not
 * empty. What is cut off counts in the outermost bins of the histogram that are kept, and in no
 * level. */
static double divergence(const SuHistogram *histogram, SuRowScale row)
{
    double mass[LEVELS] = {0}, bins[LEVELS] = {0}, inside = 0, sum = 0, cut[2] = {0};
    double low = -row.zero * (double)row.scale, high = low + (LEVELS - 1) * (double)row.scale;
    double half = row.scale / 2.0;
    size_t first = SU_HISTOGRAM_BINS, last = 0;
    for (size_t i = 0; i < SU_HISTOGRAM_BINS; i++) {
        double value = bin_value(histogram, i), count = histogram->counts[i];
        if (count <= 0) continue;
        if (value < low - half || value > high + half) {
            cut[value > 0] += count;
            continue;
        }
        first = i < first ? i : first;
        last = i;
        mass[level_of(row, value)] += count;
        bins[level_of(row, value)]++;
        inside += count;
    }
    if (inside <= 0) return INFINITY;
    for (size_t i = first; i <= last; i++) {
        double count = histogram->counts[i];
        if (count <= 0) continue;
        int level = level_of(row, bin_value(histogram, i));
        double p =
            (count + (i == first ? cut[0] : 0) + (i == last ? cut[1] : 0)) / histogram->total;
        sum += p * log(p / (mass[level] / bins[level] / inside));
    }
    return sum;
}

static double cost_of(SutraScales method, const SuHistogram *histogram, SuRowScale row)
{
    return method == SUTRA_SCALES_MSE ? squared_error(histogram, row) : divergence(histogram, row);
}

/* Cuts the upper end, then the lower. */
static SuRowScale search(SutraScales method, const SuHistogram *histogram)
{
    float low = histogram->low, high = histogram->high;
    SuRowScale best = su_scale_of_range(low, high);
    double least = cost_of(method, histogram, best);
    for (int end = 0; end < 2; end++) {
        float kept = end ? low : high;
        for (int step = STEPS - 1; step >= FEWEST_STEPS; step--) {
            float cut = (end ? histogram->low : histogram->high) * (float)step / STEPS;
            SuRowScale row = end ? su_scale_of_range(cut, high) : su_scale_of_range(low, cut);
            double cost = cost_of(method, histogram, row);
            if (!(cost < least)) continue;
            least = cost;
            best = row;
            kept = cut;
        }
        *(end ? &low : &high) = kept;
    }
    return best;
}

static SuRowScale by_percentile(const SuHistogram *histogram)
{
    double width = ((double)histogram->high - histogram->low) / SU_HISTOGRAM_BINS, sum = 0;
    double least = histogram->total * OUTSIDE;
    size_t first = 0, last = SU_HISTOGRAM_BINS - 1;
    while (first < last && (sum += histogram->counts[first]) <= least) first++;
    sum = 0;
    while (last > first && (sum += histogram->counts[last]) <= least) last--;
    return su_scale_of_range((float)(histogram->low + (double)first * width),
                             (float)(histogram->low + (double)(last + 1) * width));
}

SuRowScale su_scale_choose(SutraScales method, const SuHistogram *histogram)
{
    if (method == SUTRA_SCALES_PERCENTILE) return by_percentile(histogram);
    if (method == SUTRA_SCALES_MIN_MAX || histogram->total <= 0)
        return su_scale_of_range(histogram->low, histogram->high);
    return search(method, histogram);
}

void su_smooth_factors(const float *row_max, const float *weight_max, size_t n, double alpha,
                       float *factor)
{
    for (size_t i = 0; i < n; i++) {
        factor[i] = 1.0f;
        if (!(row_max[i] > 0 && weight_max[i] > 0)) continue;
        double value = pow(weight_max[i], 1 - alpha) / pow(row_max[i], alpha);
        factor[i] = (float)fmin(fmax(value, 1e-4), 1e4);
    }
}
