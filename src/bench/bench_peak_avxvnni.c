#define DOT_BYTES 32
#define DOT_PRODUCTS 4
#define DOT_STEP(sum, a, b) _mm256_dpbusd_avx_epi32((__m256i)(sum), (__m256i)(a), (__m256i)(b))
#include "bench_peak_bytes.h"

double su_bench_dot_int8_avxvnni(size_t rounds) { return run_dots(rounds); }
