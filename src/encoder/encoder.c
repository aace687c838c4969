/* The layer loop, the memory of a run, and how work is shared out in a crew. */
#include "encoder/encoder.h"

#include "base/status.h"

#include <string.h>

/* Rows of the feed-forward block that are computed at a time by each rank: 128 x 1536 floats fit
 * L2; of rows that are kept as floats and converted, half as many. */
enum { FFN_ROWS = 128, FFN_ROWS_CONVERTED = 64 };

const SuGemm *su_encoder_gemm(const SuEncoder *encoder, SuFormat format)
{
    const SuKernels *kernels = &encoder->kernels;
    return format == SU_FORMAT_BF16   ? &kernels->gemm_bf16
           : format == SU_FORMAT_INT8 ? &kernels->gemm_int8
                                      : &kernels->gemm_f32;
}

size_t su_linear_row_bytes(const SuLinear *linear)
{
    size_t bytes = linear->in * linear->row_size;
    return su_linear_reads_floats(linear) ? bytes : su_round_up(bytes, SU_GEMM_ROW_BYTES);
}

SuRows su_linear_rows_at(const SuLinear *linear, SuRows rows, size_t first)
{
    return (SuRows){(unsigned char *)rows.data + first * su_linear_row_bytes(linear),
                    rows.scales ? rows.scales + first : NULL};
}

SuRows su_linear_rows(const SuLinear *linear, float *x, SuRows to)
{
    if (su_linear_reads_floats(linear)) return (SuRows){.data = x};
    return to;
}

void su_encoder_convert_row(const SuEncoder *encoder, const SuLinear *linear, const float *x,
                            SuRows rows, size_t at)
{
    size_t size = su_linear_row_bytes(linear), used = linear->in * linear->row_size;
    unsigned char *to = (unsigned char *)rows.data + at * size;
    memset(to + used, 0, size - used);
    if (linear->format == SU_FORMAT_BF16)
        encoder->kernels.narrow_bf16(x, linear->in, (uint16_t *)(void *)to);
    else
        rows.scales[at] = encoder->kernels.quantize_u8(
            x, linear->factor, linear->fixed.scale > 0 ? &linear->fixed : NULL, linear->in, to);
}

/* Widest rows, in bytes, that linears `first` and `second` of the layers read converted; 0: none is. */
static size_t widest_rows(const SuEncoder *encoder, size_t first, size_t second)
{
    size_t widest = 0;
    for (uint32_t i = 0; i < encoder->spec.num_layers; i++) {
        const SuLayer *layer = &encoder->layers[i];
        const SuLinear *linears[] = {&layer->qkv, &layer->attention_out, &layer->up, &layer->down};
        for (size_t n = first; n <= second; n++) {
            size_t bytes = su_linear_reads_floats(linears[n]) ? 0 : su_linear_row_bytes(linears[n]);
            if (bytes > widest) widest = bytes;
        }
    }
    return widest;
}

static SuRows carve_rows(SuArena *arena, size_t rows, size_t row_bytes)
{
    SuRows carved = {0};
    if (row_bytes == 0) return carved;
    carved.data = su_arena_carve(arena, rows * row_bytes);
    carved.scales = su_arena_carve(arena, rows * sizeof *carved.scales);
    return carved;
}

