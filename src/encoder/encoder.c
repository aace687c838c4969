/* The layer loop. */
#include "encoder/encoder.h"

typedef struct Run {
    SuEncoderContext *context;
    const SutraBatch *batch;
    uint32_t size;
} Run;

static void run_rank(void *arg, uint32_t rank)
{
    const Run *run = arg;
    SuRegionThread thread = {.rank = rank, .size = run->size, .region = &run->context->region};
    const SuEncoder *encoder = run->context->encoder;
    bool reads_one = su_encoder_reads_one_row(encoder, run->batch);
    if (!su_spec_is_static(&encoder->spec)) su_encoder_embed(run->context, run->batch, &thread);
    for (uint32_t i = 0; i < encoder->spec.num_layers; i++) {
        const SuLayer *layer = &encoder->layers[i];
        bool last = i + 1 == encoder->spec.num_layers;
        const SuLinear *next = last ? NULL : &layer[1].qkv;
        bool read_only = reads_one && last;
        float *x = read_only ? run->context->read : run->context->x;
        size_t rows = read_only ? run->batch->num_seqs : run->batch->num_tokens;
        su_encoder_self_attention(run->context, layer, run->batch, read_only, &thread);
        su_encoder_feed_forward(run->context, layer, x, rows, next, &thread);
        if (last && encoder->final_norm.n)
            su_linear_norm(&encoder->kernels, &encoder->final_norm, &thread, x, x, rows, NULL,
                           (SuRows){0});
    }
    su_encoder_heads(run->context, run->batch, &thread);
}

void su_encoder_run(SuEncoderContext *context, const SutraBatch *batch)
{
    const SutraTeam *team = batch->team;
    Run run = {context, batch, team && team->size > 1 ? team->size : 1};
    su_output_steps(batch, context->range_steps);
    su_rope_extend(context, batch->max_seqlen);
    su_parallel_region_init(&context->region);
    if (run.size > 1)
        team->run(team->self, run_rank, &run);
    else
        run_rank(&run, 0);
}
