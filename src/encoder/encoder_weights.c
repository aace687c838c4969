/* Weights of the encoder: found by role, checked, widened to fp32 and packed for the GEMM of one
 * ISA; or packed before, and attached where they lie.
 *
 *   packed block:  linears | embedding norm | relative bias, if any | layer 0 | layer 1 | … |
 *                  final norm, if pre-norm; of a static model 64 zeros
 *                  each part at a multiple of 64 bytes
 *   linears:       a PackedLinear for each linear, in the order of the layers
 *   a layer:       qkv | attention out | up (gated: gate and up by turns) | down | 2 norms
 *   a linear:      weights | bias | int8: scales | sums | factors, if it has any
 *
 * Every change to this order, or to the arithmetic that fills it, needs another
 * SU_ENCODER_PACKED_VERSION. */
#include "base/status.h"
#include "encoder/encoder.h"
#include "encoder/stored_weights.h"

#include <math.h>
#include <string.h>

typedef struct PackedLinear {
    uint32_t layout, has_factor; /* SuGemmLayout: says the format too; 0 or 1 */
    SuRowScale fixed;
} PackedLinear;

typedef struct Source {
    const SutraSpec *spec;
    SuStoredWeights weights;
    SuArena *arena;                /* of the packed weights; base NULL: measuring */
    bool attached;                 /* the arena is filled already: only find one's way in it */
    float *row;                    /* scratch for one widened row */
    const SuLinearRecipe *recipes; /* NULL: all fp32 */
    const PackedLinear *linears;   /* attached */
    const SuEncoder *encoder;
} Source;

static SutraStatus load_vector(const Source *source, SutraRole role, uint32_t layer, size_t n,
                               const float **out, SutraError *err)
{
    const SutraTensor *tensor = NULL;
    float *values = su_arena_carve(source->arena, n * sizeof *values);
    *out = values;
    if (source->attached) return SUTRA_OK;
    SU_TRY(su_stored_require(&source->weights, role, layer, n, 0, &tensor, err));
    if (values) su_stored_read_row(&source->weights, tensor, 0, n, values);
    return SUTRA_OK;
}

static bool has_bias(const Source *source, uint32_t what)
{
    return !(source->spec->without_bias & what);
}

static void *carve_zeros(const Source *source, size_t size)
{
    void *memory = su_arena_carve(source->arena, size);
    if (source->arena->base && !source->attached) memset(memory, 0, size);
    return memory;
}

static SutraStatus load_norm(const Source *source, SutraRole weight, SutraRole bias, uint32_t layer,
                             SuNormF32 *norm, SutraError *err)
{
    norm->n = source->spec->hidden_size;
    norm->eps = source->spec->norm_eps;
    SU_TRY(load_vector(source, weight, layer, norm->n, &norm->gamma, err));
    if (has_bias(source, SUTRA_BIAS_NORM))
        return load_vector(source, bias, layer, norm->n, &norm->beta, err);
    norm->beta = carve_zeros(source, norm->n * sizeof *norm->beta);
    return SUTRA_OK;
}

/* What is known of a linear before its weights: `index` counts all linears. */
static PackedLinear describe_linear(const Source *source, size_t index)
{
    if (source->attached) return source->linears[index];
    if (!source->recipes) return (PackedLinear){.layout = source->weights.kernels->gemm_f32.layout};
    const SuLinearRecipe *recipe = &source->recipes[index];
    return (PackedLinear){.layout = su_linear_gemm(source->weights.kernels, recipe->format)->layout,
                          .has_factor = recipe->factor != NULL,
                          .fixed = recipe->fixed};
}

static void carve_linear(const Source *source, size_t index, size_t in, size_t out,
                         SuLinear *linear)
{
    PackedLinear known = describe_linear(source, index);
    *linear = (SuLinear){.in = in, .out = out, .format = su_linear_format(known.layout)};
    linear->fixed = known.fixed;
    const SuGemm *gemm = su_linear_gemm(source->weights.kernels, linear->format);
    linear->row_size = gemm->a_size;
    size_t padded = su_round_up(out, gemm->nr);
    linear->packed = carve_zeros(source, su_gemm_packed_size(gemm->layout, out, in));
    linear->bias = carve_zeros(source, padded * sizeof(float));
    if (linear->format != SU_FORMAT_INT8) return;
    linear->scale = carve_zeros(source, padded * sizeof(float));
    linear->sum = carve_zeros(source, padded * sizeof(int32_t));
    if (!known.has_factor) return;
    linear->factor = su_arena_carve(source->arena, in * sizeof(float));
    if (source->arena->base && !source->attached)
        memcpy(linear->factor, source->recipes[index].factor, in * sizeof(float));
}

