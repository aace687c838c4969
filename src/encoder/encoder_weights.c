/* Weights of the encoder: found by role, checked, widened to fp32 and packed for the GEMM of one
 * ISA; or packed before, and attached where they lie.
 *
 *   packed block:  embedding norm | layer 0 | layer 1 | …      each part at a multiple of 64 bytes
 *   a layer:       qkv, its bias | attention out, bias | up, bias | down, bias | 2 norms
 *
 * Every change to this order, or to the arithmetic that fills it, needs another
 * SU_ENCODER_PACKED_VERSION. */
#include "base/status.h"
#include "encoder/encoder.h"

#include <math.h>
#include <string.h>

typedef struct Source {
    const SutraSpec *spec;
    const SutraTensor *tensors;
    size_t num_tensors;
    SuArena *arena; /* of the packed weights; base NULL: measuring */
    bool attached;  /* the arena is filled already: only find one's way in it */
    float *row;     /* scratch for one widened row */
    const SuKernels *kernels;
} Source;

static size_t element_size(uint32_t dtype) { return dtype == SUTRA_TENSOR_F32 ? 4 : 2; }

static const SutraTensor *find(const Source *source, SutraRole role, uint32_t layer)
{
    for (size_t i = 0; i < source->num_tensors; i++)
        if (source->tensors[i].role == (uint32_t)role && source->tensors[i].layer == layer)
            return &source->tensors[i];
    return NULL;
}

static SutraStatus require(const Source *source, SutraRole role, uint32_t layer, uint64_t rows,
                           uint64_t columns, const SutraTensor **out, SutraError *err)
{
    const SutraTensor *tensor = find(source, role, layer);
    if (!tensor)
        SU_RAISE(err, SUTRA_E_FORMAT, "tensor of role %d, layer %u is missing", (int)role, layer);
    if (tensor->dtype > SUTRA_TENSOR_BF16)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "tensor of role %d, layer %u: element type %u is not supported", (int)role, layer,
                 tensor->dtype);
    bool matrix = columns != 0;
    if (tensor->num_dims != (matrix ? 2u : 1u) || tensor->shape[0] != rows ||
        (matrix && tensor->shape[1] != columns) ||
        tensor->size != rows * (matrix ? columns : 1) * element_size(tensor->dtype))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "tensor of role %d, layer %u has another shape than [%llu, %llu]", (int)role,
                 layer, (unsigned long long)rows, (unsigned long long)columns);
    *out = tensor;
    return SUTRA_OK;
}

/* Row of a tensor as floats; stored data may be unaligned. */
static void read_row(const Source *source, const SutraTensor *tensor, size_t row, size_t n,
                     float *to)
{
    const unsigned char *from =
        (const unsigned char *)tensor->data + row * n * element_size(tensor->dtype);
    if (tensor->dtype == SUTRA_TENSOR_F32) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    uint16_t block[256];
    for (size_t i = 0; i < n; i += 256) {
        size_t count = n - i < 256 ? n - i : 256;
        memcpy(block, from + 2 * i, 2 * count);
        if (tensor->dtype == SUTRA_TENSOR_F16)
            source->kernels->widen_f16(block, count, to + i);
        else
            source->kernels->widen_bf16(block, count, to + i);
    }
}

static SutraStatus load_vector(const Source *source, SutraRole role, uint32_t layer, size_t n,
                               const float **out, SutraError *err)
{
    const SutraTensor *tensor = NULL;
    float *values = su_arena_carve(source->arena, n * sizeof *values);
    *out = values;
    if (source->attached) return SUTRA_OK;
    SU_TRY(require(source, role, layer, n, 0, &tensor, err));
    if (values) read_row(source, tensor, 0, n, values);
    return SUTRA_OK;
}

static SutraStatus load_norm(const Source *source, SutraRole weight, SutraRole bias, uint32_t layer,
                             SuNormF32 *norm, SutraError *err)
{
    norm->n = source->spec->hidden_size;
    norm->eps = source->spec->norm_eps;
    SU_TRY(load_vector(source, weight, layer, norm->n, &norm->gamma, err));
    return load_vector(source, bias, layer, norm->n, &norm->beta, err);
}

static void carve_linear(const Source *source, size_t in, size_t out, SuLinearF32 *linear)
{
    size_t padded = su_round_up(out, source->kernels->gemm_f32.nr);
    *linear = (SuLinearF32){.in = in, .out = out};
    linear->packed = su_arena_carve(source->arena, padded * in * sizeof(float));
    linear->bias = su_arena_carve(source->arena, padded * sizeof(float));
    if (!linear->packed || !linear->bias || source->attached) return;
    size_t tail = out / source->kernels->gemm_f32.nr * source->kernels->gemm_f32.nr;
    memset(linear->packed + tail * in, 0, (padded - tail) * in * sizeof(float));
    memset(linear->bias, 0, padded * sizeof(float));
}

