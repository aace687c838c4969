/* Weights in the order that a GEMM reads them. */
#include "kernels/kernels.h"
#include "kernels/ref/kernels_ref.h"

#include <math.h>
#include <string.h>

static const SuGemmPacking packings[SU_LAYOUT_END] = {
    [SU_LAYOUT_F32_8] = {"f32_8", .nr = 8, .kr = 1, .size = 4, .row_bytes = 4},
    [SU_LAYOUT_F32_16] = {"f32_16", .nr = 16, .kr = 1, .size = 4, .row_bytes = 4},
    [SU_LAYOUT_F32_32] = {"f32_32", .nr = 32, .kr = 1, .size = 4, .row_bytes = 4},
    [SU_LAYOUT_BF16_32] = {"bf16_32", .nr = SU_PANEL, .kr = 2, .size = 2,
                           .row_bytes = SU_GEMM_ROW_BYTES},
    [SU_LAYOUT_INT8_32] = {"int8_32", .nr = SU_PANEL, .kr = 4, .size = 1,
                           .row_bytes = SU_GEMM_ROW_BYTES},
    [SU_LAYOUT_F16_32] = {"f16_32", .nr = SU_PANEL, .kr = 1, .size = 2, .row_bytes = 2},
};

const SuGemmPacking *su_gemm_packing(SuGemmLayout layout)
{
    bool known = (uint32_t)layout < SU_LAYOUT_END && packings[layout].name;
    return known ? &packings[layout] : NULL;
}

/* Elements of k that a feature takes, the padding included. */
static size_t padded_k(const SuGemmPacking *packing, size_t k)
{
    size_t multiple = packing->row_bytes / packing->size;
    return (k + multiple - 1) / multiple * multiple;
}

size_t su_gemm_packed_size(SuGemmLayout layout, size_t n, size_t k)
{
    const SuGemmPacking *packing = su_gemm_packing(layout);
    size_t features = (n + packing->nr - 1) / packing->nr * packing->nr;
    return features * padded_k(packing, k) * packing->size;
}

/* A feature's place: element p is at (p / kr) * step + p % kr elements. */
typedef struct Place {
    unsigned char *at;
    size_t padded_k, kr, step;
} Place;

static Place place_of(const SuGemmPacking *packing, size_t feature, size_t k, void *b)
{
    size_t padded = padded_k(packing, k), nr = packing->nr;
    size_t at = feature / nr * nr * padded + feature % nr * packing->kr;
    return (Place){(unsigned char *)b + at * packing->size, padded, packing->kr, nr * packing->kr};
}

static void pack_f32(const float *row, size_t k, const Place *place)
{
    float *to = (float *)(void *)place->at;
    for (size_t p = 0; p < k; p++) to[p * place->step] = row[p];
}

static void pack_bf16(const float *row, size_t k, const Place *place)
{
    uint16_t *to = (uint16_t *)(void *)place->at;
    for (size_t p = 0; p < place->padded_k; p++) {
        uint16_t half = 0;
        if (p < k) su_narrow_bf16_ref(&row[p], 1, &half);
        to[p / place->kr * place->step + p % place->kr] = half;
    }
}

static bool pack_f16(const float *row, size_t k, const Place *place)
{
    uint16_t *to = (uint16_t *)(void *)place->at;
    for (size_t p = 0; p < k; p++) {
        uint16_t half;
        if (!su_output_f16_ref(&row[p], 1.0f, 1, &half) || (half & 0x7fffu) >= 0x7c00u)
            return false;
        to[p * place->step] = half;
    }
    return true;
}

static bool pack_int8(const float *row, size_t k, const Place *place, float *scale, int32_t *sum)
{
    float most = 0.0f;
    bool finite = true;
    for (size_t p = 0; p < k; p++) {
        finite = finite && isfinite(row[p]);
        most = fmaxf(most, fabsf(row[p]));
    }
    float step = most / 127.0f, inverse = step >= 0x1p-126f ? 1.0f / step : 0.0f;
    *scale = !finite ? NAN : inverse > 0.0f ? step : 1.0f;
    *sum = 0;
    for (size_t p = 0; p < place->padded_k; p++) {
        int q = p < k && finite ? (int)rintf(row[p] * inverse) : 0;
        *sum += q;
        place->at[p / place->kr * place->step + p % place->kr] =
            (unsigned char)(int8_t)(q > 127    ? 127
                                    : q < -127 ? -127
                                               : q);
    }
    return finite;
}

bool su_gemm_pack(SuGemmLayout layout, const float *row, size_t feature, size_t k, void *b,
                  float *scale, int32_t *sum)
{
    const Place place = place_of(su_gemm_packing(layout), feature, k, b);
    switch (layout) {
    case SU_LAYOUT_BF16_32:
        pack_bf16(row, k, &place);
        return true;
    case SU_LAYOUT_F16_32:
        return pack_f16(row, k, &place);
    case SU_LAYOUT_INT8_32:
        return scale && sum && pack_int8(row, k, &place, scale, sum);
    default:
        pack_f32(row, k, &place);
        return true;
    }
}
