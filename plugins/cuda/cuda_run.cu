/* A run: input to the device, the layers, the heads, rows back. */
#include "cuda_model.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* A run under way: the first launch that failed ends it. */
typedef struct Run {
    SuCudaContext *context;
    const SuCudaPlan *plan;
    const SutraBatch *batch;
    SuCudaInput input;
    bool single; /* cuda_single.h; its first kernel and its last work in the host's memory */
    cudaError_t status;
} Run;

static void *weight_at(const Run *run, size_t offset)
{
    return offset == SU_CUDA_NONE ? NULL : run->context->model->weights + offset;
}

static const float *floats_at(const Run *run, size_t offset)
{
    return (const float *)weight_at(run, offset);
}

static void note(Run *run, cudaError_t status)
{
    if (run->status == cudaSuccess) run->status = status;
}

static void embed(Run *run)
{
    const SuCudaPlan *plan = run->plan;
    const uint32_t *input = run->single ? run->context->host_input : run->context->input;
    SuCudaEmbed embed = {};
    embed.type = plan->type;
    embed.token = weight_at(run, plan->token);
    embed.position = weight_at(run, plan->position);
    embed.type_table = weight_at(run, plan->type_table);
    embed.token_ids = input;
    embed.positions = input + run->input.positions;
    embed.type_ids = input + run->input.type_ids;
    embed.gamma = floats_at(run, plan->embedding_norm.gamma);
    embed.beta = floats_at(run, plan->embedding_norm.beta);
    embed.eps = plan->spec.norm_eps;
    embed.x = run->context->x;
    embed.tokens = run->batch->num_tokens;
    embed.n = plan->spec.hidden_size;
    if (run->single) {
        embed.words_from = run->context->host_input;
        embed.words_to = run->context->input;
        embed.words = (uint32_t)((run->input.words + 3) / 4 * 4);
    }
    note(run, su_cuda_embed(&embed, run->context->stream));
}

static void norm(Run *run, const SuCudaNormPlan *plan, const void *x, void *y)
{
    SuCudaNorm norm = {};
    norm.type = run->plan->type;
    norm.x = x;
    norm.y = y;
    norm.gamma = floats_at(run, plan->gamma);
    norm.beta = floats_at(run, plan->beta);
    norm.eps = run->plan->spec.norm_eps;
    norm.rows = run->batch->num_tokens;
    norm.n = run->plan->spec.hidden_size;
    note(run, su_cuda_norm(&norm, run->context->stream));
}

static void linear(Run *run, const SuCudaLinearPlan *plan, const void *a, const void *residual,
                   void *c, uint32_t activation, bool gated)
{
    SuCudaGemm gemm = {};
    gemm.type = run->plan->type;
    gemm.a = a;
    gemm.weight = weight_at(run, plan->weight);
    gemm.bias = floats_at(run, plan->bias);
    gemm.residual = residual;
    gemm.c = c;
    gemm.rows = run->batch->num_tokens;
    gemm.out = plan->out;
    gemm.in = plan->in;
    gemm.activation = activation;
    gemm.gated = gated;
    gemm.multiprocessors = run->context->model->facts.multiprocessors;
    gemm.wgmma = run->context->model->facts.wgmma;
    note(run, su_cuda_gemm(&gemm, run->context->stream));
}

static void attend(Run *run, const SuCudaLayerPlan *layer)
{
    const SuCudaPlan *plan = run->plan;
    const SutraSpec *spec = &plan->spec;
    SuCudaContext *context = run->context;
    if (plan->num_ropes) {
        const float *turns = floats_at(run, plan->turns) +
                             (size_t)layer->rope * spec->max_positions * spec->head_size;
        note(run, su_cuda_rotate(plan->type, context->qkv, turns,
                                 context->input + run->input.positions, run->batch->num_tokens,
                                 spec->num_heads, spec->head_size, context->stream));
    }
    SuCudaAttention attention = {};
    attention.type = plan->type;
    attention.qkv = context->qkv;
    attention.out = context->attention;
    attention.cu_seqlens = context->input + run->input.cu_seqlens;
    attention.tiles = (const uint2 *)(context->input + run->input.tiles);
    attention.bias = floats_at(run, plan->bias);
    attention.bias_row = (uint32_t)plan->bias_row;
    attention.num_tiles = run->input.num_tiles;
    attention.num_long = run->input.num_long;
    attention.num_heads = spec->num_heads;
    attention.head_size = spec->head_size;
    attention.before = layer->before;
    attention.after = layer->after;
    note(run, su_cuda_attention(&attention, context->stream));
}

