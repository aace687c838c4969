/* bench_peak.h - loops that do nothing but one thing: multiply-add, load, load and store. */
#ifndef SU_BENCH_PEAK_H
#define SU_BENCH_PEAK_H

#include <stddef.h>

/* Independent chains of fma in registers, all lanes unlike; returns the operations done. */
double su_bench_fma_scalar(size_t rounds);
double su_bench_fma_avx2(size_t rounds);
double su_bench_fma_avx512(size_t rounds);
double su_bench_fma_neon(size_t rounds);

/* The same with dot products: of u8 and s8 to 32 bits, of bf16 to fp32. */
double su_bench_dot_int8_avx2(size_t rounds);
double su_bench_dot_int8_avxvnni(size_t rounds);
double su_bench_dot_int8_avx512(size_t rounds);
double su_bench_dot_int8_avx512vnni(size_t rounds);
double su_bench_dot_bf16_avx512bf16(size_t rounds);
double su_bench_dot_int8_neon(size_t rounds);
double su_bench_dot_int8_dotprod(size_t rounds);

/* Products of whole tiles, of bf16 or of int8, into four of them in turn; only where AMX may be
 * used. */
double su_bench_tiles_bf16_amx(size_t rounds);
double su_bench_tiles_int8_amx(size_t rounds);

/* Loads n floats and adds them up. n: a multiple of 128 */
float su_bench_read_scalar(const float *x, size_t n);
float su_bench_read_avx2(const float *x, size_t n);
float su_bench_read_avx512(const float *x, size_t n);
float su_bench_read_neon(const float *x, size_t n);

/* y = x */
void su_bench_copy_scalar(const float *x, size_t n, float *y);
void su_bench_copy_avx2(const float *x, size_t n, float *y);
void su_bench_copy_avx512(const float *x, size_t n, float *y);
void su_bench_copy_neon(const float *x, size_t n, float *y);

#endif