/* Packs source->row, feature `at` of a linear. */
static SutraStatus pack_row(const Source *source, const SuLinear *linear, size_t at,
                            SutraError *err)
{
    float *row = source->row;
    const SuGemm *gemm = su_linear_gemm(source->weights.kernels, linear->format);
    for (size_t i = 0; linear->factor && i < linear->in; i++) row[i] /= linear->factor[i];
    bool scaled = linear->scale != NULL;
    if (!su_gemm_pack(gemm->layout, row, at, linear->in, linear->packed,
                      scaled ? &linear->scale[at] : NULL, scaled ? &linear->sum[at] : NULL))
        SU_RAISE(err, SUTRA_E_FORMAT, "a weight is NaN or %s form",
                 linear->format == SU_FORMAT_F16 ? "beyond 65504: it has no fp16"
                                                 : "infinite: it has no int8");
    return SUTRA_OK;
}

/* Part of a linear: `count` output features from `first` on, `step` apart, which are those of a
 * weight in the order it has, times scale. */
typedef struct Part {
    SutraRole weight; /* its bias is the next role */
    uint32_t bias;    /* SUTRA_BIAS_… */
    size_t first, step, count;
    float scale;
} Part;

static SutraStatus load_biases(const Source *source, const Part *part, uint32_t layer,
                               SuLinear *linear, SutraError *err)
{
    const SutraTensor *tensor = NULL;
    if (!has_bias(source, part->bias)) return SUTRA_OK;
    SU_TRY(su_stored_require(&source->weights, (SutraRole)(part->weight + 1), layer, part->count, 0,
                             &tensor, err));
    if (!linear->bias) return SUTRA_OK;
    su_stored_read_row(&source->weights, tensor, 0, part->count, source->row);
    for (size_t i = 0; i < part->count; i++)
        linear->bias[part->first + i * part->step] = source->row[i] * part->scale;
    return SUTRA_OK;
}

static SutraStatus load_part(const Source *source, const Part *part, uint32_t layer,
                             SuLinear *linear, SutraError *err)
{
    const SutraTensor *tensor = NULL;
    if (source->attached) return SUTRA_OK;
    SU_TRY(su_stored_require(&source->weights, part->weight, layer, part->count, linear->in,
                             &tensor, err));
    for (size_t i = 0; linear->packed && i < part->count; i++) {
        SutraError why = {0};
        su_stored_read_row(&source->weights, tensor, i, linear->in, source->row);
        if (part->scale != 1.0f)
            source->weights.kernels->scale_f32(source->row, part->scale, linear->in, source->row);
        if (pack_row(source, linear, part->first + i * part->step, &why) != SUTRA_OK)
            SU_RAISE(err, why.status, "tensor of role %d, layer %u, row %zu: %s", (int)part->weight,
                     layer, i, why.message);
    }
    return load_biases(source, part, layer, linear, err);
}

static SutraStatus load_attention(const Source *source, uint32_t index, SuLayer *layer,
                                  SutraError *err)
{
    const SutraSpec *spec = source->spec;
    size_t hidden = spec->hidden_size, width = (size_t)spec->num_heads * spec->head_size;
    size_t linear = (size_t)index * SU_LAYER_LINEARS;
    float scale = (float)(1.4426950408889634 / sqrt((double)spec->head_size));
    const Part parts[] = {
        {SUTRA_ROLE_QUERY_WEIGHT, SUTRA_BIAS_QKV, 0, 1, width, scale},
        {SUTRA_ROLE_KEY_WEIGHT, SUTRA_BIAS_QKV, width, 1, width, 1.0f},
        {SUTRA_ROLE_VALUE_WEIGHT, SUTRA_BIAS_QKV, 2 * width, 1, width, 1.0f},
    };
    carve_linear(source, linear + SU_LINEAR_QKV, hidden, 3 * width, &layer->qkv);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        SU_TRY(load_part(source, &parts[i], index, &layer->qkv, err));
    carve_linear(source, linear + SU_LINEAR_ATTENTION_OUT, width, hidden, &layer->attention_out);
    return load_part(
        source,
        &(Part){SUTRA_ROLE_ATTENTION_OUT_WEIGHT, SUTRA_BIAS_ATTENTION_OUT, 0, 1, hidden, 1.0f},
        index, &layer->attention_out, err);
}

