/* output_f32_vectors.h - output rows, for any vector type: scaled, checked and converted in one
 * pass. Included after rows_f32_vectors.h. */
#ifndef SU_OUTPUT_F32_VECTORS_H
#define SU_OUTPUT_F32_VECTORS_H

enum { OUTPUT_STEP = 4 * VEC_LANES }; /* elements */

typedef enum OutputKind {
    OUTPUT_F32,
    OUTPUT_F16,
    OUTPUT_U8,
    OUTPUT_RANGED_U8,
    OUTPUT_BITS
} OutputKind;

typedef struct OutputRow {
    const float *x, *least, *step; /* [n] */
    float scale;
    size_t n;
    uint8_t flip;
    void *y;
} OutputRow;

/* Writes `left` elements, 1 … OUTPUT_STEP, from element i on; whole: all of a step. */
SU_INLINE void output_step(const OutputKind kind, const OutputRow *row, Vec v[4], size_t i,
                           size_t left, const bool whole)
{
    uint8_t *bytes = row->y;
    SU_UNROLL
    for (size_t c = 0; c < 4; c++) {
        size_t at = i + c * VEC_LANES;
        if (kind == OUTPUT_F32) {
            store((float *)row->y, at, row->n, v[c]);
        } else if (kind == OUTPUT_F16) {
            size_t count = at + VEC_LANES <= row->n ? VEC_LANES : row->n - at;
            if (whole || at < row->n) vec_store_f16((uint16_t *)row->y + at, v[c], count);
        } else if (kind == OUTPUT_U8) {
            v[c] = vec_max(vec_mul(v[c], vec_set1(127.0f)), vec_set1(-127.0f));
            v[c] = vec_min(v[c], vec_set1(127.0f));
        } else if (kind == OUTPUT_RANGED_U8) {
            Vec least = whole ? vec_load(row->least + at) : load(row->least, at, row->n);
            Vec step = whole ? vec_load(row->step + at) : load(row->step, at, row->n);
            v[c] = vec_floor(vec_div(vec_sub(v[c], least), step));
            v[c] = vec_min(vec_max(v[c], vec_zero()), vec_set1(255.0f));
        }
    }
    if (kind == OUTPUT_U8) vec_store_flipped_u8(bytes + i, v, 128, row->flip, left);
    if (kind == OUTPUT_RANGED_U8) vec_store_flipped_u8(bytes + i, v, 0, row->flip, left);
    if (kind == OUTPUT_BITS) {
        uint64_t bits = vec_positive_bits(v) ^ row->flip * 0x0101010101010101u;
        memcpy(bytes + i / 8, &bits, whole ? OUTPUT_STEP / 8 : (left + 7) / 8);
    }
}

SU_INLINE bool output_row(const OutputKind kind, const OutputRow *row)
{
    const Vec scale = vec_set1(row->scale);
    Vec v[4], bad[4]; /* bad: NaN once a value was not finite */
    for (int c = 0; c < 4; c++) bad[c] = vec_zero();
    for (size_t i = 0; i < row->n; i += OUTPUT_STEP) {
        size_t left = row->n - i;
        bool whole = left >= OUTPUT_STEP;
        load_four(v, row->x, NULL, i, row->n, whole);
        SU_UNROLL
        for (int c = 0; c < 4; c++) {
            v[c] = vec_mul(v[c], scale);
            bad[c] = vec_fma(v[c], vec_zero(), bad[c]);
        }
        if (whole)
            output_step(kind, row, v, i, OUTPUT_STEP, true);
        else
            output_step(kind, row, v, i, left, false);
    }
    return !vec_has_nan(vec_add(vec_add(bad[0], bad[1]), vec_add(bad[2], bad[3])));
}

static bool output_f32(const float *x, float scale, size_t n, float *y)
{
    return output_row(OUTPUT_F32, &(OutputRow){.x = x, .scale = scale, .n = n, .y = y});
}

static bool output_f16(const float *x, float scale, size_t n, uint16_t *y)
{
    return output_row(OUTPUT_F16, &(OutputRow){.x = x, .scale = scale, .n = n, .y = y});
}

static bool output_u8(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y)
{
    return output_row(OUTPUT_U8,
                      &(OutputRow){.x = x, .scale = scale, .n = n, .flip = flip, .y = y});
}

static bool output_ranged_u8(const float *x, float scale, const float *least, const float *step,
                             size_t n, uint8_t flip, uint8_t *y)
{
    return output_row(
        OUTPUT_RANGED_U8,
        &(OutputRow){
            .x = x, .least = least, .step = step, .scale = scale, .n = n, .flip = flip, .y = y});
}

static bool output_bits(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y)
{
    return output_row(OUTPUT_BITS,
                      &(OutputRow){.x = x, .scale = scale, .n = n, .flip = flip, .y = y});
}

static void init_output(SuKernels *kernels)
{
    kernels->output_f32 = output_f32;
    kernels->output_f16 = output_f16;
    kernels->output_u8 = output_u8;
    kernels->output_ranged_u8 = output_ranged_u8;
    kernels->output_bits = output_bits;
}

#endif
