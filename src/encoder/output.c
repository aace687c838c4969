/* From a float row to the element type that was asked for; see SutraDtype. */
#include "batch/row_bytes.h"
#include "encoder/encoder.h"

#include <math.h>
#include <string.h>

void su_output_steps(const SutraBatch *batch, float *steps)
{
    for (uint32_t i = 0; batch->ranges && i < batch->dim; i++) {
        float step = (batch->ranges[batch->dim + i] - batch->ranges[i]) / 255.0f;
        steps[i] = step > 0.0f ? step : 1.0f;
    }
}

/* The vector is row x scale. False if an element is not finite. */
static bool convert(const SuKernels *kernels, const float *row, float scale,
                    const SutraBatch *batch, const float *steps, void *out)
{
    uint32_t dim = batch->dim;
    uint8_t flip = batch->dtype == SUTRA_I8 || batch->dtype == SUTRA_BINARY ? 0x80 : 0;
    switch (batch->dtype) {
    case SUTRA_F32:
        return kernels->output_f32(row, scale, dim, out);
    case SUTRA_F16:
        return kernels->output_f16(row, scale, dim, out);
    case SUTRA_I8:
    case SUTRA_U8:
        if (batch->ranges)
            return kernels->output_ranged_u8(row, scale, batch->ranges, steps, dim, flip, out);
        return kernels->output_u8(row, scale, dim, flip, out);
    case SUTRA_BINARY:
    case SUTRA_UBINARY:
        return kernels->output_bits(row, scale, dim, flip, out);
    }
    return false;
}

bool su_output_row(const SuKernels *kernels, const float *row, uint32_t size,
                   const SutraBatch *batch, const float *steps, void *out)
{
    float scale = 1.0f;
    bool finite = true;
    if (batch->normalize) {
        uint32_t n = batch->normalize == SUTRA_BATCH_NORMALIZE_WHOLE ? size : batch->dim;
        float length = sqrtf(kernels->sum_of_squares_f32(row, n));
        scale = 1.0f / (length > 1e-12f ? length : 1e-12f);
        finite = isfinite(length); /* an element that is not, or an overflow */
    }
    finite = finite && convert(kernels, row, scale, batch, steps, out);
    if (!finite) memset(out, 0, su_row_bytes(batch->dtype, batch->dim));
    return finite;
}