static SutraStatus load_feed_forward(const Source *source, uint32_t index, SuLayer *layer,
                                     SutraError *err)
{
    const SutraSpec *spec = source->spec;
    size_t hidden = spec->hidden_size, ffn = spec->ffn_size, step = 1 + spec->gated;
    size_t linear = (size_t)index * SU_LAYER_LINEARS;
    Part gate = {SUTRA_ROLE_FFN_GATE_WEIGHT, SUTRA_BIAS_FFN_UP, 0, step, ffn, 1.0f};
    Part up = {SUTRA_ROLE_FFN_UP_WEIGHT, SUTRA_BIAS_FFN_UP, step - 1, step, ffn, 1.0f};
    Part down = {SUTRA_ROLE_FFN_DOWN_WEIGHT, SUTRA_BIAS_FFN_DOWN, 0, 1, hidden, 1.0f};
    carve_linear(source, linear + SU_LINEAR_UP, hidden, step * ffn, &layer->up);
    layer->up.gated = spec->gated;
    if (spec->gated) SU_TRY(load_part(source, &gate, index, &layer->up, err));
    SU_TRY(load_part(source, &up, index, &layer->up, err));
    carve_linear(source, linear + SU_LINEAR_DOWN, ffn, hidden, &layer->down);
    return load_part(source, &down, index, &layer->down, err);
}

static SutraStatus load_layer(const Source *source, uint32_t index, SuLayer *layer, SutraError *err)
{
    SU_TRY(load_attention(source, index, layer, err));
    SU_TRY(load_feed_forward(source, index, layer, err));
    if (index > 0 || !source->spec->bare_start)
        SU_TRY(load_norm(source, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, SUTRA_ROLE_ATTENTION_NORM_BIAS,
                         index, &layer->attention_norm, err));
    return load_norm(source, SUTRA_ROLE_FFN_NORM_WEIGHT, SUTRA_ROLE_FFN_NORM_BIAS, index,
                     &layer->ffn_norm, err);
}

/* The scales of a table of int8. */
static SutraStatus find_scales(const Source *source, SutraRole role, size_t rows,
                               SuEmbeddingTable *table, SutraError *err)
{
    const SutraTensor *tensor = NULL;
    if (table->dtype != SUTRA_TENSOR_I8) return SUTRA_OK;
    SU_TRY(su_stored_require(&source->weights, role, 0, rows, 0, &tensor, err));
    if (tensor->dtype != SUTRA_TENSOR_F32 || (uintptr_t)tensor->data % sizeof(float))
        SU_RAISE(err, SUTRA_E_FORMAT, "the scales of an embedding table are not aligned floats");
    table->scales = tensor->data;
    for (size_t i = 0; i < rows; i++)
        if (!(table->scales[i] >= 0 && table->scales[i] < INFINITY))
            SU_RAISE(err, SUTRA_E_FORMAT, "row %zu of an embedding table has a scale of %g", i,
                     (double)table->scales[i]);
    return SUTRA_OK;
}

static SutraStatus find_table(const Source *source, SutraRole role, size_t rows,
                              SuEmbeddingTable *table, SutraError *err)
{
    const SutraTensor *tensor = NULL;
    *table = (SuEmbeddingTable){0};
    if (rows == 0) return SUTRA_OK;
    SU_TRY(su_stored_require(&source->weights, role, 0, rows, source->spec->hidden_size, &tensor,
                             err));
    *table = (SuEmbeddingTable){.data = tensor->data,
                                .dtype = (SutraTensorType)tensor->dtype,
                                .rows = rows,
                                .row_bytes = source->spec->hidden_size *
                                             su_stored_element_size(tensor->dtype)};
    if ((uintptr_t)tensor->data % su_stored_element_size(tensor->dtype) == 0) return SUTRA_OK;
    unsigned char *aligned = su_arena_carve(source->arena, tensor->size);
    if (aligned) memcpy(aligned, tensor->data, tensor->size);
    table->data = aligned;
    return SUTRA_OK;
}

