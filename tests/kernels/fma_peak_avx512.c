#include "fma_peak.h"

#include "kernels/x86/kernels_x86.h"

#include <immintrin.h>

double fma_peak_avx512(size_t rounds)
{
    enum { CHAINS = 12, LANES = 16 };
    volatile float start = 1.0f;
    __m512 x = _mm512_set1_ps(start), y = _mm512_set1_ps(start * 0.5f), chain[CHAINS];
    SU_UNROLL
    for (int i = 0; i < CHAINS; i++) chain[i] = _mm512_set1_ps(start * (float)(i + 1));
    for (size_t r = 0; r < rounds; r++) {
        SU_UNROLL
        for (int i = 0; i < CHAINS; i++) chain[i] = _mm512_fmadd_ps(chain[i], y, x);
    }
    __m512 sum = chain[0];
    SU_UNROLL
    for (int i = 1; i < CHAINS; i++) sum = _mm512_add_ps(sum, chain[i]);
    start = _mm512_cvtss_f32(sum);
    return 2.0 * CHAINS * LANES * (double)rounds;
}
