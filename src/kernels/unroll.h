/* unroll.h - how kernels are written: one inline function over constants (rows, vectors),
 * instantiated for each of them; its arrays of vectors become registers once every loop over them
 * is unrolled. */
#ifndef SU_UNROLL_H
#define SU_UNROLL_H

#define SU_INLINE static inline __attribute__((always_inline))

/* SU_CHECKED_ARRAYS: with ASan, whose checks of every unrolled access take minutes to compile. */
#if defined(SU_CHECKED_ARRAYS) && defined(__clang__)
#define SU_UNROLL _Pragma("clang loop unroll(disable)")
#elif defined(SU_CHECKED_ARRAYS)
#define SU_UNROLL _Pragma("GCC unroll 1")
#elif defined(__clang__)
#define SU_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SU_UNROLL _Pragma("GCC unroll 32")
#endif

#endif
