/* cpu_relax.h - what a thread that spins tells its processor. */
#ifndef SU_CPU_RELAX_H
#define SU_CPU_RELAX_H

#if defined(__x86_64__)
#include <immintrin.h>
#define su_cpu_relax() _mm_pause()
#else
#define su_cpu_relax() ((void)0)
#endif

#endif