static void carve(SuEncoderContext *context, SuArena *arena)
{
    const SutraSpec *spec = &context->encoder->spec;
    size_t tokens = context->max_tokens, hidden = spec->hidden_size;
    size_t width = (size_t)spec->num_heads * spec->head_size;
    size_t output = 3 * width > hidden ? 3 * width : hidden;
    context->x = su_arena_carve(arena, tokens * hidden * sizeof(float));
    context->qkv = su_arena_carve(arena, tokens * output * sizeof(float));
    context->attention = su_arena_carve(arena, tokens * width * sizeof(float));
    context->read = su_arena_carve(arena, context->max_seqs * hidden * sizeof(float));
    const SuEncoder *encoder = context->encoder;
    size_t converted = widest_rows(encoder, SU_LINEAR_DOWN, SU_LINEAR_DOWN);
    size_t rows = (size_t)(converted ? FFN_ROWS_CONVERTED : FFN_ROWS) * context->max_team;
    if (rows > tokens) rows = tokens;
    context->ffn_block = (uint32_t)rows;
    context->ffn = su_arena_carve(arena, rows * (size_t)spec->ffn_size * sizeof(float));
    context->ffn_rows = carve_rows(arena, rows, converted);
    converted = widest_rows(encoder, SU_LINEAR_QKV, SU_LINEAR_UP);
    context->rows = carve_rows(arena, tokens, converted);
    context->read_rows = carve_rows(arena, context->max_seqs, converted);
    context->rank_row = su_arena_carve(arena, context->max_team * sizeof *context->rank_row);
    for (uint32_t i = 0; i < context->max_team; i++) {
        float *row = su_arena_carve(arena, 4 * hidden * sizeof(float));
        if (!arena->base) continue;
        context->rank_row[i] = row;
    }
}

SutraStatus su_encoder_context_create(const SuEncoder *encoder, uint32_t max_tokens,
                                      uint32_t max_seqs, uint32_t max_team, SuEncoderContext **out,
                                      SutraError *err)
{
    *out = NULL;
    SuEncoderContext *context = su_calloc(1, sizeof *context);
    if (!context) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for an encoder context");
    *context = (SuEncoderContext){
        .encoder = encoder, .max_tokens = max_tokens, .max_seqs = max_seqs, .max_team = max_team};
    SuArena arena = {0};
    carve(context, &arena);
    context->memory_size = arena.used;
    context->memory = su_alloc_aligned(arena.used);
    if (!context->memory) {
        su_free(context);
        SU_RAISE(err, SUTRA_E_MEMORY,
                 "out of memory for an encoder context of %u tokens (%zu bytes)", max_tokens,
                 arena.used);
    }
    arena = (SuArena){.base = context->memory, .size = arena.used};
    carve(context, &arena);
    *out = context;
    return SUTRA_OK;
}

void su_encoder_context_free(SuEncoderContext *context)
{
    if (!context) return;
    su_free_aligned(context->memory);
    su_free(context);
}

/* Ranges a rank gets of a stage: more of them share out better, fewer cost less to claim. */
enum { RANGES_EACH = 3 };

SuShare su_crew_share(SuCrew *crew, size_t count)
{
    size_t ranges = crew->size == 1 ? 1 : (size_t)RANGES_EACH * crew->size;
    SuShare share = {.count = count, .ranges = ranges < count ? ranges : count};
    if (crew->size == 1 || count == 0) return share;
    share.stage.number = crew->stage++;
    share.stage.chunks = (uint32_t)share.ranges;
    return share;
}

bool su_crew_next(SuCrew *crew, SuShare *share)
{
    uint32_t range = 0;
    if (share->count == 0) return false;
    if (crew->size == 1) {
        if (share->end) return false;
    } else if (!su_stage_claim(crew->board, &share->stage, &range)) {
        return false;
    }
    share->begin = share->count * range / share->ranges;
    share->end = share->count * (range + 1) / share->ranges;
    return true;
}

/* A crew shares a linear out by panels of weights: each is read once, by one rank, and the rows stay
 * in cache. Where there are fewer panels than ranges, the rows are cut too. */
static size_t row_blocks(const SuCrew *crew, size_t panels, size_t rows, size_t mr)
{
    size_t ranges = crew->size == 1 ? 1 : (size_t)RANGES_EACH * crew->size;
    size_t blocks = (ranges + panels - 1) / panels, most = (rows + 2 * mr - 1) / (2 * mr);
    return blocks < most ? blocks : most;
}