/* As the drawing in src/encoder/encoder.h. */
static void run_layer(Run *run, const SuCudaLayerPlan *layer)
{
    const SutraSpec *spec = &run->plan->spec;
    SuCudaContext *context = run->context;
    unsigned char *x = context->x, *input = x;
    bool pre = spec->norm == SUTRA_NORM_PRE;
    if (pre && layer->attention_norm.gamma != SU_CUDA_NONE) {
        input = context->attention;
        norm(run, &layer->attention_norm, x, input);
    }
    linear(run, &layer->qkv, input, NULL, context->qkv, SUTRA_ACT_NONE, false);
    attend(run, layer);
    linear(run, &layer->attention_out, context->attention, x, x, SUTRA_ACT_NONE, false);
    if (!pre) norm(run, &layer->attention_norm, x, x);
    input = pre ? context->attention : x;
    if (pre) norm(run, &layer->ffn_norm, x, input);
    linear(run, &layer->up, input, NULL, context->ffn, spec->activation, spec->gated);
    linear(run, &layer->down, context->ffn, x, x, SUTRA_ACT_NONE, false);
    if (!pre) norm(run, &layer->ffn_norm, x, x);
}

/* pooled[0] through the heads; where the result lies. */
static const float *run_heads(Run *run)
{
    SuCudaContext *context = run->context;
    float *x = context->pooled[0], *y = context->pooled[1];
    for (uint32_t i = 0; i < run->plan->num_heads_out; i++) {
        const SuCudaHeadPlan *head = &run->plan->heads[i];
        if (head->linear.weight == SU_CUDA_NONE) {
            SuCudaNorm norm = {};
            norm.type = SU_CUDA_F32;
            norm.x = norm.y = x;
            norm.gamma = floats_at(run, head->norm.gamma);
            norm.beta = floats_at(run, head->norm.beta);
            norm.eps = head->eps;
            norm.rows = run->batch->num_seqs;
            norm.n = head->features;
            note(run, su_cuda_norm(&norm, context->stream));
            continue;
        }
        bool is_raw = run->batch->raw_scores && i + 1 == run->plan->num_heads_out;
        SuCudaGemm gemm = {};
        gemm.a = x;
        gemm.weight = floats_at(run, head->linear.weight);
        gemm.bias = floats_at(run, head->linear.bias);
        gemm.c = y;
        gemm.rows = run->batch->num_seqs;
        gemm.out = head->linear.out;
        gemm.in = head->linear.in;
        gemm.activation = is_raw ? (uint32_t)SUTRA_ACT_NONE : head->activation;
        gemm.multiprocessors = context->model->facts.multiprocessors;
        note(run, su_cuda_gemm_f32(&gemm, context->stream));
        float *other = x;
        x = y;
        y = other;
    }
    return x;
}

static SuCudaPool pool_of(const Run *run)
{
    SuCudaPool pool = {};
    pool.type = run->plan->type;
    pool.x = run->context->x;
    pool.cu_seqlens = run->context->input + run->input.cu_seqlens;
    pool.skipped = run->context->input + run->input.skipped;
    pool.pooling = run->batch->pooling;
    pool.pooled = run->context->pooled[0];
    pool.seqs = run->batch->num_seqs;
    pool.n = run->plan->spec.hidden_size;
    return pool;
}

/* Of one short text, among its flags: its vector is there. */
static uint32_t *done_of(const SuCudaContext *context)
{
    return (uint32_t *)(context->host_output + SU_CUDA_ALIGNMENT / 2);
}

/* Flags [seqs], then rows: in context->output, or the host's. */
static void write_output(Run *run)
{
    const SutraBatch *batch = run->batch;
    SuCudaContext *context = run->context;
    unsigned char *to = run->single ? context->host_output : context->output;
    bool tokens = batch->output == SUTRA_OUT_TOKENS;
    SuCudaPool pool = pool_of(run);
    SuCudaOutput output = {};
    output.type = tokens ? run->plan->type : SU_CUDA_F32;
    output.rows = tokens ? batch->num_tokens : batch->num_seqs;
    output.n = tokens ? run->plan->spec.hidden_size : run->plan->pooled_size;
    output.dim = batch->dim;
    output.dtype = batch->dtype;
    output.normalize = batch->normalize;
    output.ranges = batch->ranges ? (const float *)(context->input + run->input.ranges) : NULL;
    output.cu_seqlens = tokens ? context->input + run->input.cu_seqlens : NULL;
    output.seqs = batch->num_seqs;
    output.numeric_error = to;
    output.out = to + su_cuda_aligned(batch->num_seqs);
    output.done = run->single ? done_of(context) : NULL;
    if (run->single && run->plan->num_heads_out == 0) {
        note(run, su_cuda_pool_output(&pool, &output, context->stream));
        return;
    }
    if (!tokens) note(run, su_cuda_pool(&pool, context->stream));
    output.x = tokens ? (const void *)context->x : run_heads(run);
    note(run, su_cuda_output(&output, context->stream));
}

