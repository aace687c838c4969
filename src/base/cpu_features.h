/* cpu_features.h - what this machine can do, and which kernels may be used.
 *
 * Levels of x86 and of Arm are ordered; each includes those of its architecture below it, but for
 * AVXVNNI, which those above do not need. SUTRA_ISA=NAME (su_isa_name) chooses a level (it is the
 * one environment variable the library reads); a level the processor lacks is an error, never a
 * silent fallback. */
#ifndef SU_CPU_FEATURES_H
#define SU_CPU_FEATURES_H

#include "base/status.h"

#include <stdbool.h>

/* Packed weights in files name their level by its value: new ones go to the end. */
typedef enum SuIsa {
    SU_ISA_SCALAR = 0,
    SU_ISA_AVX2,
    SU_ISA_AVXVNNI,
    SU_ISA_AVX512,
    SU_ISA_AVX512VNNI,
    SU_ISA_AVX512BF16,
    SU_ISA_AMX,
    SU_ISA_NEON,
    SU_ISA_DOTPROD,
    SU_ISA_I8MM,
    SU_ISA_COUNT
} SuIsa;

/* Whether this machine has the instructions of a level. AVX2 stands for AVX2, FMA and F16C; AVX512
 * for F, BW, DQ and VL; AVXVNNI, AVX512VNNI and AVX512BF16 for what their names say, the last
 * having VNNI too. AMX stands for tiles of bf16 and int8 whose state the system keeps (many virtual
 * machines do not) and lets this process use, which the first call asks for. NEON is the Advanced
 * SIMD of AArch64, DOTPROD has SDOT, I8MM has USDOT. Thread-safe. */
bool su_isa_available(SuIsa isa);

/* The fastest level of this processor: the highest one it has, but for AVX512BF16 on Intel's, whose
 * vdpbf16ps is no faster than fp32 multiply-adds on rows as they are (docs/KERNELS.md). */
SuIsa su_isa_detect(void);

/* The level in force: su_isa_detect, or what SUTRA_ISA names. Errors: ARGUMENT (unknown name; lists
 * the names), UNSUPPORTED (the processor lacks it). */
SutraStatus su_isa_select(SuIsa *isa, SutraError *err);

/* "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx", "neon", "dotprod",
 * "i8mm"; static */
const char *su_isa_name(SuIsa isa);

/* Cores this process may run on; at least 1. */
uint32_t su_cpu_count(void);

/* The same from another source of the mask, for tests. affinity fills bytes at mask, a cpu_set_t of
 * that size, and fails with EINVAL where the kernel's is larger: returns 0, or -1 and sets
 * errno. */
uint32_t su_cpu_count_from(int (*affinity)(size_t bytes, void *mask));

/* Data caches that a core has or shares, levels 1 to 3; 0 where the system does not say. */
void su_cache_sizes(size_t bytes[3]);

/* Bytes of the machine's memory, and of it bytes in no use; 0 where the system does not say. */
void su_physical_memory(uint64_t *total, uint64_t *available);

#endif