/* Output features `first` … of a linear, times scale. */
static SutraStatus load_linear_part(const Source *source, SutraRole weight, SutraRole bias,
                                    uint32_t layer, size_t first, size_t count, float scale,
                                    SuLinearF32 *linear, SutraError *err)
{
    const SutraTensor *w = NULL, *b = NULL;
    if (source->attached) return SUTRA_OK;
    SU_TRY(require(source, weight, layer, count, linear->in, &w, err));
    SU_TRY(require(source, bias, layer, count, 0, &b, err));
    if (!linear->packed || !linear->bias) return SUTRA_OK;
    for (size_t i = 0; i < count; i++) {
        read_row(source, w, i, linear->in, source->row);
        if (scale != 1.0f) source->kernels->scale_f32(source->row, scale, linear->in, source->row);
        su_gemm_pack_f32(source->row, first + i, linear->in, source->kernels->gemm_f32.nr,
                         linear->packed);
    }
    read_row(source, b, 0, count, linear->bias + first);
    source->kernels->scale_f32(linear->bias + first, scale, count, linear->bias + first);
    return SUTRA_OK;
}

static SutraStatus load_layer(const Source *source, uint32_t index, SuLayerF32 *layer,
                              SutraError *err)
{
    const SutraSpec *spec = source->spec;
    size_t hidden = spec->hidden_size, width = (size_t)spec->num_heads * spec->head_size,
           ffn = spec->ffn_size;
    float scale = (float)(1.4426950408889634 / sqrt((double)spec->head_size));
    carve_linear(source, hidden, 3 * width, &layer->qkv);
    SU_TRY(load_linear_part(source, SUTRA_ROLE_QUERY_WEIGHT, SUTRA_ROLE_QUERY_BIAS, index, 0, width,
                            scale, &layer->qkv, err));
    SU_TRY(load_linear_part(source, SUTRA_ROLE_KEY_WEIGHT, SUTRA_ROLE_KEY_BIAS, index, width, width,
                            1.0f, &layer->qkv, err));
    SU_TRY(load_linear_part(source, SUTRA_ROLE_VALUE_WEIGHT, SUTRA_ROLE_VALUE_BIAS, index,
                            2 * width, width, 1.0f, &layer->qkv, err));
    carve_linear(source, width, hidden, &layer->attention_out);
    SU_TRY(load_linear_part(source, SUTRA_ROLE_ATTENTION_OUT_WEIGHT, SUTRA_ROLE_ATTENTION_OUT_BIAS,
                            index, 0, hidden, 1.0f, &layer->attention_out, err));
    carve_linear(source, hidden, ffn, &layer->up);
    SU_TRY(load_linear_part(source, SUTRA_ROLE_FFN_UP_WEIGHT, SUTRA_ROLE_FFN_UP_BIAS, index, 0, ffn,
                            1.0f, &layer->up, err));
    carve_linear(source, ffn, hidden, &layer->down);
    SU_TRY(load_linear_part(source, SUTRA_ROLE_FFN_DOWN_WEIGHT, SUTRA_ROLE_FFN_DOWN_BIAS, index, 0,
                            hidden, 1.0f, &layer->down, err));
    SU_TRY(load_norm(source, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, SUTRA_ROLE_ATTENTION_NORM_BIAS,
                     index, &layer->attention_norm, err));
    return load_norm(source, SUTRA_ROLE_FFN_NORM_WEIGHT, SUTRA_ROLE_FFN_NORM_BIAS, index,
                     &layer->ffn_norm, err);
}

static SutraStatus find_table(const Source *source, SutraRole role, size_t rows,
                              SuEmbeddingTable *table, SutraError *err)
{
    const SutraTensor *tensor = NULL;
    *table = (SuEmbeddingTable){0};
    if (rows == 0) return SUTRA_OK;
    SU_TRY(require(source, role, 0, rows, source->spec->hidden_size, &tensor, err));
    *table =
        (SuEmbeddingTable){.data = tensor->data,
                           .dtype = (SutraTensorType)tensor->dtype,
                           .rows = rows,
                           .row_bytes = source->spec->hidden_size * element_size(tensor->dtype)};
    if ((uintptr_t)tensor->data % element_size(tensor->dtype) == 0) return SUTRA_OK;
    unsigned char *aligned = su_arena_carve(source->arena, tensor->size);
    if (aligned) memcpy(aligned, tensor->data, tensor->size);
    table->data = aligned;
    return SUTRA_OK;
}

