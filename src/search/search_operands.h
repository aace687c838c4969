/* search_operands.h - rows of any type as the kernels of a search take them.
 *
 *   queries \ documents   F32 F16   I8 U8     BINARY UBINARY
 *   F32, F16              floats    floats    -
 *   the documents' type   floats    bytes     bits
 *
 * Floats of cosines: queries are of length 1. Bytes are s8. */
#ifndef SU_SEARCH_OPERANDS_H
#define SU_SEARCH_OPERANDS_H

#include "kernels/kernels.h"
#include "sutra_search.h"

typedef enum SuOperandKind { SU_OPERAND_FLOATS, SU_OPERAND_BYTES, SU_OPERAND_BITS } SuOperandKind;

typedef struct SuOperands {
    const SuKernels *kernels;
    SuOperandKind kind;
    SutraMetric metric;
    SutraDtype dtype; /* of the documents */
    uint32_t dim;
    size_t row_bytes;
    uint8_t last_mask; /* of the last byte of bits: those of dim */
} SuOperands;

/* Errors: ARGUMENT. */
SutraStatus su_operands_plan(SuOperands *operands, const SuKernels *kernels, SutraMetric metric,
                             const SutraRows *queries, const SutraRows *documents, SutraError *err);

/* Bytes of a query, or of a document, as an operand. */
size_t su_operand_bytes(const SuOperands *operands);

/* Query `row` as an operand; norms [1] of it, of cosines of bytes. */
void su_operand_query(const SuOperands *operands, const SutraRows *queries, size_t row,
                      void *operand, float *norm);

/* Whether documents are operands as they are. */
bool su_operand_in_place(const SuOperands *operands);

/* `count` documents: their operands, which are the rows themselves (su_operand_in_place), or lie in
 * `room` [count, su_operand_bytes]. */
const void *su_operand_documents(const SuOperands *operands, const void *rows, size_t count,
                                 void *room);

/* scores [count, num_queries] of documents and queries, both operands; norms of queries as above.
 * packed: the queries as weights of gemm_f32, or NULL. */
void su_operand_scores(const SuOperands *operands, const void *documents, size_t count,
                       const void *queries, const float *norms, const float *packed,
                       size_t num_queries, float *scores);

#endif
