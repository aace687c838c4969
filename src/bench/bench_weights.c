#include "bench_weights.h"

#include "base/status.h"
#include "tools/tensor_read.h"

#include <math.h>
#include <string.h>

typedef struct Loader {
    const SutraModel *model;
    SuKernels kernels;
} Loader;

static SutraStatus find(const Loader *loader, SutraRole role, uint32_t layer,
                        const SutraTensor **tensor, SutraError *err)
{
    *tensor = su_model_tensor(loader->model, role, layer);
    if (!*tensor || (*tensor)->dtype > SUTRA_TENSOR_BF16)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: no float matrix of role %d, layer %u: give the model's folder",
                 loader->model->path, (int)role, layer);
    return SUTRA_OK;
}

static SutraStatus load(const Loader *loader, SutraRole role, uint32_t layer, float **out,
                        SutraError *err)
{
    const SutraTensor *tensor;
    SU_TRY(find(loader, role, layer, &tensor, err));
    *out = su_alloc(su_tensor_elements(tensor), sizeof **out);
    if (!*out) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the plain weights");
    su_tensor_read(&loader->kernels, tensor, 0, su_tensor_elements(tensor), *out);
    return SUTRA_OK;
}

/* Matrices of roles weight, weight + 2, … under each other; their biases are the roles after them.
 */
static SutraStatus load_linear(const Loader *loader, SutraRole weight, int parts, uint32_t layer,
                               SuBenchLinear *linear, SutraError *err)
{
    const SutraTensor *w, *b;
    SU_TRY(find(loader, weight, layer, &w, err));
    size_t out = (size_t)w->shape[0], in = (size_t)w->shape[1];
    linear->in = in;
    linear->out = out * (size_t)parts;
    linear->weight = su_alloc(linear->out * in, sizeof(float));
    linear->bias = su_alloc(linear->out, sizeof(float));
    if (!linear->weight || !linear->bias)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the plain weights");
    for (int part = 0; part < parts; part++) {
        SU_TRY(find(loader, (SutraRole)(weight + 2 * part), layer, &w, err));
        SU_TRY(find(loader, (SutraRole)(weight + 2 * part + 1), layer, &b, err));
        su_tensor_read(&loader->kernels, w, 0, out * in, linear->weight + (size_t)part * out * in);
        su_tensor_read(&loader->kernels, b, 0, out, linear->bias + (size_t)part * out);
    }
    return SUTRA_OK;
}

static SutraStatus load_layer(const Loader *loader, uint32_t i, SuBenchLayer *layer,
                              SutraError *err)
{
    SU_TRY(load_linear(loader, SUTRA_ROLE_QUERY_WEIGHT, 3, i, &layer->qkv, err));
    SU_TRY(load_linear(loader, SUTRA_ROLE_ATTENTION_OUT_WEIGHT, 1, i, &layer->attention_out, err));
    SU_TRY(load_linear(loader, SUTRA_ROLE_FFN_UP_WEIGHT, 1, i, &layer->up, err));
    SU_TRY(load_linear(loader, SUTRA_ROLE_FFN_DOWN_WEIGHT, 1, i, &layer->down, err));
    SU_TRY(load(loader, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, i, &layer->attention_gamma, err));
    SU_TRY(load(loader, SUTRA_ROLE_ATTENTION_NORM_BIAS, i, &layer->attention_beta, err));
    SU_TRY(load(loader, SUTRA_ROLE_FFN_NORM_WEIGHT, i, &layer->ffn_gamma, err));
    return load(loader, SUTRA_ROLE_FFN_NORM_BIAS, i, &layer->ffn_beta, err);
}

static SutraStatus load_all(const Loader *loader, SuBenchWeights *weights, SutraError *err)
{
    const SutraSpec *spec = &weights->spec;
    weights->layers = su_calloc(spec->num_layers, sizeof *weights->layers);
    if (!weights->layers) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the plain weights");
    SU_TRY(load(loader, SUTRA_ROLE_TOKEN_EMBEDDING, 0, &weights->token, err));
    if (spec->position == SUTRA_POSITION_LEARNED)
        SU_TRY(load(loader, SUTRA_ROLE_POSITION_EMBEDDING, 0, &weights->position, err));
    if (spec->num_types) SU_TRY(load(loader, SUTRA_ROLE_TYPE_EMBEDDING, 0, &weights->type, err));
    SU_TRY(load(loader, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, 0, &weights->gamma, err));
    SU_TRY(load(loader, SUTRA_ROLE_EMBEDDING_NORM_BIAS, 0, &weights->beta, err));
    for (uint32_t i = 0; i < spec->num_layers; i++)
        SU_TRY(load_layer(loader, i, &weights->layers[i], err));
    return SUTRA_OK;
}