/* The table at the start of the packed block. */
static void carve_linears(const Source *source)
{
    size_t n = (size_t)source->spec->num_layers * SU_LAYER_LINEARS;
    PackedLinear *linears = su_arena_carve(source->arena, n * sizeof *linears);
    if (source->attached || !source->arena->base) return;
    for (size_t i = 0; i < n; i++) linears[i] = describe_linear(source, i);
}

static SutraStatus load_relative_bias(const Source *source, SuEncoder *encoder, SutraError *err)
{
    const SutraSpec *spec = source->spec;
    const SutraTensor *tensor = NULL;
    if (!su_spec_has_bias(spec)) return SUTRA_OK;
    float *bias =
        su_arena_carve(source->arena, spec->num_heads * su_relative_bias_row(spec) * sizeof *bias);
    encoder->relative_bias = bias;
    if (source->attached) return SUTRA_OK;
    if (spec->position == SUTRA_POSITION_ALIBI) {
        if (bias) su_alibi_spread(spec, bias);
        return SUTRA_OK;
    }
    SU_TRY(su_stored_require(&source->weights, SUTRA_ROLE_RELATIVE_BIAS, 0, spec->relative_buckets,
                             spec->num_heads, &tensor, err));
    if (!bias) return SUTRA_OK;
    size_t count = (size_t)spec->relative_buckets * spec->num_heads;
    float *buckets = su_alloc(count, sizeof *buckets);
    if (!buckets) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu numbers", count);
    su_stored_read_row(&source->weights, tensor, 0, count, buckets);
    su_relative_bias_spread(spec, buckets, bias);
    su_free(buckets);
    return SUTRA_OK;
}

static SutraStatus load_packed(const Source *source, SuEncoder *encoder, SutraError *err)
{
    if (su_spec_is_static(source->spec)) {
        carve_zeros(source, SU_CACHE_LINE);
        return SUTRA_OK;
    }
    carve_linears(source);
    SU_TRY(load_norm(source, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, SUTRA_ROLE_EMBEDDING_NORM_BIAS, 0,
                     &encoder->embedding_norm, err));
    SU_TRY(load_relative_bias(source, encoder, err));
    for (uint32_t i = 0; i < source->spec->num_layers; i++)
        SU_TRY(load_layer(source, i, &encoder->layers[i], err));
    if (source->spec->norm != SUTRA_NORM_PRE) return SUTRA_OK;
    return load_norm(source, SUTRA_ROLE_FINAL_NORM_WEIGHT, SUTRA_ROLE_FINAL_NORM_BIAS, 0,
                     &encoder->final_norm, err);
}

/* A number for each token of a static model; *data NULL: there are none. */
static SutraStatus find_per_token(const Source *source, SutraRole role, SutraTensorType type,
                                  const void **data, SutraError *err)
{
    const SutraTensor *tensor = su_stored_find(&source->weights, role, 0);
    size_t n = source->spec->vocab_size;
    *data = NULL;
    if (!tensor) return SUTRA_OK;
    if (tensor->dtype != (uint32_t)type || tensor->num_dims != 1 || tensor->shape[0] != n ||
        tensor->size != n * 4 || (uintptr_t)tensor->data % 4)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "tensor of role %d is no aligned number for each of %zu tokens", (int)role, n);
    *data = tensor->data;
    return SUTRA_OK;
}

static SutraStatus find_token_weights(const Source *source, SuEncoder *encoder, SutraError *err)
{
    const SutraSpec *spec = source->spec;
    const void *weights, *rows;
    if (!su_spec_is_static(spec)) return SUTRA_OK;
    SU_TRY(find_per_token(source, SUTRA_ROLE_TOKEN_WEIGHT, SUTRA_TENSOR_F32, &weights, err));
    SU_TRY(find_per_token(source, SUTRA_ROLE_TOKEN_ROW, SUTRA_TENSOR_I32, &rows, err));
    encoder->token_weight = weights;
    encoder->token_row = rows;
    if (!rows != !spec->token_rows)
        SU_RAISE(err, SUTRA_E_FORMAT, "tokens share %u rows, and which row a token has is %s",
                 spec->token_rows, rows ? "given" : "not given");
    for (uint32_t i = 0; i < spec->vocab_size; i++) {
        if (rows && encoder->token_row[i] >= spec->token_rows)
            SU_RAISE(err, SUTRA_E_FORMAT, "token %u has row %u of %u", i, encoder->token_row[i],
                     spec->token_rows);
        if (weights && !isfinite(encoder->token_weight[i]))
            SU_RAISE(err, SUTRA_E_FORMAT, "token %u has the weight %g", i,
                     (double)encoder->token_weight[i]);
    }
    return SUTRA_OK;
}

