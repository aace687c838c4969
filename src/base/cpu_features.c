#include "base/cpu_features.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const isa_names[SU_ISA_COUNT] = {"scalar", "avx2", "avx512"};

const char *su_isa_name(SuIsa isa) { return (unsigned)isa < SU_ISA_COUNT ? isa_names[isa] : "?"; }

#if defined(__x86_64__)
/* Not a name that every compiler's __builtin_cpu_supports knows. */
static bool has_f16c(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}
#endif

SuIsa su_isa_detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
        return SU_ISA_SCALAR;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return SU_ISA_AVX512;
    return SU_ISA_AVX2;
#else
    return SU_ISA_SCALAR;
#endif
}

SutraStatus su_isa_select(SuIsa *isa, SutraError *err)
{
    SuIsa highest = su_isa_detect();
    *isa = highest;
    const char *wanted = getenv("SUTRA_ISA");
    if (!wanted || !*wanted) return SUTRA_OK;
    for (int level = 0; level < SU_ISA_COUNT; level++) {
        if (strcmp(wanted, isa_names[level]) != 0) continue;
        if (level > (int)highest)
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "SUTRA_ISA=%s: this processor has only %s", wanted,
                     isa_names[highest]);
        *isa = (SuIsa)level;
        return SUTRA_OK;
    }
    SU_RAISE(err, SUTRA_E_ARGUMENT, "SUTRA_ISA=%s is not known: scalar, avx2 or avx512", wanted);
}

uint32_t su_cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (uint32_t)count : 1;
}

void su_cache_sizes(size_t bytes[3])
{
    static const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                _SC_LEVEL3_CACHE_SIZE};
    for (int i = 0; i < 3; i++) {
        long size = sysconf(names[i]);
        bytes[i] = size > 0 ? (size_t)size : 0;
    }
}

void su_physical_memory(uint64_t *total, uint64_t *available)
{
    long page = sysconf(_SC_PAGESIZE), all = sysconf(_SC_PHYS_PAGES),
         unused = sysconf(_SC_AVPHYS_PAGES);
    *total = page > 0 && all > 0 ? (uint64_t)page * (uint64_t)all : 0;
    *available = page > 0 && unused > 0 ? (uint64_t)page * (uint64_t)unused : 0;
}