void su_encoder_linear(const SuEncoder *encoder, const SuLinear *linear, SuCrew *crew,
                       const SuLinearIo *io)
{
    const SuGemm *gemm = su_encoder_gemm(encoder, linear->format);
    size_t columns = io->columns ? io->columns : linear->out, first = io->first / gemm->nr;
    size_t panels = (columns + gemm->nr - 1) / gemm->nr;
    size_t blocks = row_blocks(crew, panels, io->rows, gemm->mr);
    SuGemmArgs args = {.lda = su_linear_row_bytes(linear) / linear->row_size,
                       .b = linear->packed,
                       .bias = linear->bias,
                       .b_scale = linear->scale,
                       .b_sum = linear->sum,
                       .ldr = linear->out,
                       .ldc = io->c_group ? io->c_group : linear->out,
                       .c_group = io->c_group,
                       .c_group_stride = io->c_group_stride,
                       .n = linear->out,
                       .k = linear->in,
                       .activation = io->activation,
                       .c_bf16 = io->c_bf16};
    if (crew->observer) crew->observer->see(crew->observer->user, linear, io->a.data, io->rows);
    SuShare share = su_crew_share(crew, blocks * panels);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin, end; i < share.end; i = end) {
            size_t block = i / panels, past = (block + 1) * panels;
            end = share.end < past ? share.end : past;
            size_t row = io->rows * block / blocks;
            args.m = io->rows * (block + 1) / blocks - row;
            args.panel_begin = first + i % panels;
            args.panel_end = args.panel_begin + (end - i);
            SuRows a = su_linear_rows_at(linear, io->a, row);
            args.a = a.data;
            args.a_scale = a.scales;
            args.c = (char *)io->c + row * args.ldc * (io->c_bf16 ? 2 : 4);
            args.residual = io->residual ? io->residual + row * args.ldr : NULL;
            gemm->run(&args);
        }
}

void su_encoder_norm(const SuEncoder *encoder, const SuNormF32 *norm, SuCrew *crew, float *x,
                     size_t rows, const SuLinear *next, SuRows to)
{
    bool converts = next && !su_linear_reads_floats(next);
    SuShare share = su_crew_share(crew, rows);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin; i < share.end; i++) {
            encoder->kernels.layer_norm_f32(norm, x + i * norm->n, x + i * norm->n);
            if (converts) su_encoder_convert_row(encoder, next, x + i * norm->n, to, i);
        }
}

SuRows su_encoder_convert(const SuEncoder *encoder, const SuLinear *linear, SuCrew *crew, float *x,
                          size_t rows, SuRows to)
{
    if (su_linear_reads_floats(linear)) return (SuRows){.data = x};
    SuShare share = su_crew_share(crew, rows);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin; i < share.end; i++)
            su_encoder_convert_row(encoder, linear, x + i * linear->in, to, i);
    return to;
}

typedef struct Run {
    SuEncoderContext *context;
    const SutraBatch *batch;
    uint32_t size;
} Run;

static void run_rank(void *arg, uint32_t rank)
{
    const Run *run = arg;
    SuCrew crew = {.rank = rank,
                   .size = run->size,
                   .board = &run->context->board,
                   .observer = run->context->observer};
    const SuEncoder *encoder = run->context->encoder;
    bool reads_one = su_encoder_reads_one_row(encoder, run->batch);
    su_encoder_embed(run->context, run->batch, &crew);
    for (uint32_t i = 0; i < encoder->spec.num_layers; i++) {
        const SuLayer *layer = &encoder->layers[i];
        const SuLinear *next = i + 1 < encoder->spec.num_layers ? &layer[1].qkv : NULL;
        bool read_only = reads_one && i + 1 == encoder->spec.num_layers;
        float *x = read_only ? run->context->read : run->context->x;
        size_t rows = read_only ? run->batch->num_seqs : run->batch->num_tokens;
        su_encoder_self_attention(run->context, layer, run->batch, read_only, &crew);
        su_encoder_feed_forward(run->context, layer, x, rows, next, &crew);
    }
    su_encoder_heads(run->context, run->batch, &crew);
}

void su_encoder_run(SuEncoderContext *context, const SutraBatch *batch)
{
    const SutraTeam *team = batch->team;
    Run run = {context, batch, team && team->size > 1 ? team->size : 1};
    su_board_open(&context->board);
    if (run.size > 1)
        team->run(team->self, run_rank, &run);
    else
        run_rank(&run, 0);
}