static SutraStatus find_tables(const Source *source, SuEncoder *encoder, SutraError *err)
{
    const SutraSpec *spec = source->spec;
    bool learned = spec->position == SUTRA_POSITION_LEARNED;
    size_t rows = spec->token_rows ? spec->token_rows : spec->vocab_size;
    SU_TRY(find_table(source, SUTRA_ROLE_TOKEN_EMBEDDING, rows, &encoder->token, err));
    SU_TRY(find_token_weights(source, encoder, err));
    SU_TRY(find_table(source, SUTRA_ROLE_POSITION_EMBEDDING, learned ? spec->max_positions : 0,
                      &encoder->position, err));
    SU_TRY(find_scales(source, SUTRA_ROLE_TOKEN_EMBEDDING_SCALE, rows, &encoder->token, err));
    SU_TRY(find_scales(source, SUTRA_ROLE_POSITION_EMBEDDING_SCALE, encoder->position.rows,
                       &encoder->position, err));
    return find_table(source, SUTRA_ROLE_TYPE_EMBEDDING, spec->num_types, &encoder->type, err);
}

/* The packed block, and after it the embedding tables that are not aligned where they are stored.
 */
static SutraStatus load_all(const Source *source, SuEncoder *encoder, SutraError *err)
{
    SU_TRY(load_packed(source, encoder, err));
    encoder->packed_size = source->arena->used;
    return find_tables(source, encoder, err);
}

/* The bases of the layers, each once. */
static SutraStatus find_ropes(const SutraSpec *spec, SuEncoder *encoder, SutraError *err)
{
    if (spec->position != SUTRA_POSITION_ROPE) return SUTRA_OK;
    for (uint32_t i = 0; i < spec->num_layers; i++) {
        uint32_t rope = 0;
        while (rope < encoder->num_ropes && encoder->rope_base[rope] != spec->rope_base[i]) rope++;
        encoder->layers[i].turns = rope;
        if (rope < encoder->num_ropes) continue;
        if (rope == SU_MAX_ROPES)
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend takes %d bases of RoPE at most",
                     SU_MAX_ROPES);
        encoder->rope_base[rope] = spec->rope_base[i];
        su_rope_frequencies(spec, spec->rope_base[i], encoder->rope_frequencies[rope]);
        encoder->num_ropes++;
    }
    return SUTRA_OK;
}

static SutraStatus encoder_new(const SutraSpec *spec, SuIsa isa, SuEncoder **out, SutraError *err)
{
    SU_TRY(su_encoder_check_spec(spec, err));
    SuEncoder *encoder = su_calloc(1, sizeof *encoder);
    if (encoder) encoder->layers = su_calloc(spec->num_layers + 1, sizeof *encoder->layers);
    if (!encoder || !encoder->layers) {
        su_encoder_free(encoder);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %u layers", spec->num_layers);
    }
    for (uint32_t i = 0; i < spec->num_layers; i++) {
        size_t window = spec->window && spec->window[i] ? spec->window[i] : SIZE_MAX;
        encoder->layers[i].before = window;
        encoder->layers[i].after = spec->causal ? 0 : window;
    }
    encoder->spec = *spec;
    encoder->spec.window = NULL;
    encoder->spec.rope_base = NULL;
    encoder->spec.heads = NULL;
    su_kernels_init(&encoder->kernels, isa);
    SutraStatus status = find_ropes(spec, encoder, err);
    if (status == SUTRA_OK)
        *out = encoder;
    else
        su_encoder_free(encoder);
    return status;
}

/* Measures, allocates, fills. */
static SutraStatus pack(const Source *source, SuEncoder *encoder, SutraError *err)
{
    SU_TRY(load_all(source, encoder, err));
    encoder->memory_size = source->arena->used;
    encoder->memory = su_alloc_aligned(encoder->memory_size);
    if (!encoder->memory) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the packed weights");
    *source->arena = (SuArena){.base = encoder->memory, .size = encoder->memory_size};
    encoder->packed = encoder->memory;
    return load_all(source, encoder, err);
}

