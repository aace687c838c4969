/* Embedding tables in s8, and the check that weights are numbers. */
#include "base/memory.h"
#include "model/family.h"
#include "quantize.h"
#include "tensor_read.h"

#include <math.h>

enum { BLOCK = 1024 };

/* What the weights of a linear are multiplied by before they become halves; 0: of no linear. */
static float half_scale(const SuQuantizer *quantizer, const SutraTensor *tensor)
{
    bool linear = tensor->num_dims == 2 && tensor->role >= SUTRA_ROLE_QUERY_WEIGHT &&
                  tensor->role <= SUTRA_ROLE_FFN_DOWN_WEIGHT;
    if (quantizer->options.compute != SUTRA_COMPUTE_FP16 || !linear) return 0.0f;
    if (tensor->role != SUTRA_ROLE_QUERY_WEIGHT) return 1.0f;
    return (float)(1.4426950408889634 / sqrt((double)quantizer->model->spec.head_size));
}

static SutraStatus raise_weight(const SuQuantizer *quantizer, const SutraTensor *tensor, size_t at,
                                float x, SutraError *err)
{
    char name[128];
    su_family_tensor_name(quantizer->model->family, tensor->role, tensor->layer, name, sizeof name);
    if (isfinite(x))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: tensor %s: element %zu is %g: beyond 65504, it has no fp16 form",
                 quantizer->model->path, name, at, (double)x);
    SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: element %zu is %s", quantizer->model->path, name,
             at, isnan(x) ? "NaN" : "infinite");
}

static SutraStatus check_tensor(const SuQuantizer *quantizer, const SutraTensor *tensor,
                                SutraError *err)
{
    float block[BLOCK], scale = half_scale(quantizer, tensor);
    if (tensor->dtype == SUTRA_TENSOR_I8 || tensor->dtype == SUTRA_TENSOR_I32) return SUTRA_OK;
    size_t elements = su_tensor_elements(tensor);
    for (size_t i = 0; i < elements; i += BLOCK) {
        size_t n = elements - i < BLOCK ? elements - i : BLOCK;
        su_tensor_read(&quantizer->kernels, tensor, i, n, block);
        for (size_t j = 0; j < n; j++)
            if (!isfinite(block[j]) || fabsf(block[j] * scale) >= 65520.0f)
                return raise_weight(quantizer, tensor, i + j, block[j], err);
    }
    return SUTRA_OK;
}

SutraStatus su_quantize_check_weights(const SuQuantizer *quantizer, SutraError *err)
{
    for (size_t i = 0; i < quantizer->model->num_tensors; i++)
        SU_TRY(check_tensor(quantizer, &quantizer->model->tensors[i], err));
    return SUTRA_OK;
}

float su_quantize_scale_s8(const float *x, size_t n)
{
    float most = 0.0f;
    for (size_t i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    float scale = most / 127.0f;
    return scale >= 0x1p-126f ? scale : 0.0f;
}

int8_t su_quantize_s8(float x, float scale)
{
    float q = scale > 0.0f ? rintf(x * (1.0f / scale)) : 0.0f;
    return (int8_t)(q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q);
}

void su_quantize_row_s8(const float *x, size_t n, int8_t *to, float *scale)
{
    *scale = su_quantize_scale_s8(x, n);
    for (size_t i = 0; i < n; i++) to[i] = su_quantize_s8(x[i], *scale);
}

static SutraStatus quantize_table(const SuQuantizer *quantizer, const SutraTensor *from,
                                  SutraRole scale_role, SuQuantizedTable *table, SutraError *err)
{
    size_t rows = (size_t)from->shape[0], n = (size_t)from->shape[1];
    int8_t *elements = su_alloc(rows, n);
    float *scales = su_alloc(rows, sizeof *scales), *row = su_alloc(n, sizeof *row);
    table->rows = *from;
    table->rows.dtype = SUTRA_TENSOR_I8;
    table->rows.data = elements;
    table->rows.size = rows * n;
    table->scales = (SutraTensor){.role = scale_role,
                                  .dtype = SUTRA_TENSOR_F32,
                                  .num_dims = 1,
                                  .shape = {rows},
                                  .data = scales,
                                  .size = rows * sizeof *scales};
    bool complete = elements && scales && row;
    for (size_t i = 0; complete && i < rows; i++) {
        su_tensor_read(&quantizer->kernels, from, i * n, n, row);
        su_quantize_row_s8(row, n, elements + i * n, &scales[i]);
    }
    su_free(row);
    if (!complete) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for an embedding table");
    return SUTRA_OK;
}

SutraStatus su_quantize_tables(SuQuantizer *quantizer, SutraError *err)
{
    static const SutraRole roles[SU_QUANTIZED_TABLES][2] = {
        {SUTRA_ROLE_TOKEN_EMBEDDING, SUTRA_ROLE_TOKEN_EMBEDDING_SCALE},
        {SUTRA_ROLE_POSITION_EMBEDDING, SUTRA_ROLE_POSITION_EMBEDDING_SCALE}};
    for (size_t i = 0; i < SU_QUANTIZED_TABLES; i++) {
        const SutraTensor *from = su_model_tensor(quantizer->model, roles[i][0], 0);
        if (from && from->dtype != SUTRA_TENSOR_I8)
            SU_TRY(quantize_table(quantizer, from, roles[i][1], &quantizer->tables[i], err));
    }
    return SUTRA_OK;
}
