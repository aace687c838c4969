/* Sums of rows of a table, plain C. */
#include "kernels/ref/kernels_ref.h"

#include <math.h>

/* Element `at` of a table. */
typedef float (*Element)(const void *table, size_t at);

static float element_f32(const void *table, size_t at) { return ((const float *)table)[at]; }

static float element_f16(const void *table, size_t at)
{
    float value;
    su_widen_f16_ref((const uint16_t *)table + at, 1, &value);
    return value;
}

static float element_bf16(const void *table, size_t at)
{
    float value;
    su_widen_bf16_ref((const uint16_t *)table + at, 1, &value);
    return value;
}

static float element_s8(const void *table, size_t at) { return (float)((const int8_t *)table)[at]; }

static void sum_rows(const SuRowSumArgs *args, Element element)
{
    for (size_t i = 0; i < args->n; i++) {
        float sum = 0.0f;
        for (size_t t = 0; t < args->count; t++)
            sum = fmaf(args->factors[t], element(args->table, args->rows[t] * args->n + i), sum);
        args->out[i] = sum;
    }
}

void su_sum_rows_f32_ref(const SuRowSumArgs *args) { sum_rows(args, element_f32); }
void su_sum_rows_f16_ref(const SuRowSumArgs *args) { sum_rows(args, element_f16); }
void su_sum_rows_bf16_ref(const SuRowSumArgs *args) { sum_rows(args, element_bf16); }
void su_sum_rows_s8_ref(const SuRowSumArgs *args) { sum_rows(args, element_s8); }
