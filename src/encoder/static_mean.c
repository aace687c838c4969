/* Static models: the mean of a text's rows of the token embedding.
 *
 * Rows are added up in blocks of BLOCK tokens, each from 0, and the blocks' sums in order: so a
 * text's vector depends on its tokens alone, needs no memory that grows with it, and keeps its
 * digits in long texts. A row's factor is the token's weight times the scale of the row. */
#include "encoder/encoder.h"

#include <string.h>

enum { BLOCK = 64 };

typedef struct Block {
    uint32_t rows[BLOCK];
    float factors[BLOCK];
    size_t count;
} Block;

/* The next tokens, without those that are dropped. */
static void gather(const SuEncoder *encoder, const int32_t *ids, size_t n, Block *block)
{
    const uint32_t dropped = encoder->spec.dropped_token;
    block->count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = (uint32_t)ids[i];
        if (id + 1 == dropped) continue;
        uint32_t row = encoder->token_row ? encoder->token_row[id] : id;
        float factor = encoder->token_weight ? encoder->token_weight[id] : 1.0f;
        if (encoder->token.scales) factor *= encoder->token.scales[row];
        block->rows[block->count] = row;
        block->factors[block->count++] = factor;
    }
}

static void sum_block(const SuEncoder *encoder, const Block *block, float *out)
{
    SuRowSumArgs args = {.table = encoder->token.data,
                         .rows = block->rows,
                         .factors = block->factors,
                         .count = block->count,
                         .n = encoder->spec.hidden_size,
                         .out = out};
    const SuKernels *kernels = &encoder->kernels;
    switch (encoder->token.dtype) {
    case SUTRA_TENSOR_F16:
        kernels->sum_rows_f16(&args);
        break;
    case SUTRA_TENSOR_BF16:
        kernels->sum_rows_bf16(&args);
        break;
    case SUTRA_TENSOR_I8:
        kernels->sum_rows_s8(&args);
        break;
    default:
        kernels->sum_rows_f32(&args);
        break;
    }
}

void su_encoder_mean_text(const SuEncoder *encoder, const SutraBatch *batch, size_t seq, float *row,
                          float *scratch)
{
    Block block;
    size_t hidden = encoder->spec.hidden_size, counted = 0;
    size_t begin = batch->cu_seqlens[seq], end = batch->cu_seqlens[seq + 1];
    if (begin == end) memset(row, 0, hidden * sizeof *row);
    for (size_t t = begin; t < end; t += BLOCK) {
        gather(encoder, batch->token_ids + t, end - t < BLOCK ? end - t : BLOCK, &block);
        counted += block.count;
        sum_block(encoder, &block, t == begin ? row : scratch);
        for (size_t i = 0; t > begin && i < hidden; i++) row[i] += scratch[i];
    }
    for (size_t i = 0; counted > 1 && i < hidden; i++) row[i] /= (float)counted;
}