SutraStatus su_encoder_create(const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                              SuIsa isa, const SuLinearRecipe *recipes, SuEncoder **out,
                              SutraError *err)
{
    SuEncoder *encoder;
    *out = NULL;
    SU_TRY(encoder_new(spec, isa, &encoder, err));
    size_t widest = spec->ffn_size > spec->hidden_size ? spec->ffn_size : spec->hidden_size;
    size_t width = (size_t)spec->num_heads * spec->head_size;
    if (width > widest) widest = width;
    SuArena arena = {0};
    Source source = {.spec = spec,
                     .weights = {tensors, n, &encoder->kernels},
                     .arena = &arena,
                     .row = su_alloc(widest, sizeof(float)),
                     .recipes = recipes,
                     .encoder = encoder};
    SutraStatus status = source.row ? pack(&source, encoder, err)
                                    : su_error_set(err, SUTRA_E_MEMORY, "out of memory for a row");
    su_free(source.row);
    if (status == SUTRA_OK) status = su_encoder_load_dense(encoder, spec, tensors, n, err);
    if (status == SUTRA_OK)
        *out = encoder;
    else
        su_encoder_free(encoder);
    return status;
}

/* Whether the table at the start of a packed block is one, of linears as this ISA's kernels read
 * them. */
static SutraStatus check_linears(const Source *source, size_t size, SutraError *err)
{
    size_t n = (size_t)source->spec->num_layers * SU_LAYER_LINEARS;
    if (size / sizeof *source->linears < n)
        SU_RAISE(err, SUTRA_E_FORMAT, "the packed weights have %zu bytes, fewer than their table",
                 size);
    for (size_t i = 0; i < n; i++) {
        const PackedLinear *linear = &source->linears[i];
        const SuGemmPacking *packing = su_gemm_packing((SuGemmLayout)linear->layout);
        if (!packing || linear->has_factor > 1 ||
            !(linear->fixed.scale >= 0 && linear->fixed.scale < INFINITY) ||
            linear->fixed.zero < 0 || linear->fixed.zero > 255)
            SU_RAISE(err, SUTRA_E_FORMAT, "the packed weights: linear %zu is damaged", i);
        SuGemmLayout wanted =
            su_linear_gemm(source->weights.kernels, su_linear_format(linear->layout))->layout;
        if (linear->layout != wanted)
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s, not %s", packing->name,
                     su_gemm_packing(wanted)->name);
    }
    return SUTRA_OK;
}

static SutraStatus attach(const Source *source, SuEncoder *encoder, const unsigned char *packed,
                          size_t size, SutraError *err)
{
    if ((uintptr_t)packed % SU_CACHE_LINE)
        SU_RAISE(err, SUTRA_E_FORMAT, "the packed weights are not aligned");
    SU_TRY(check_linears(source, size, err));
    SU_TRY(load_packed(source, encoder, err));
    if (source->arena->used != size)
        SU_RAISE(err, SUTRA_E_FORMAT, "the packed weights have %zu bytes, this model needs %zu",
                 size, source->arena->used);
    *source->arena = (SuArena){.base = (unsigned char *)packed, .size = size};
    SU_TRY(load_packed(source, encoder, err));
    encoder->packed = packed;
    encoder->packed_size = size;
    *source->arena = (SuArena){0};
    SU_TRY(find_tables(source, encoder, err));
    if (source->arena->used) SU_RAISE(err, SUTRA_E_FORMAT, "an embedding table is not aligned");
    return SUTRA_OK;
}

SutraStatus su_encoder_attach(const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                              SuIsa isa, const void *packed, size_t size, SuEncoder **out,
                              SutraError *err)
{
    SuEncoder *encoder;
    *out = NULL;
    SU_TRY(encoder_new(spec, isa, &encoder, err));
    SuArena arena = {0};
    Source source = {.spec = spec,
                     .weights = {tensors, n, &encoder->kernels},
                     .arena = &arena,
                     .attached = true,
                     .linears = packed,
                     .encoder = encoder};
    SutraStatus status = attach(&source, encoder, packed, size, err);
    if (status == SUTRA_OK) status = su_encoder_load_dense(encoder, spec, tensors, n, err);
    if (status == SUTRA_OK)
        *out = encoder;
    else
        su_encoder_free(encoder);
    return status;
}

void su_encoder_free(SuEncoder *encoder)
{
    if (!encoder) return;
    su_free_aligned(encoder->memory);
    su_free_aligned(encoder->dense_memory);
    su_free(encoder->dense);
    su_free(encoder->layers);
    su_free(encoder);
}