static void run_layers(Run *run)
{
    const SuCudaPlan *plan = run->plan;
    embed(run);
    for (uint32_t i = 0; i < plan->spec.num_layers; i++) run_layer(run, &plan->layers[i]);
    if (plan->final_norm.gamma != SU_CUDA_NONE)
        norm(run, &plan->final_norm, run->context->x, run->context->x);
}

/* Any batch: input and output are copied. */
static cudaError_t run_batch(Run *run, size_t bytes)
{
    SuCudaContext *context = run->context;
    note(run, cudaMemcpyAsync(context->input, context->host_input,
                              run->input.words * sizeof *context->input, cudaMemcpyHostToDevice,
                              context->stream));
    run_layers(run);
    /* Where a layer's q, k and v were. */
    note(run, cudaMemsetAsync(context->output, 0, run->batch->num_seqs, context->stream));
    write_output(run);
    note(run, cudaMemcpyAsync(context->host_output, context->output, bytes, cudaMemcpyDeviceToHost,
                              context->stream));
    note(run, cudaStreamSynchronize(context->stream));
    return run->status;
}

static cudaError_t launch_single(void *argument)
{
    Run *run = (Run *)argument;
    run_layers(run);
    write_output(run);
    return run->status;
}

static inline void relax()
{
#if defined(__x86_64__)
    _mm_pause();
#endif
}

/* The device is asked itself now and then, since one that is lost will not write. */
static cudaError_t wait_for_single(const SuCudaContext *context)
{
    enum { LOOKS = 1 << 12 };
    const uint32_t *done = done_of(context);
    for (uint32_t n = 1;; n++) {
        if (__atomic_load_n(done, __ATOMIC_ACQUIRE)) return cudaSuccess;
        relax();
        if (n % LOOKS) continue;
        cudaError_t status = cudaStreamQuery(context->stream);
        if (status != cudaSuccess && status != cudaErrorNotReady) return status;
    }
}

/* One short text: kernels read the host's memory and write there. */
static cudaError_t run_single(Run *run)
{
    const SutraBatch *batch = run->batch;
    SuCudaContext *context = run->context;
    SuCudaGraphKey key = {};
    key.output = context->host_output;
    key.tokens = batch->num_tokens;
    key.num_tiles = run->input.num_tiles;
    key.num_long = run->input.num_long;
    key.dtype = batch->dtype;
    key.dim = batch->dim;
    key.normalize = batch->normalize;
    key.pooling = batch->pooling;
    key.raw_scores = batch->raw_scores;
    key.ranges = batch->ranges != NULL;
    context->host_output[0] = 0;
    *done_of(context) = 0;
    cudaError_t status =
        su_cuda_graph_launch(context->graphs, &key, launch_single, run, context->stream);
    return status == cudaSuccess ? wait_for_single(context) : status;
}

SutraStatus su_cuda_run(void *opaque, const SutraBatch *batch, SutraResultView *view,
                        SutraError *err)
{
    SuCudaContext *context = (SuCudaContext *)opaque;
    const SuCudaModel *model = context->model;
    const SuCudaPlan *plan = &model->plan;
    uint32_t tile = su_cuda_attention_rows(plan->type);
    SutraBatch padded;
    SutraStatus status =
        su_cuda_check_batch(plan, context->max_tokens, context->max_seqs, batch, err);
    if (status != SUTRA_OK) return status;
    bool tokens = batch->output == SUTRA_OUT_TOKENS;
    size_t row_bytes = su_cuda_row_bytes(batch->dtype, batch->dim),
           flags = su_cuda_aligned(batch->num_seqs);
    size_t bytes = flags + row_bytes * (tokens ? batch->num_tokens : batch->num_seqs);
    CUDA_TRY(err, model->device, "it can't be used", cudaSetDevice((int)model->device));
    status = su_cuda_context_room(context, bytes, err);
    if (status != SUTRA_OK) return status;
    bool single = su_cuda_single_takes(batch, context->max_tokens, &context->padding, &padded);
    if (single) batch = &padded;
    Run run = {context, plan, batch, su_cuda_input_layout(batch, tile), single, cudaSuccess};
    su_cuda_input_fill(&plan->spec, batch, tile, &run.input, context->host_input);
    CUDA_TRY(err, model->device, "a run failed",
             single ? run_single(&run) : run_batch(&run, bytes));
    for (uint32_t i = 0; i < batch->num_seqs; i++)
        if (context->host_output[i]) batch->numeric_error[i] = 1;
    view->output = batch->output;
    view->dtype = batch->dtype;
    view->dim = batch->dim;
    view->num_items = batch->num_seqs;
    view->row_bytes = row_bytes;
    view->data = context->host_output + flags;
    view->offsets = NULL;
    view->indices = NULL;
    view->items = NULL;
    return SUTRA_OK;
}
