/* Dense heads, the score head among them: pooled rows through linears of their own, y = act(x w^T +
 * bias), and layer norms between them. In fp32 whatever the layers compute in, and packed for this
 * ISA whenever an encoder is made: they are small, and read once a batch. */
#include "base/status.h"
#include "encoder/encoder.h"
#include "encoder/stored_weights.h"

#include <string.h>

typedef struct Loader {
    const SutraSpec *spec;
    SuStoredWeights weights;
    SuArena arena;
    SuEncoder *encoder;
} Loader;

static SutraStatus pack_dense(const Loader *loader, uint32_t head, SuLinear *linear, float *row,
                              SutraError *err)
{
    const SutraTensor *weight = NULL, *bias = NULL;
    SU_TRY(su_stored_require(&loader->weights, SUTRA_ROLE_DENSE_WEIGHT, head, linear->out,
                             linear->in, &weight, err));
    if (su_stored_find(&loader->weights, SUTRA_ROLE_DENSE_BIAS, head))
        SU_TRY(su_stored_require(&loader->weights, SUTRA_ROLE_DENSE_BIAS, head, linear->out, 0,
                                 &bias, err));
    if (!linear->packed) return SUTRA_OK;
    for (size_t i = 0; i < linear->out; i++) {
        su_stored_read_row(&loader->weights, weight, i, linear->in, row);
        su_gemm_pack(loader->encoder->kernels.gemm_f32.layout, row, i, linear->in, linear->packed,
                     NULL, NULL);
    }
    if (bias) su_stored_read_row(&loader->weights, bias, 0, linear->out, linear->bias);
    return SUTRA_OK;
}

static SutraStatus load_linear(Loader *loader, uint32_t index, SuDense *dense, float *row,
                               SutraError *err)
{
    const SuGemm *gemm = &loader->encoder->kernels.gemm_f32;
    const SutraHead *head = &loader->spec->heads[index];
    *dense = (SuDense){.activation = (SutraActivation)head->activation};
    dense->linear = (SuLinear){
        .format = SU_FORMAT_F32, .in = head->in, .out = head->out, .row_size = gemm->a_size};
    dense->linear.packed =
        su_arena_carve(&loader->arena, su_gemm_packed_size(gemm->layout, head->out, head->in));
    dense->linear.bias =
        su_arena_carve(&loader->arena, su_round_up(head->out, gemm->nr) * sizeof(float));
    return pack_dense(loader, index, &dense->linear, row, err);
}

static SutraStatus load_norm(Loader *loader, uint32_t index, SuDense *dense, SutraError *err)
{
    const SutraTensor *weight = NULL, *bias = NULL;
    size_t n = loader->spec->heads[index].in;
    float *gamma = su_arena_carve(&loader->arena, n * sizeof *gamma);
    float *beta = su_arena_carve(&loader->arena, n * sizeof *beta);
    float eps = loader->spec->head_norm_eps;
    *dense = (SuDense){.norm = {gamma, beta, eps > 0 ? eps : loader->spec->norm_eps, n}};
    SU_TRY(su_stored_require(&loader->weights, SUTRA_ROLE_HEAD_NORM_WEIGHT, index, n, 0, &weight,
                             err));
    if (su_stored_find(&loader->weights, SUTRA_ROLE_HEAD_NORM_BIAS, index))
        SU_TRY(su_stored_require(&loader->weights, SUTRA_ROLE_HEAD_NORM_BIAS, index, n, 0, &bias,
                                 err));
    if (!gamma || !beta) return SUTRA_OK;
    su_stored_read_row(&loader->weights, weight, 0, n, gamma);
    if (bias) su_stored_read_row(&loader->weights, bias, 0, n, beta);
    return SUTRA_OK;
}

/* Measures, or fills. */
static SutraStatus load_all(Loader *loader, SutraError *err)
{
    float *row = su_arena_carve(&loader->arena, loader->encoder->widest_head * sizeof *row);
    uint32_t n = 0;
    for (uint32_t i = 0; i < loader->spec->num_heads_out; i++) {
        const SutraHead *head = &loader->spec->heads[i];
        if (head->kind == SUTRA_HEAD_NORM)
            SU_TRY(load_norm(loader, i, &loader->encoder->dense[n++], err));
        if (su_head_is_linear(head))
            SU_TRY(load_linear(loader, i, &loader->encoder->dense[n++], row, err));
    }
    return SUTRA_OK;
}

SutraStatus su_encoder_load_dense(SuEncoder *encoder, const SutraSpec *spec,
                                  const SutraTensor *tensors, size_t n, SutraError *err)
{
    encoder->pooled_size = encoder->widest_head = spec->hidden_size;
    for (uint32_t i = 0; spec->heads && i < spec->num_heads_out; i++) {
        if (!su_head_computes(&spec->heads[i])) continue;
        encoder->num_dense++;
        encoder->pooled_size = spec->heads[i].out;
        if (encoder->pooled_size > encoder->widest_head)
            encoder->widest_head = encoder->pooled_size;
    }
    if (!encoder->num_dense) return SUTRA_OK;
    Loader loader = {spec, {tensors, n, &encoder->kernels}, {0}, encoder};
    encoder->dense = su_calloc(encoder->num_dense, sizeof *encoder->dense);
    if (!encoder->dense)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %u heads", encoder->num_dense);
    SU_TRY(load_all(&loader, err));
    size_t size = loader.arena.used;
    encoder->dense_memory = su_alloc_aligned(size);
    if (!encoder->dense_memory)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for heads of %zu bytes", size);
    memset(encoder->dense_memory, 0, size);
    loader.arena = (SuArena){.base = encoder->dense_memory, .size = size};
    return load_all(&loader, err);
}

const float *su_encoder_run_dense(SuEncoderContext *context, const SutraBatch *batch,
                                  SuRegionThread *thread)
{
    const SuEncoder *encoder = context->encoder;
    float *x = context->pooled[0], *y = context->pooled[1];
    for (uint32_t i = 0; i < encoder->num_dense; i++) {
        const SuDense *dense = &encoder->dense[i];
        if (!dense->linear.packed) {
            su_linear_norm(&encoder->kernels, &dense->norm, thread, x, x, batch->num_seqs, NULL,
                           (SuRows){0});
            continue;
        }
        bool is_raw = batch->raw_scores && i + 1 == encoder->num_dense;
        su_linear_run(&encoder->kernels, &dense->linear, thread,
                      &(SuLinearIo){.a = {.data = x},
                                    .rows = batch->num_seqs,
                                    .c = y,
                                    .activation = is_raw ? SUTRA_ACT_NONE : dense->activation});
        float *other = x;
        x = y;
        y = other;
    }
    return x;
}
