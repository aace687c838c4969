/* A block of an initialiser is some of its rows. Those of a transposed one are columns of the
 * stored tensor: BLOCK of each stored row are read, and put under each other.
 *
 *   stored [out, in]        block [BLOCK, out]
 *   . . b b b b . .         b b b
 *   . . b b b b . .    ->   b b b
 *   . . b b b b . .         b b b
 *                           b b b
 */
#include "onnx_weights.h"

#include "base/memory.h"
#include "tools/quantize.h"
#include "tools/tensor_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 64 };

static size_t element_size(SuOnnxType type)
{
    return type == SU_ONNX_I64 ? 8 : type == SU_ONNX_F32 ? 4 : 1;
}

/* ---- scales ---- */

/* [rows]; NULL: out of memory, or *bad: the first element that is no number. */
static float *find_scales(const SuOnnxGraph *graph, const SutraTensor *tensor, size_t *bad)
{
    size_t rows = (size_t)tensor->shape[0], n = (size_t)tensor->shape[1];
    float *scales = su_alloc(rows, sizeof *scales), *row = su_alloc(n, sizeof *row);
    *bad = SIZE_MAX;
    for (size_t r = 0; scales && row && *bad == SIZE_MAX && r < rows; r++) {
        su_tensor_read(graph->kernels, tensor, r * n, n, row);
        for (size_t i = 0; i < n && *bad == SIZE_MAX; i++)
            if (!isfinite(row[i])) *bad = r * n + i;
        if (*bad == SIZE_MAX) scales[r] = su_quantize_scale_s8(row, n);
    }
    if (!row || *bad != SIZE_MAX) {
        su_free(scales);
        scales = NULL;
    }
    su_free(row);
    return scales;
}

static float *require_scales(SuOnnxGraph *graph, const char *name, const SutraTensor *tensor)
{
    size_t bad;
    float *scales = find_scales(graph, tensor, &bad);
    if (scales || graph->status != SUTRA_OK) return scales;
    graph->status =
        bad == SIZE_MAX
            ? su_error_set(graph->err, SUTRA_E_MEMORY, "out of memory for the scales of %s", name)
            : su_error_set(graph->err, SUTRA_E_FORMAT,
                           "%s: element %zu is not a finite number: it has no int8 form", name,
                           bad);
    return NULL;
}

/* ---- initialisers ---- */

SuOnnxValue su_onnx_tensor(SuOnnxGraph *graph, const char *name, const SutraTensor *tensor,
                           SuOnnxType type, bool transposed, SuOnnxValue *scales)
{
    SuOnnxInitializer made = {.type = type,
                              .num_dims = tensor->num_dims,
                              .dims = {tensor->shape[transposed], tensor->shape[!transposed]},
                              .size = su_tensor_elements(tensor) * element_size(type),
                              .tensor = tensor,
                              .transposed = transposed};
    snprintf(made.value.name, sizeof made.value.name, "%s%s", graph->scope, name);
    if (type == SU_ONNX_I8) {
        made.scales = require_scales(graph, made.value.name, tensor);
        size_t rows = (size_t)tensor->shape[0];
        float *copy = made.scales ? su_alloc(rows, sizeof *copy) : NULL;
        char scale_name[sizeof made.value.name];
        snprintf(scale_name, sizeof scale_name, "%.40s.scale", made.value.name);
        if (copy) memcpy(copy, made.scales, rows * sizeof *copy);
        *scales = su_onnx_floats(graph, scale_name, copy, rows, 0);
    }
    return su_onnx_initializer(graph, &made);
}

/* ---- bytes ---- */

/* x [count], which are elements first … of the initialiser, in place. */
static void convert(const SuOnnxInitializer *initializer, float *x, size_t first, size_t count)
{
    size_t columns = (size_t)initializer->dims[1];
    int8_t *to = (int8_t *)(void *)x;
    for (size_t i = 0; initializer->type == SU_ONNX_I8 && i < count; i++) {
        size_t row = (first + i) / columns, column = (first + i) % columns;
        to[i] = su_quantize_s8(x[i], initializer->scales[initializer->transposed ? column : row]);
    }
}

static SutraStatus stream_plain(const SuOnnxGraph *graph, const SuOnnxInitializer *initializer,
                                float *block, size_t capacity, SuOnnxTake take, void *user,
                                SutraError *err)
{
    size_t elements = su_tensor_elements(initializer->tensor);
    for (size_t i = 0; i < elements; i += capacity) {
        size_t n = elements - i < capacity ? elements - i : capacity;
        su_tensor_read(graph->kernels, initializer->tensor, i, n, block);
        convert(initializer, block, i, n);
        SU_TRY(take(user, block, n * element_size(initializer->type), err));
    }
    return SUTRA_OK;
}

static SutraStatus stream_transposed(const SuOnnxGraph *graph, const SuOnnxInitializer *initializer,
                                     float *block, SuOnnxTake take, void *user, SutraError *err)
{
    size_t in = (size_t)initializer->dims[0], out = (size_t)initializer->dims[1];
    float part[BLOCK];
    for (size_t i = 0; i < in; i += BLOCK) {
        size_t n = in - i < BLOCK ? in - i : BLOCK;
        for (size_t o = 0; o < out; o++) {
            su_tensor_read(graph->kernels, initializer->tensor, o * in + i, n, part);
            for (size_t j = 0; j < n; j++) block[j * out + o] = part[j];
        }
        convert(initializer, block, i * out, n * out);
        SU_TRY(take(user, block, n * out * element_size(initializer->type), err));
    }
    return SUTRA_OK;
}

SutraStatus su_onnx_stream(const SuOnnxGraph *graph, const SuOnnxInitializer *initializer,
                           SuOnnxTake take, void *user, SutraError *err)
{
    if (initializer->data) return take(user, initializer->data, (size_t)initializer->size, err);
    size_t capacity = BLOCK * (size_t)(initializer->transposed ? initializer->dims[1] : 1024);
    float *block = su_alloc(capacity, sizeof *block);
    if (!block)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a block of %s", initializer->value.name);
    SutraStatus status = initializer->transposed
                             ? stream_transposed(graph, initializer, block, take, user, err)
                             : stream_plain(graph, initializer, block, capacity, take, user, err);
    su_free(block);
    return status;
}
