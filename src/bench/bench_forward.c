#include "bench_forward.h"

#include "base/status.h"
#include "bench_naive.h"

#include <string.h>

/* One thread's texts, taken through all layers together.
 *
 *   rows of x: text 0 (padded or not) | text 1 | … */
typedef struct Group {
    const SuBenchForward *forward;
    const SuBenchSampleTexts *texts;
    size_t first, last, rows;
    float *x, *qkv, *attention, *ffn; /* [rows, …] */
    SuBenchScratch scratch;
    float *memory;
    float *out; /* [n, hidden] of the whole sample */
} Group;

static size_t text_tokens(const SuBenchSampleTexts *texts, size_t i)
{
    return texts->cu_seqlens[i + 1] - texts->cu_seqlens[i];
}

/* Rows that text i takes. */
static size_t text_rows(const Group *group, size_t i)
{
    return group->forward->variant->padded ? group->texts->longest : text_tokens(group->texts, i);
}

/* y = act(x linear) + residual; y may be residual. */
static void linear(const Group *group, const SuBenchLinear *w, const float *x,
                   SutraActivation activation, const float *residual, float *y)
{
    const SuBenchForward *forward = group->forward;
    size_t rows = group->rows;
    bool separate = forward->variant->plain || forward->variant->separate;
    float *to = separate && residual ? group->ffn : y; /* free then: residuals have no activation */
    if (forward->variant->plain)
        su_naive_matmul(x, rows, w->in, w->weight, w->out, to);
    else
        forward->kernels->gemm_f32.run(
            &(SuGemmArgs){.a = x,
                          .lda = w->in,
                          .b = w->packed,
                          .bias = separate ? w->zero_bias : w->packed_bias,
                          .residual = separate ? NULL : residual,
                          .ldr = w->out,
                          .c = to,
                          .ldc = w->out,
                          .m = rows,
                          .n = w->out,
                          .k = w->in,
                          .panel_end = su_round_up(w->out, forward->kernels->gemm_f32.nr) /
                                       forward->kernels->gemm_f32.nr,
                          .block_bytes = forward->kernels->gemm_block_bytes,
                          .activation = separate ? SUTRA_ACT_NONE : activation});
    if (!separate) return;
    su_naive_add_bias(to, rows, w->out, forward->variant->plain ? w->bias : w->packed_bias);
    if (activation != SUTRA_ACT_NONE && forward->variant->plain)
        su_naive_activate(activation, to, rows * w->out);
    else if (activation != SUTRA_ACT_NONE)
        forward->kernels->activate_f32(activation, to, rows * w->out);
    if (residual) su_naive_add(y, to, rows * w->out);
}

static void norm(const Group *group, const float *gamma, const float *beta)
{
    const SutraSpec *spec = &group->forward->weights->spec;
    size_t n = spec->hidden_size;
    SuNormF32 args = {.gamma = gamma, .beta = beta, .eps = spec->norm_eps, .n = n};
    if (group->forward->variant->plain) {
        su_naive_norm(group->x, group->rows, n, gamma, beta, spec->norm_eps);
        return;
    }
    for (size_t i = 0; i < group->rows; i++)
        group->forward->kernels->layer_norm_f32(&args, group->x + i * n, group->x + i * n);
}

static void embed_row(const Group *group, int32_t id, size_t position, float *x)
{
    const SuBenchWeights *w = group->forward->weights;
    const SuBenchVariant *variant = group->forward->variant;
    size_t n = w->spec.hidden_size;
    const float *token = w->token + (size_t)id * n;
    const float *at = w->position ? w->position + (position + w->spec.position_offset) * n : NULL;
    if (!variant->plain && !variant->separate) {
        SuNormF32 args = {.gamma = w->gamma, .beta = w->beta, .eps = w->spec.norm_eps, .n = n};
        group->forward->kernels->embed_norm_f32(&args, token, w->type, at, x);
        return;
    }
    memcpy(x, token, n * sizeof *x);
    if (w->type) su_naive_add(x, w->type, n);
    if (at) su_naive_add(x, at, n);
}

