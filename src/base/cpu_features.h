/* cpu_features.h - what this machine can do, and which kernels may be used.
 *
 * Levels are ordered; each includes the ones below it. SUTRA_ISA=scalar|avx2|avx512 lowers the
 * level (it is the one environment variable the library reads); a level the processor lacks is an
 * error, never a silent fallback. */
#ifndef SU_CPU_FEATURES_H
#define SU_CPU_FEATURES_H

#include "base/status.h"

typedef enum SuIsa { SU_ISA_SCALAR = 0, SU_ISA_AVX2, SU_ISA_AVX512, SU_ISA_COUNT } SuIsa;

/* Highest level of this processor. AVX2 stands for AVX2, FMA and F16C; AVX512 for F, BW, DQ and VL.
 */
SuIsa su_isa_detect(void);

/* The level in force: su_isa_detect lowered by SUTRA_ISA. Errors: ARGUMENT (unknown name; lists the
 * names), UNSUPPORTED (the processor lacks it). */
SutraStatus su_isa_select(SuIsa *isa, SutraError *err);

const char *su_isa_name(SuIsa isa); /* "scalar", "avx2", "avx512"; static */

/* Cores this process may run on; at least 1. */
uint32_t su_cpu_count(void);

/* Data caches that a core has or shares, levels 1 to 3; 0 where the system does not say. */
void su_cache_sizes(size_t bytes[3]);

/* Bytes of the machine's memory, and of it bytes in no use; 0 where the system does not say. */
void su_physical_memory(uint64_t *total, uint64_t *available);

#endif
