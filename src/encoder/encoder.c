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
    context->read = su_arena_carve(arena, context->max_seqs * hidden * sizeof(float));
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

void su_encoder_linear(const SuEncoder *encoder, const SuLinearF32 *linear, SuCrew *crew,
                       const SuLinearIo *io)
{
    const SuGemmF32 *gemm = &encoder->kernels.gemm_f32;
    size_t columns = io->columns ? io->columns : linear->out, first = io->first / gemm->nr;
    size_t panels = (columns + gemm->nr - 1) / gemm->nr;
    size_t blocks = row_blocks(crew, panels, io->rows, gemm->mr);
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
    SuShare share = su_crew_share(crew, blocks * panels);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin, end; i < share.end; i = end) {
            size_t block = i / panels, past = (block + 1) * panels;
            end = share.end < past ? share.end : past;
            size_t row = io->rows * block / blocks;
            args.m = io->rows * (block + 1) / blocks - row;
            args.panel_begin = first + i % panels;
            args.panel_end = args.panel_begin + (end - i);
            args.a = io->a + row * args.lda;
            args.c = io->c + row * args.ldc;
            args.residual = io->residual ? io->residual + row * args.ldr : NULL;
            gemm->run(&args);
        }
}

void su_encoder_norm(const SuEncoder *encoder, const SuNormF32 *norm, SuCrew *crew, float *x,
                     size_t rows)
{
    SuShare share = su_crew_share(crew, rows);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin; i < share.end; i++)
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
    SuCrew crew = {.rank = rank, .size = run->size, .board = &run->context->board};
    const SuEncoder *encoder = run->context->encoder;
    bool reads_one = su_encoder_reads_one_row(encoder, run->batch);
    su_encoder_embed(run->context, run->batch, &crew);
    for (uint32_t i = 0; i < encoder->spec.num_layers; i++) {
        const SuLayerF32 *layer = &encoder->layers[i];
        bool read_only = reads_one && i + 1 == encoder->spec.num_layers;
        float *x = read_only ? run->context->read : run->context->x;
        size_t rows = read_only ? run->batch->num_seqs : run->batch->num_tokens;
        su_encoder_self_attention(run->context, layer, run->batch, read_only, &crew);
        su_encoder_feed_forward(run->context, layer, x, rows, &crew);
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