SutraStatus su_bench_weights_load(const SutraModel *model, SuBenchWeights *weights, SutraError *err)
{
    if (su_model_is_static(model))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: a static model has no layers, of which steps could be left out", model->path);
    Loader loader = {.model = model};
    const SutraSpec *spec = &model->spec;
    if (spec->gated || spec->norm != SUTRA_NORM_POST || spec->without_bias ||
        spec->position == SUTRA_POSITION_ROPE || spec->position == SUTRA_POSITION_ALIBI)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: the plain encoder that this compares with is BERT's; this model is of the "
                 "family %s",
                 model->path, model->family);
    *weights = (SuBenchWeights){.spec = model->spec, .pooling = model->pooling};
    su_kernels_init(&loader.kernels, su_isa_detect());
    SutraStatus status = load_all(&loader, weights, err);
    if (status != SUTRA_OK) su_bench_weights_free(weights);
    return status;
}

static void free_packed(SuBenchLinear *linear)
{
    su_free_aligned(linear->packed);
    su_free(linear->packed_bias);
    su_free(linear->zero_bias);
    linear->packed = linear->packed_bias = linear->zero_bias = NULL;
}

/* The first `scaled` features are multiplied by scale. */
static SutraStatus pack(SuBenchLinear *linear, SuGemmLayout layout, size_t scaled, float scale,
                        SutraError *err)
{
    size_t out = su_round_up(linear->out, su_gemm_packing(layout)->nr);
    size_t size = su_gemm_packed_size(layout, linear->out, linear->in);
    free_packed(linear);
    linear->packed = su_alloc_aligned(size);
    linear->packed_bias = su_calloc(out, sizeof(float));
    linear->zero_bias = su_calloc(out, sizeof(float));
    float *row = su_alloc(linear->in, sizeof *row);
    if (!linear->packed || !linear->packed_bias || !linear->zero_bias || !row) {
        su_free(row);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the packed weights");
    }
    memset(linear->packed, 0, size);
    for (size_t i = 0; i < linear->out; i++) {
        float factor = i < scaled ? scale : 1.0f;
        for (size_t p = 0; p < linear->in; p++)
            row[p] = linear->weight[i * linear->in + p] * factor;
        su_gemm_pack(layout, row, i, linear->in, linear->packed, NULL, NULL);
        linear->packed_bias[i] = linear->bias[i] * factor;
    }
    su_free(row);
    return SUTRA_OK;
}

SutraStatus su_bench_weights_pack(SuBenchWeights *weights, SuGemmLayout layout, SutraError *err)
{
    const SutraSpec *spec = &weights->spec;
    float scale = (float)(1.4426950408889634 / sqrt((double)spec->head_size));
    if (weights->layout == layout) return SUTRA_OK;
    weights->layout = 0;
    for (uint32_t i = 0; i < spec->num_layers; i++) {
        SuBenchLayer *layer = &weights->layers[i];
        size_t width = layer->qkv.out / 3;
        SU_TRY(pack(&layer->qkv, layout, width, scale, err));
        SU_TRY(pack(&layer->attention_out, layout, 0, 1, err));
        SU_TRY(pack(&layer->up, layout, 0, 1, err));
        SU_TRY(pack(&layer->down, layout, 0, 1, err));
    }
    weights->layout = layout;
    return SUTRA_OK;
}

void su_bench_weights_free(SuBenchWeights *weights)
{
    for (uint32_t i = 0; weights->layers && i < weights->spec.num_layers; i++) {
        SuBenchLayer *layer = &weights->layers[i];
        SuBenchLinear *linears[] = {&layer->qkv, &layer->attention_out, &layer->up, &layer->down};
        float *vectors[] = {layer->attention_gamma, layer->attention_beta, layer->ffn_gamma,
                            layer->ffn_beta};
        for (size_t j = 0; j < 4; j++) {
            free_packed(linears[j]);
            su_free(linears[j]->weight);
            su_free(linears[j]->bias);
            su_free(vectors[j]);
        }
    }
    su_free(weights->layers);
    su_free(weights->token);
    su_free(weights->position);
    su_free(weights->type);
    su_free(weights->gamma);
    su_free(weights->beta);
    *weights = (SuBenchWeights){0};
}
