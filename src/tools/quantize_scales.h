/* quantize_scales.h - from what a linear reads to the scale of its rows, and smoothing factors. */
#ifndef SU_QUANTIZE_SCALES_H
#define SU_QUANTIZE_SCALES_H

#include "kernels/kernels.h"
#include "sutra_tools.h"

enum { SU_HISTOGRAM_BINS = 2048 };

/* Of equal bins from low to high, low <= 0 <= high; what lies outside is counted in the outer
 * bins. */
typedef struct SuHistogram {
    float low, high;
    double counts[SU_HISTOGRAM_BINS], total;
} SuHistogram;

/* Adds x [rows, n], each row times factor [n] (NULL: 1). */
void su_histogram_add(SuHistogram *histogram, const float *x, const float *factor, size_t rows,
                      size_t n);

/* The 256 levels that cover low … high and hit 0: 0 has no error. scale is 1 where the range is
 * empty. */
SuRowScale su_scale_of_range(float low, float high);

/* Scale and zero by a method, not SUTRA_SCALES_DYNAMIC:
 *   min-max      the whole range
 *   percentile   all but 1 of 20,000 values at either end
 *   mse          the range whose levels have the least squared error over the histogram
 *   entropy      the range whose levels have the least Kullback-Leibler divergence from it
 * The last two try ranges cut at one end, then at the other, in steps of a fiftieth. */
SuRowScale su_scale_choose(SutraScales method, const SuHistogram *histogram);

/* SmoothQuant (Xiao et al. 2022): factor = weight_max^(1 - alpha) / row_max^alpha of each channel
 * [n], 1 where either is 0; within 1e-4 … 1e4. */
void su_smooth_factors(const float *row_max, const float *weight_max, size_t n, double alpha,
                       float *factor);

#endif
