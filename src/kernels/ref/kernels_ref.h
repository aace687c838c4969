/* kernels_ref.h - the plain C kernels; contracts in kernels/kernels.h. */
#ifndef SU_KERNELS_REF_H
#define SU_KERNELS_REF_H

#include "kernels/kernels.h"

void su_gemm_f32_ref(const SuGemmArgs *args);
void su_gemm_f16_ref(const SuGemmArgs *args);
void su_gemm_bf16_ref(const SuGemmArgs *args);       /* rows in bf16, SU_SUMS_CHAIN */
void su_gemm_bf16_tiles_ref(const SuGemmArgs *args); /* rows in bf16, SU_SUMS_TILES */
void su_gemm_bf16_floats_ref(const SuGemmArgs *args);
void su_gemm_int8_ref(const SuGemmArgs *args);
void su_attention_bf16_ref(const SuAttentionBf16Args *args);
void su_attention_f32_ref(const SuAttentionF32Args *args);
void su_layer_norm_f32_ref(const SuNormF32 *norm, const float *x, float *y);
void su_embed_norm_f32_ref(const SuNormF32 *norm, const float *token, const float *type,
                           const float *position, float *y);
void su_activate_f32_ref(SutraActivation activation, float *x, size_t n);
void su_pool_f32_ref(SutraPooling pooling, const float *x, size_t stride, size_t first,
                     size_t num_tokens, size_t n, float *out);
void su_sum_rows_f32_ref(const SuRowSumArgs *args);
void su_sum_rows_f16_ref(const SuRowSumArgs *args);
void su_sum_rows_bf16_ref(const SuRowSumArgs *args);
void su_sum_rows_s8_ref(const SuRowSumArgs *args);
float su_sum_of_squares_f32_ref(const float *x, size_t n);
void su_scale_f32_ref(const float *x, float scale, size_t n, float *y);
float su_dot_f32_ref(const float *x, const float *y, size_t n);
void su_dots_f32_ref(const float *rows, size_t stride, size_t num_rows, const float *queries,
                     size_t num_queries, size_t n, float *out);
void su_dots_s8_ref(const int8_t *rows, size_t num_rows, const int8_t *queries, size_t num_queries,
                    size_t n, int32_t *out);
void su_differing_bits_ref(const uint8_t *rows, size_t num_rows, const uint8_t *queries,
                           size_t num_queries, size_t n, int32_t *out);
void su_widen_f16_ref(const uint16_t *x, size_t n, float *y);
void su_rotate_f32_ref(float *x, size_t stride, const float *turns, size_t rows, size_t size);
void su_rotate_bf16_ref(uint16_t *x, size_t stride, const float *turns, size_t rows, size_t size);
void su_widen_bf16_ref(const uint16_t *x, size_t n, float *y);
void su_widen_s8_ref(const int8_t *x, float scale, size_t n, float *y);
void su_narrow_bf16_ref(const float *x, size_t n, uint16_t *y);
SuRowScale su_quantize_u8_ref(const float *x, const float *factor, const SuRowScale *fixed,
                              size_t n, uint8_t *y);
bool su_output_f32_ref(const float *x, float scale, size_t n, float *y);
bool su_output_f16_ref(const float *x, float scale, size_t n, uint16_t *y);
bool su_output_u8_ref(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y);
bool su_output_ranged_u8_ref(const float *x, float scale, const float *least, const float *step,
                             size_t n, uint8_t flip, uint8_t *y);
bool su_output_bits_ref(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y);
/* Scale and zero of a row whose least and largest elements (and 0) are low and high. False: y is
 * all zeros. */
bool su_quantize_row(float low, float high, bool finite, const SuRowScale *fixed, SuRowScale *row);

#endif
