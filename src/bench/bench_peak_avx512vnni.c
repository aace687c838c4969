#define DOT_BYTES 64
#define DOT_PRODUCTS 4
#define DOT_STEP(sum, a, b) _mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(a), (__m512i)(b))
#include "bench_peak_bytes.h"

double su_bench_dot_int8_avx512vnni(size_t rounds) { return run_dots(rounds); }
