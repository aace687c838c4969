/* fma_peak.h - independent chains of fma in registers: what a kernel could reach at most. */
#ifndef FMA_PEAK_H
#define FMA_PEAK_H

#include <stddef.h>

/* Runs `rounds` rounds and returns the number of floating-point operations done. */
double fma_peak_scalar(size_t rounds);
double fma_peak_avx2(size_t rounds);
double fma_peak_avx512(size_t rounds);

#endif