static void embed(const Group *group)
{
    const SuBenchWeights *w = group->forward->weights;
    const SuBenchVariant *variant = group->forward->variant;
    float *x = group->x;
    for (size_t i = group->first; i < group->last; i++) {
        const int32_t *ids = group->texts->token_ids + group->texts->cu_seqlens[i];
        size_t tokens = text_tokens(group->texts, i), rows = text_rows(group, i);
        for (size_t t = 0; t < rows; t++, x += w->spec.hidden_size)
            embed_row(group, t < tokens ? ids[t] : 0, t, x);
    }
    if (variant->plain || variant->separate) norm(group, w->gamma, w->beta);
}

static void attend_head(const Group *group, const float *qkv, size_t rows, size_t tokens, size_t h,
                        float *out)
{
    const SuBenchForward *forward = group->forward;
    size_t head = forward->weights->spec.head_size, width = head * forward->weights->spec.num_heads;
    const float *q = qkv + h * head;
    SuAttentionF32Args args = {.q = q,
                               .k = q + width,
                               .v = q + 2 * width,
                               .out = out + h * head,
                               .q_stride = 3 * width,
                               .k_stride = 3 * width,
                               .v_stride = 3 * width,
                               .out_stride = width,
                               .num_queries = rows,
                               .num_keys = tokens,
                               .head_size = head};
    if (forward->variant->materialised) {
        su_bench_attend_materialised(forward->kernels, &args, q + width, 3 * width,
                                     group->scratch.scores + h * rows * tokens, &group->scratch);
        return;
    }
    forward->kernels->attention_f32.run(&args);
}

static void attend(const Group *group)
{
    const SutraSpec *spec = &group->forward->weights->spec;
    size_t width = (size_t)spec->num_heads * spec->head_size, row = 0;
    for (size_t i = group->first; i < group->last; i++) {
        size_t rows = text_rows(group, i), tokens = text_tokens(group->texts, i);
        const float *qkv = group->qkv + row * 3 * width;
        float *out = group->attention + row * width;
        if (group->forward->variant->plain)
            su_naive_attention(qkv, rows, tokens, spec->num_heads, spec->head_size,
                               group->scratch.scores, out);
        else
            for (size_t h = 0; h < spec->num_heads; h++)
                attend_head(group, qkv, rows, tokens, h, out);
        row += rows;
    }
}

/* Pooling is the same in all variants: it takes no time. */
static void pool(const Group *group)
{
    const SuBenchWeights *w = group->forward->weights;
    size_t row = 0, n = w->spec.hidden_size;
    for (size_t i = group->first; i < group->last; i++) {
        group->forward->kernels->pool_f32(w->pooling, group->x + row * n, n, 0,
                                          text_tokens(group->texts, i), n, group->out + i * n);
        row += text_rows(group, i);
    }
}

static void run_group(const Group *group)
{
    const SuBenchWeights *w = group->forward->weights;
    SutraActivation activation = (SutraActivation)w->spec.activation;
    embed(group);
    for (uint32_t i = 0; i < w->spec.num_layers; i++) {
        const SuBenchLayer *layer = &w->layers[i];
        linear(group, &layer->qkv, group->x, SUTRA_ACT_NONE, NULL, group->qkv);
        attend(group);
        linear(group, &layer->attention_out, group->attention, SUTRA_ACT_NONE, group->x, group->x);
        norm(group, layer->attention_gamma, layer->attention_beta);
        linear(group, &layer->up, group->x, activation, NULL, group->ffn);
        if (group->forward->variant->plain || group->forward->variant->separate) {
            /* the product needs a place of its own */
            Group down = *group;
            down.ffn = group->qkv;
            linear(&down, &layer->down, group->ffn, SUTRA_ACT_NONE, group->x, group->x);
        } else {
            linear(group, &layer->down, group->ffn, SUTRA_ACT_NONE, group->x, group->x);
        }
        norm(group, layer->ffn_gamma, layer->ffn_beta);
    }
    pool(group);
}