static SutraStatus load_packed(const Source *source, SuEncoder *encoder, SutraError *err)
{
    SU_TRY(load_norm(source, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, SUTRA_ROLE_EMBEDDING_NORM_BIAS, 0,
                     &encoder->embedding_norm, err));
    for (uint32_t i = 0; i < source->spec->num_layers; i++)
        SU_TRY(load_layer(source, i, &encoder->layers[i], err));
    return SUTRA_OK;
}

static SutraStatus find_tables(const Source *source, SuEncoder *encoder, SutraError *err)
{
    const SutraSpec *spec = source->spec;
    bool learned = spec->position == SUTRA_POSITION_LEARNED;
    SU_TRY(find_table(source, SUTRA_ROLE_TOKEN_EMBEDDING, spec->vocab_size, &encoder->token, err));
    SU_TRY(find_table(source, SUTRA_ROLE_POSITION_EMBEDDING, learned ? spec->max_positions : 0,
                      &encoder->position, err));
    return find_table(source, SUTRA_ROLE_TYPE_EMBEDDING, spec->num_types, &encoder->type, err);
}

/* The packed block, and after it the embedding tables that are not aligned where they are stored. */
static SutraStatus load_all(const Source *source, SuEncoder *encoder, SutraError *err)
{
    SU_TRY(load_packed(source, encoder, err));
    encoder->packed_size = source->arena->used;
    return find_tables(source, encoder, err);
}

static SutraStatus check_spec(const SutraSpec *spec, SutraError *err)
{
    if (spec->position != SUTRA_POSITION_LEARNED && spec->position != SUTRA_POSITION_NONE)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend has no position scheme %u",
                 spec->position);
    if (spec->norm != SUTRA_NORM_POST || spec->norm_kind != SUTRA_NORM_LAYER || spec->gated ||
        spec->num_experts || spec->num_kv_heads != spec->num_heads)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend runs post-norm encoders only");
    if (spec->head_size % 8 || spec->head_size == 0 || spec->head_size > 256)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "head size %u is not a multiple of 8 up to 256",
                 spec->head_size);
    return SUTRA_OK;
}

static SutraStatus encoder_new(const SutraSpec *spec, SuIsa isa, SuEncoder **out, SutraError *err)
{
    SU_TRY(check_spec(spec, err));
    SuEncoder *encoder = su_calloc(1, sizeof *encoder);
    if (encoder) encoder->layers = su_calloc(spec->num_layers, sizeof *encoder->layers);
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
    *out = encoder;
    return SUTRA_OK;
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
                              SuIsa isa, SuEncoder **out, SutraError *err)
{
    SuEncoder *encoder;
    *out = NULL;
    SU_TRY(encoder_new(spec, isa, &encoder, err));
    size_t widest = spec->ffn_size > spec->hidden_size ? spec->ffn_size : spec->hidden_size;
    SuArena arena = {0};
    Source source = {.spec = spec,
                     .tensors = tensors,
                     .num_tensors = n,
                     .arena = &arena,
                     .row = su_alloc(widest, sizeof(float)),
                     .kernels = &encoder->kernels};
    SutraStatus status = source.row ? pack(&source, encoder, err)
                                    : su_error_set(err, SUTRA_E_MEMORY, "out of memory for a row");
    su_free(source.row);
    if (status == SUTRA_OK)
        *out = encoder;
    else
        su_encoder_free(encoder);
    return status;
}

static SutraStatus attach(const Source *source, SuEncoder *encoder, const unsigned char *packed,
                          size_t size, SutraError *err)
{
    SU_TRY(load_packed(source, encoder, err));
    if (source->arena->used != size)
        SU_RAISE(err, SUTRA_E_FORMAT, "the packed weights have %zu bytes, this model needs %zu",
                 size, source->arena->used);
    if ((uintptr_t)packed % SU_CACHE_LINE)
        SU_RAISE(err, SUTRA_E_FORMAT, "the packed weights are not aligned");
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
                     .tensors = tensors,
                     .num_tensors = n,
                     .arena = &arena,
                     .attached = true,
                     .kernels = &encoder->kernels};
    SutraStatus status = attach(&source, encoder, packed, size, err);
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
    su_free(encoder->layers);
    su_free(encoder);
}
