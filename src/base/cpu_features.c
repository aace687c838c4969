#include "base/cpu_features.h"

#include "base/memory.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum { LARGEST_MASK = 1 << 17 }; /* bytes: a million processors */

static const char *const isa_names[SU_ISA_COUNT] = {"scalar",     "avx2",       "avxvnni", "avx512",
                                                    "avx512vnni", "avx512bf16", "amx",     "neon",
                                                    "dotprod",    "i8mm"};

const char *su_isa_name(SuIsa isa) { return (unsigned)isa < SU_ISA_COUNT ? isa_names[isa] : "?"; }

#if defined(__x86_64__)
/* Two that not every compiler's __builtin_cpu_supports knows. */
static bool has_f16c(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

static bool has_avxvnni(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & 1u << 4);
}

/* The processor multiplies tiles of both kinds, and XCR0 says that the system keeps their state. */
static bool has_tiles(void)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25, TILE_STATES = 3 << 17 };
    const unsigned needed = AMX_BF16 | AMX_TILE | AMX_INT8;
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return false;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & needed) != needed) return false;
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & TILE_STATES) == TILE_STATES;
}

/* Linux gives a process the 8 KB of tile data a thread once it has asked; all its threads, those to
 * come included. To ask twice does no harm: threads that race here get the same answer. */
static bool may_use_tiles(void)
{
    enum { UNKNOWN, NO, YES, ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    static _Atomic int answer;
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (known == UNKNOWN) {
        bool granted = has_tiles() && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
        known = granted ? YES : NO;
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known == YES;
}

bool su_isa_available(SuIsa isa)
{
    __builtin_cpu_init();
    switch (isa) {
    case SU_ISA_SCALAR:
        return true;
    case SU_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    case SU_ISA_AVXVNNI:
        return su_isa_available(SU_ISA_AVX2) && has_avxvnni();
    case SU_ISA_AVX512:
        return su_isa_available(SU_ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    case SU_ISA_AVX512VNNI:
        return su_isa_available(SU_ISA_AVX512) && __builtin_cpu_supports("avx512vnni");
    case SU_ISA_AVX512BF16:
        return su_isa_available(SU_ISA_AVX512VNNI) && __builtin_cpu_supports("avx512bf16");
    case SU_ISA_AMX:
        return su_isa_available(SU_ISA_AVX512BF16) && may_use_tiles();
    default:
        return false;
    }
}

static bool is_slow(SuIsa isa) { return isa == SU_ISA_AVX512BF16 && __builtin_cpu_is("intel"); }
#else
#if defined(__aarch64__)
bool su_isa_available(SuIsa isa)
{
    switch (isa) {
    case SU_ISA_SCALAR:
        return true;
    case SU_ISA_NEON:
        return (getauxval(AT_HWCAP) & HWCAP_ASIMD) != 0;
    case SU_ISA_DOTPROD:
        return su_isa_available(SU_ISA_NEON) && (getauxval(AT_HWCAP) & HWCAP_ASIMDDP);
    case SU_ISA_I8MM:
        return su_isa_available(SU_ISA_DOTPROD) && (getauxval(AT_HWCAP2) & HWCAP2_I8MM);
    default:
        return false;
    }
}
#else
bool su_isa_available(SuIsa isa) { return isa == SU_ISA_SCALAR; }
#endif

static bool is_slow(SuIsa isa)
{
    (void)isa;
    return false;
}
#endif

/* Asked once: in a virtual machine each CPUID takes a microsecond or more. Threads that race here
 * find the same. */
SuIsa su_isa_detect(void)
{
    static _Atomic int found; /* level + 1; 0: not asked yet */
    int level = atomic_load_explicit(&found, memory_order_relaxed) - 1;
    if (level >= 0) return (SuIsa)level;
    level = SU_ISA_COUNT - 1;
    while (!su_isa_available((SuIsa)level) || is_slow((SuIsa)level)) level--;
    atomic_store_explicit(&found, level + 1, memory_order_relaxed);
    return (SuIsa)level;
}

static SutraStatus raise_unknown(const char *wanted, SutraError *err)
{
    char names[128] = "";
    for (int level = 0; level < SU_ISA_COUNT; level++) {
        const char *before = level == 0 ? "" : level == SU_ISA_COUNT - 1 ? " or " : ", ";
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", before, isa_names[level]);
    }
    SU_RAISE(err, SUTRA_E_ARGUMENT, "SUTRA_ISA=%.60s is not known: %s", wanted, names);
}

SutraStatus su_isa_select(SuIsa *isa, SutraError *err)
{
    SuIsa highest = su_isa_detect();
    *isa = highest;
    const char *wanted = getenv("SUTRA_ISA");
    if (!wanted || !*wanted) return SUTRA_OK;
    for (int level = 0; level < SU_ISA_COUNT; level++) {
        if (strcmp(wanted, isa_names[level]) != 0) continue;
        if (!su_isa_available((SuIsa)level))
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "SUTRA_ISA=%s: this machine has only %s", wanted,
                     isa_names[highest]);
        *isa = (SuIsa)level;
        return SUTRA_OK;
    }
    return raise_unknown(wanted, err);
}

/* Counts what a mask of the kernel's size holds; 0: it could not be had. */
static int count_in_mask(int (*affinity)(size_t bytes, void *mask))
{
    cpu_set_t common;
    memset(&common, 0, sizeof common);
    if (affinity(sizeof common, &common) == 0) return CPU_COUNT(&common);
    for (size_t bytes = 2 * sizeof common; errno == EINVAL && bytes <= LARGEST_MASK; bytes *= 2) {
        cpu_set_t *mask = su_calloc(1, bytes);
        if (!mask) return 0;
        int count = affinity(bytes, mask) == 0 ? CPU_COUNT_S(bytes, mask) : 0;
        int reason = errno;
        su_free(mask);
        if (count) return count;
        errno = reason;
    }
    return 0;
}

uint32_t su_cpu_count_from(int (*affinity)(size_t bytes, void *mask))
{
    int count = count_in_mask(affinity);
    if (count > 0) return (uint32_t)count;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

static int affinity_of_process(size_t bytes, void *mask)
{
    return sched_getaffinity(0, bytes, mask);
}

uint32_t su_cpu_count(void) { return su_cpu_count_from(affinity_of_process); }

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
