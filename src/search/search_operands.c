#include "search/search_operands.h"

#include "base/status.h"
#include "batch/row_bytes.h"

#include <math.h>
#include <string.h>

enum { MOST_DIM = 65536 };

static bool is_bits(SutraDtype dtype) { return dtype == SUTRA_BINARY || dtype == SUTRA_UBINARY; }

static bool is_bytes(SutraDtype dtype) { return dtype == SUTRA_I8 || dtype == SUTRA_U8; }

static bool is_floats(SutraDtype dtype) { return dtype == SUTRA_F32 || dtype == SUTRA_F16; }

SutraStatus su_operands_plan(SuOperands *operands, const SuKernels *kernels, SutraMetric metric,
                             const SutraRows *queries, const SutraRows *documents, SutraError *err)
{
    if ((!queries->data && queries->count) || (!documents->data && documents->count))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "search: rows without data");
    if ((unsigned)documents->dtype > SUTRA_UBINARY || (unsigned)queries->dtype > SUTRA_UBINARY)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "search: no such type of elements");
    if (!documents->dim || documents->dim > MOST_DIM || queries->dim != documents->dim)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "search: queries of %u elements, documents of %u",
                 queries->dim, documents->dim);
    bool same = queries->dtype == documents->dtype;
    if (!same && (!is_floats(queries->dtype) || is_bits(documents->dtype)))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "search: queries of another type than the documents");
    if ((unsigned)metric > SUTRA_METRIC_HAMMING ||
        (metric == SUTRA_METRIC_HAMMING && !is_bits(documents->dtype)))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "search: Hamming distances are of binary rows");
    *operands = (SuOperands){.kernels = kernels,
                             .metric = metric,
                             .dtype = documents->dtype,
                             .dim = documents->dim,
                             .row_bytes = su_row_bytes(documents->dtype, documents->dim)};
    operands->kind = is_bits(documents->dtype)            ? SU_OPERAND_BITS
                     : same && is_bytes(documents->dtype) ? SU_OPERAND_BYTES
                                                          : SU_OPERAND_FLOATS;
    operands->last_mask = (uint8_t)(documents->dim % 8 ? 0xff00u >> documents->dim % 8 : 0xffu);
    return SUTRA_OK;
}

size_t su_operand_bytes(const SuOperands *operands)
{
    return operands->kind == SU_OPERAND_FLOATS ? operands->dim * sizeof(float)
                                               : operands->row_bytes;
}

static void to_floats(const SuOperands *operands, SutraDtype dtype, const uint8_t *row, float *to)
{
    const SuKernels *kernels = operands->kernels;
    uint32_t dim = operands->dim;
    if (dtype == SUTRA_F32) memcpy(to, row, dim * sizeof *to);
    if (dtype == SUTRA_F16) kernels->widen_f16((const uint16_t *)(const void *)row, dim, to);
    if (dtype == SUTRA_I8) kernels->widen_s8((const int8_t *)row, 1.0f, dim, to);
    if (dtype == SUTRA_U8)
        for (uint32_t i = 0; i < dim; i++) to[i] = (float)((int)row[i] - 128);
}

/* Bytes of u8 as s8; bits without those past dim. */
static void to_bytes(const SuOperands *operands, const uint8_t *row, uint8_t *to)
{
    if (operands->dtype == SUTRA_U8) {
        for (size_t i = 0; i < operands->row_bytes; i++) to[i] = row[i] ^ 0x80u;
        return;
    }
    memcpy(to, row, operands->row_bytes);
    if (operands->kind == SU_OPERAND_BITS) to[operands->row_bytes - 1] &= operands->last_mask;
}

static float inverse_length(float squares) { return squares > 0 ? 1.0f / sqrtf(squares) : 0.0f; }

/* Of an operand of bytes or floats. */
static float inverse_of(const SuOperands *operands, const void *row)
{
    int32_t squares;
    if (operands->kind == SU_OPERAND_FLOATS)
        return inverse_length(operands->kernels->sum_of_squares_f32(row, operands->dim));
    operands->kernels->dots_s8(row, 1, row, 1, operands->dim, &squares);
    return inverse_length((float)squares);
}

