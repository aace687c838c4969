/* The layer loop, the memory of a run, and how work is shared out in a crew. */
#include "encoder/encoder.h"

#include "base/status.h"

/* Rows of the feed-forward block that are computed at a time by each rank: 128 x 1536 floats fit
 * L2. */
enum { FFN_ROWS = 128 };

static void carve(SuEncoderContext *context, SuArena *arena)
{
    const SutraSpec *spec = &context->encoder->spec;
    size_t tokens = context->max_tokens, hidden = spec->hidden_size;
    size_t width = (size_t)spec->num_heads * spec->head_size;
    size_t output = 3 * width > hidden ? 3 * width : hidden;
    context->x = su_arena_carve(arena, tokens * hidden * sizeof(float));
    context->qkv = su_arena_carve(arena, tokens * output * sizeof(float));
    context->attention = su_arena_carve(arena, tokens * width * sizeof(float));
    size_t rows = (size_t)FFN_ROWS * context->max_team;
    context->ffn_rows = (uint32_t)(rows < tokens ? rows : tokens);
    context->ffn =
        su_arena_carve(arena, context->ffn_rows * (size_t)spec->ffn_size * sizeof(float));
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

SuRange su_crew_share(const SuCrew *crew, size_t count, size_t unit)
{
    size_t units = (count + unit - 1) / unit;
    size_t begin = units * crew->rank / crew->size * unit,
           end = units * (crew->rank + 1) / crew->size * unit;
    return (SuRange){begin < count ? begin : count, end < count ? end : count};
}

void su_encoder_linear(const SuEncoder *encoder, const SuLinearF32 *linear, const SuCrew *crew,
                       const SuLinearIo *io)
{
    const SuGemmF32 *gemm = &encoder->kernels.gemm_f32;
    size_t rows = io->rows;
    SuGemmF32Args args = {.lda = linear->in,
                          .b = linear->packed,
                          .bias = linear->bias,
                          .ldr = linear->out,
                          .ldc = io->c_group ? io->c_group : linear->out,
                          .c_group = io->c_group,
                          .c_group_stride = io->c_group_stride,
                          .n = linear->out,
                          .k = linear->in,
                          .activation = io->activation};
    size_t panels = (linear->out + gemm->nr - 1) / gemm->nr;
    SuRange range = {0, rows};
    args.panel_end = panels;
    if (crew->size > 1 && rows >= (size_t)4 * gemm->mr * crew->size) {
        range = su_crew_share(crew, rows, gemm->mr);
    } else if (crew->size > 1) {
        SuRange share = su_crew_share(crew, panels, 1);
        args.panel_begin = share.begin;
        args.panel_end = share.end;
    }
    args.m = range.end - range.begin;
    args.a = io->a + range.begin * args.lda;
    args.c = io->c + range.begin * args.ldc;
    args.residual = io->residual ? io->residual + range.begin * args.ldr : NULL;
    if (args.m && args.panel_begin < args.panel_end) gemm->run(&args);
}

void su_encoder_norm(const SuEncoder *encoder, const SuNormF32 *norm, const SuCrew *crew, float *x,
                     size_t rows)
{
    SuRange range = su_crew_share(crew, rows, 1);
    for (size_t i = range.begin; i < range.end; i++)
        encoder->kernels.layer_norm_f32(norm, x + i * norm->n, x + i * norm->n);
}

typedef struct Run {
    SuEncoderContext *context;
    const SutraBatch *batch;
    uint32_t size;
} Run;

static void run_rank(void *arg, uint32_t rank)
{
    const Run *run = arg;
    SuCrew crew = {rank, run->size, &run->context->barrier};
    const SuEncoder *encoder = run->context->encoder;
    su_encoder_embed(run->context, run->batch, &crew);
    for (uint32_t i = 0; i < encoder->spec.num_layers; i++) {
        su_encoder_self_attention(run->context, &encoder->layers[i], run->batch, &crew);
        su_encoder_feed_forward(run->context, &encoder->layers[i], run->batch, &crew);
    }
    su_encoder_heads(run->context, run->batch, &crew);
}

void su_encoder_run(SuEncoderContext *context, const SutraBatch *batch)
{
    const SutraTeam *team = batch->team;
    Run run = {context, batch, team && team->size > 1 ? team->size : 1};
    if (run.size > 1)
        team->run(team->self, run_rank, &run);
    else
        run_rank(&run, 0);
}
