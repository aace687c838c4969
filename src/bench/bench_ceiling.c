#include "bench_ceiling.h"

#include "bench_peak.h"

static SuBenchCeiling fma_ceiling(SuIsa isa)
{
#if defined(__x86_64__)
    if (isa >= SU_ISA_AVX512) return (SuBenchCeiling){"fma", "GFLOP/s", su_bench_fma_avx512};
    if (isa >= SU_ISA_AVX2) return (SuBenchCeiling){"fma", "GFLOP/s", su_bench_fma_avx2};
#elif defined(__aarch64__)
    if (isa >= SU_ISA_NEON) return (SuBenchCeiling){"fma", "GFLOP/s", su_bench_fma_neon};
#endif
    (void)isa;
    return (SuBenchCeiling){"fma", "GFLOP/s", su_bench_fma_scalar};
}

/* Without dot products of bf16 the weights are widened: fp32's. */
static SuBenchCeiling bf16_ceiling(SuIsa isa)
{
#if defined(__x86_64__)
    if (isa >= SU_ISA_AMX) return (SuBenchCeiling){"tdpbf16ps", "GFLOP/s", su_bench_tiles_bf16_amx};
    if (isa == SU_ISA_AVX512BF16)
        return (SuBenchCeiling){"vdpbf16ps", "GFLOP/s", su_bench_dot_bf16_avx512bf16};
#endif
    return fma_ceiling(isa);
}

static SuBenchCeiling int8_ceiling(SuIsa isa)
{
#if defined(__x86_64__)
    if (isa >= SU_ISA_AMX) return (SuBenchCeiling){"tdpbusd", "Gop/s", su_bench_tiles_int8_amx};
    if (isa >= SU_ISA_AVX512VNNI)
        return (SuBenchCeiling){"vpdpbusd", "Gop/s", su_bench_dot_int8_avx512vnni};
    if (isa == SU_ISA_AVX512)
        return (SuBenchCeiling){"vpmaddwd", "Gop/s", su_bench_dot_int8_avx512};
    if (isa == SU_ISA_AVXVNNI)
        return (SuBenchCeiling){"vpdpbusd", "Gop/s", su_bench_dot_int8_avxvnni};
    if (isa == SU_ISA_AVX2) return (SuBenchCeiling){"vpmaddwd", "Gop/s", su_bench_dot_int8_avx2};
#elif defined(__aarch64__)
    if (isa >= SU_ISA_DOTPROD) return (SuBenchCeiling){"sdot", "Gop/s", su_bench_dot_int8_dotprod};
    if (isa >= SU_ISA_NEON) return (SuBenchCeiling){"smull", "Gop/s", su_bench_dot_int8_neon};
#endif
    return fma_ceiling(isa);
}

SuBenchCeiling su_bench_ceiling(SuIsa isa, SutraCompute compute)
{
    return compute == SUTRA_COMPUTE_BF16   ? bf16_ceiling(isa)
           : compute == SUTRA_COMPUTE_INT8 ? int8_ceiling(isa)
                                           : fma_ceiling(isa);
}