void su_operand_query(const SuOperands *operands, const SutraRows *queries, size_t row,
                      void *operand, float *norm)
{
    size_t bytes = su_row_bytes(queries->dtype, queries->dim);
    const uint8_t *from = (const uint8_t *)queries->data + row * bytes;
    *norm = 1;
    if (operands->kind == SU_OPERAND_FLOATS)
        to_floats(operands, queries->dtype, from, operand);
    else
        to_bytes(operands, from, operand);
    if (operands->metric != SUTRA_METRIC_COSINE || operands->kind == SU_OPERAND_BITS) return;
    float inverse = inverse_of(operands, operand);
    if (operands->kind == SU_OPERAND_FLOATS)
        operands->kernels->scale_f32(operand, inverse, operands->dim, operand);
    else
        *norm = inverse;
}

bool su_operand_in_place(const SuOperands *operands)
{
    return operands->dtype == SUTRA_F32 ||
           (operands->kind == SU_OPERAND_BYTES && operands->dtype == SUTRA_I8) ||
           (operands->kind == SU_OPERAND_BITS && operands->last_mask == 0xff);
}

const void *su_operand_documents(const SuOperands *operands, const void *rows, size_t count,
                                 void *room)
{
    const uint8_t *row = rows;
    char *to = room;
    size_t bytes = su_operand_bytes(operands);
    if (su_operand_in_place(operands)) return rows;
    for (size_t i = 0; i < count; i++, row += operands->row_bytes, to += bytes) {
        if (operands->kind == SU_OPERAND_FLOATS)
            to_floats(operands, operands->dtype, row, (float *)(void *)to);
        else
            to_bytes(operands, row, (uint8_t *)to);
    }
    return room;
}

static void products(const SuOperands *operands, const float *documents, size_t count,
                     const float *queries, const float *packed, size_t num_queries, float *scores)
{
    const SuKernels *kernels = operands->kernels;
    const SuGemm *gemm = &kernels->gemm_f32;
    size_t dim = operands->dim;
    if (!packed) {
        kernels->dots_f32(documents, dim, count, queries, num_queries, dim, scores);
        return;
    }
    size_t panels = (num_queries + gemm->nr - 1) / gemm->nr;
    /* Behind the panels of `packed` lie as many zeros as it has columns: the bias. */
    gemm->run(&(SuGemmArgs){.a = documents,
                            .lda = dim,
                            .b = packed,
                            .bias = packed + panels * gemm->nr * dim,
                            .c = scores,
                            .ldc = num_queries,
                            .m = count,
                            .n = num_queries,
                            .k = dim,
                            .panel_end = panels,
                            .block_bytes = kernels->gemm_block_bytes});
}

/* Integers to scores, in place. */
static void finish_bytes(const SuOperands *operands, const int8_t *documents, size_t count,
                         const float *norms, size_t num_queries, float *scores)
{
    for (size_t r = 0; r < count; r++) {
        float *row = scores + r * num_queries;
        bool cosine = operands->metric == SUTRA_METRIC_COSINE;
        float inverse = cosine ? inverse_of(operands, documents + r * operands->row_bytes) : 1.0f;
        for (size_t q = 0; q < num_queries; q++) {
            int32_t sum;
            memcpy(&sum, &row[q], sizeof sum);
            row[q] = (float)sum * norms[q] * inverse;
        }
    }
}

static void finish_bits(const SuOperands *operands, size_t count, float *scores)
{
    float dim = (float)operands->dim;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &scores[i], sizeof bits);
        float differing = (float)bits;
        scores[i] = operands->metric == SUTRA_METRIC_HAMMING ? -differing
                    : operands->metric == SUTRA_METRIC_DOT   ? dim - 2 * differing
                                                             : 1 - 2 * differing / dim;
    }
}

void su_operand_scores(const SuOperands *operands, const void *documents, size_t count,
                       const void *queries, const float *norms, const float *packed,
                       size_t num_queries, float *scores)
{
    const SuKernels *kernels = operands->kernels;
    int32_t *sums = (int32_t *)(void *)scores;
    const float *floats = documents;
    switch (operands->kind) {
    case SU_OPERAND_FLOATS:
        products(operands, documents, count, queries, packed, num_queries, scores);
        for (size_t r = 0; r < count && operands->metric == SUTRA_METRIC_COSINE; r++)
            kernels->scale_f32(scores + r * num_queries,
                               inverse_of(operands, floats + r * operands->dim), num_queries,
                               scores + r * num_queries);
        break;
    case SU_OPERAND_BYTES:
        kernels->dots_s8(documents, count, queries, num_queries, operands->dim, sums);
        finish_bytes(operands, documents, count, norms, num_queries, scores);
        break;
    case SU_OPERAND_BITS:
        kernels->differing_bits(documents, count, queries, num_queries, operands->row_bytes, sums);
        finish_bits(operands, count * num_queries, scores);
        break;
    }
}