static void carve(Group *group, SuArena *arena)
{
    const SuBenchForward *forward = group->forward;
    const SutraSpec *spec = &forward->weights->spec;
    size_t hidden = spec->hidden_size, width = (size_t)spec->num_heads * spec->head_size;
    size_t rows = group->rows, longest = group->texts->longest, head = spec->head_size;
    size_t wide = spec->ffn_size > hidden ? spec->ffn_size : hidden;
    size_t three = 3 * width > hidden ? 3 * width : hidden;
    group->x = su_arena_carve(arena, rows * hidden * sizeof(float));
    group->qkv = su_arena_carve(arena, rows * three * sizeof(float));
    group->attention = su_arena_carve(arena, rows * width * sizeof(float));
    group->ffn = su_arena_carve(arena, rows * wide * sizeof(float));
    if (!forward->variant->plain && !forward->variant->materialised) return;
    SuBenchScratch *scratch = &group->scratch;
    size_t packed = su_bench_materialised_floats(forward->kernels, longest, head) * sizeof(float);
    size_t zeros = su_round_up(longest > head ? longest : head, forward->kernels->gemm_f32.nr);
    scratch->scores = su_arena_carve(arena, longest * longest * spec->num_heads * sizeof(float));
    scratch->k_packed = su_arena_carve(arena, packed);
    scratch->v_packed = su_arena_carve(arena, packed);
    scratch->zeros = su_arena_carve(arena, zeros * sizeof(float));
    scratch->column = su_arena_carve(arena, longest * sizeof(float));
    if (scratch->zeros) memset(scratch->zeros, 0, zeros * sizeof(float));
}

static SutraStatus allocate(Group *group, SutraError *err)
{
    SuArena arena = {0};
    for (size_t i = group->first; i < group->last; i++) group->rows += text_rows(group, i);
    carve(group, &arena);
    group->memory = su_alloc_aligned(arena.used);
    if (!group->memory) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu rows", group->rows);
    arena = (SuArena){.base = (unsigned char *)group->memory, .size = arena.used};
    carve(group, &arena);
    return SUTRA_OK;
}

static void run_rank(void *groups, uint32_t rank)
{
    const Group *group = (const Group *)groups + rank;
    if (!group->forward->variant->one_by_one) {
        if (group->first < group->last) run_group(group);
        return;
    }
    for (size_t i = group->first; i < group->last; i++) {
        Group one = *group;
        one.first = i;
        one.last = i + 1;
        one.rows = text_rows(group, i);
        run_group(&one);
    }
}

/* Texts first … last in `threads` groups of about as many tokens. */
static void share_out(Group *groups, uint32_t threads, size_t first, size_t last)
{
    const SuBenchSampleTexts *texts = groups[0].texts;
    size_t begin = texts->cu_seqlens[first], all = texts->cu_seqlens[last] - begin, at = first;
    for (uint32_t rank = 0; rank < threads; rank++) {
        groups[rank].first = at;
        while (at < last &&
               (texts->cu_seqlens[at + 1] - begin) * (size_t)threads <= all * (rank + 1))
            at++;
        groups[rank].last = rank + 1 == threads ? last : at;
    }
}

SutraStatus su_bench_forward(const SuBenchForward *forward, const SuBenchSampleTexts *texts,
                             size_t first, size_t last, float *out, SutraError *err)
{
    uint32_t threads = forward->variant->threads;
    SutraStatus status = SUTRA_OK;
    Group *groups = su_calloc(threads, sizeof *groups);
    if (!groups) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %u threads", threads);
    for (uint32_t i = 0; i < threads; i++)
        groups[i] = (Group){.forward = forward, .texts = texts, .out = out};
    share_out(groups, threads, first, last);
    for (uint32_t i = 0; i < threads && status == SUTRA_OK; i++) status = allocate(&groups[i], err);
    if (status == SUTRA_OK) su_thread_pool_run(forward->pool, threads, run_rank, groups);
    for (uint32_t i = 0; i < threads; i++) su_free_aligned(groups[i].memory);
    su_free(groups);
    return status;
}

size_t su_bench_attention_bytes(const SuBenchVariant *variant, const SutraSpec *spec, size_t tokens)
{
    if (variant->plain || variant->materialised)
        return tokens * tokens * spec->num_heads * sizeof(float);
    SuKernels kernels;
    su_kernels_init(&kernels, variant->isa);
    return kernels.attention_f32.scratch_bytes;
}
