/* A batch as the block of words that is copied to the device, and the size of what comes back. */
#include "cuda_plan.h"

#include <string.h>

static uint32_t tiles_of(const SutraBatch *batch, uint32_t seq, uint32_t rows)
{
    return (batch->cu_seqlens[seq + 1] - batch->cu_seqlens[seq] + rows - 1) / rows;
}

static bool is_short(const SutraBatch *batch, uint32_t seq)
{
    return batch->cu_seqlens[seq + 1] - batch->cu_seqlens[seq] <= SU_CUDA_SHORT_TOKENS;
}

SuCudaInput su_cuda_input_layout(const SutraBatch *batch, uint32_t rows)
{
    SuCudaInput input = {0};
    size_t tokens = batch->num_tokens, seqs = batch->num_seqs;
    for (uint32_t i = 0; i < batch->num_seqs; i++) {
        uint32_t tiles = tiles_of(batch, i, rows);
        input.num_tiles += tiles;
        if (!is_short(batch, i)) input.num_long += tiles;
    }
    input.positions = tokens;
    input.type_ids = input.positions + tokens;
    input.cu_seqlens = input.type_ids + tokens;
    input.skipped = input.cu_seqlens + seqs + 1;
    input.tiles = (input.skipped + seqs + 1) / 2 * 2; /* pairs are read as one */
    input.ranges = input.tiles + 2 * (size_t)input.num_tiles;
    input.words = input.ranges + (batch->ranges ? 2 * (size_t)batch->dim : 0);
    return input;
}

size_t su_cuda_input_most(uint32_t max_tokens, uint32_t max_seqs, uint32_t dim, uint32_t rows)
{
    size_t tiles = (size_t)max_seqs + max_tokens / rows;
    return 3 * (size_t)max_tokens + 2 * (size_t)max_seqs + 3 + 2 * tiles + 2 * (size_t)dim;
}

/* Where positions begin at n + 1, a token with the id n, that of padding, has position n and is not
 * counted (RoBERTa). Of other schemes: its place in the text. */
static void fill_positions(const SutraSpec *spec, const SutraBatch *batch, uint32_t *positions)
{
    uint32_t first = spec->position == SUTRA_POSITION_LEARNED ? spec->position_offset : 0;
    for (uint32_t i = 0; i < batch->num_seqs; i++) {
        uint32_t counted = 0;
        for (uint32_t t = batch->cu_seqlens[i]; t < batch->cu_seqlens[i + 1]; t++) {
            bool pad = first > 0 && (uint32_t)batch->token_ids[t] == first - 1;
            positions[t] = pad ? first - 1 : first + counted++;
        }
    }
}

void su_cuda_input_fill(const SutraSpec *spec, const SutraBatch *batch, uint32_t rows,
                        const SuCudaInput *input, uint32_t *words)
{
    size_t tokens = batch->num_tokens;
    memcpy(words, batch->token_ids, tokens * 4);
    memset(words + input->positions, 0, tokens * 4);
    fill_positions(spec, batch, words + input->positions);
    if (batch->type_ids)
        memcpy(words + input->type_ids, batch->type_ids, tokens * 4);
    else
        memset(words + input->type_ids, 0, tokens * 4);
    memcpy(words + input->cu_seqlens, batch->cu_seqlens, ((size_t)batch->num_seqs + 1) * 4);
    uint32_t *tiles[] = {words + input->tiles, words + input->tiles + 2 * (size_t)input->num_long};
    for (uint32_t i = 0; i < batch->num_seqs; i++) {
        uint32_t length = batch->cu_seqlens[i + 1] - batch->cu_seqlens[i];
        uint32_t skip = batch->prompt_len ? batch->prompt_len[i] : 0;
        words[input->skipped + i] = skip < length ? skip : length - 1;
        uint32_t **tile = &tiles[is_short(batch, i)];
        for (uint32_t n = 0; n < tiles_of(batch, i, rows); n++) {
            *(*tile)++ = i;
            *(*tile)++ = n * rows;
        }
    }
    for (uint32_t i = 0; batch->ranges && i < batch->dim; i++) {
        float least = batch->ranges[i], step = (batch->ranges[batch->dim + i] - least) / 255.0f;
        step = step > 0.0f ? step : 1.0f;
        memcpy(words + input->ranges + i, &least, 4);
        memcpy(words + input->ranges + batch->dim + i, &step, 4);
    }
}

size_t su_cuda_row_bytes(SutraDtype dtype, uint32_t dim)
{
    switch (dtype) {
    case SUTRA_F32:
        return 4 * (size_t)dim;
    case SUTRA_F16:
        return 2 * (size_t)dim;
    case SUTRA_I8:
    case SUTRA_U8:
        return dim;
    case SUTRA_BINARY:
    case SUTRA_UBINARY:
        return ((size_t)dim + 7) / 8;
    }
    return 0;
}
