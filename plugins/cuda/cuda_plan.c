#include "cuda_plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SutraStatus raise(SutraError *err, SutraStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static SutraStatus raise(SutraError *err, SutraStatus status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    err->status = status;
    return status;
}

#define TRY(call)                                \
    do {                                         \
        SutraStatus status_ = (call);            \
        if (status_ != SUTRA_OK) return status_; \
    } while (0)

/* ---- what can be run ---- */

static SutraStatus check_positions(const SutraSpec *spec, SutraError *err)
{
    if (spec->position == SUTRA_POSITION_RELATIVE || spec->position > SUTRA_POSITION_NONE)
        return raise(err, SUTRA_E_UNSUPPORTED, "the cuda backend has no position scheme %u",
                     spec->position);
    if (spec->position != SUTRA_POSITION_NONE && spec->position_offset >= spec->max_positions)
        return raise(err, SUTRA_E_UNSUPPORTED, "the first position %u is not below the model's %u",
                     spec->position_offset, spec->max_positions);
    if (spec->position != SUTRA_POSITION_ROPE) return SUTRA_OK;
    bool valid = spec->rope_base && spec->rope_divisor > 0 && spec->rope_divisor < INFINITY;
    for (uint32_t i = 0; valid && i < spec->num_layers; i++)
        valid = spec->rope_base[i] > 0 && spec->rope_base[i] < INFINITY;
    if (!valid)
        return raise(err, SUTRA_E_UNSUPPORTED, "RoPE without a base above 0 for each layer");
    return SUTRA_OK;
}

static bool computes(const SutraHead *head) { return head->kind >= SUTRA_HEAD_DENSE; }

static bool is_linear(const SutraHead *head)
{
    return head->kind == SUTRA_HEAD_DENSE || head->kind == SUTRA_HEAD_SCORE;
}

static SutraStatus check_heads(const SutraSpec *spec, SutraError *err)
{
    uint32_t features = spec->hidden_size;
    bool normalized = false, scored = false;
    for (uint32_t i = 0; spec->heads && i < spec->num_heads_out; i++) {
        const SutraHead *head = &spec->heads[i];
        bool linear = is_linear(head);
        if (head->kind > SUTRA_HEAD_NORM || head->in != features || head->out == 0 || scored ||
            (!linear && head->out != features) || head->out > SU_CUDA_MAX_HIDDEN ||
            (computes(head) && (i == 0 || normalized)) ||
            (head->kind == SUTRA_HEAD_NORM && head->out % 8) ||
            (linear && head->activation > SUTRA_ACT_SIGMOID))
            return raise(err, SUTRA_E_UNSUPPORTED,
                         "the cuda backend has no head of kind %u from %u to %u features (head %u)",
                         head->kind, head->in, head->out, i);
        normalized = normalized || head->kind == SUTRA_HEAD_NORMALIZE;
        scored = head->kind == SUTRA_HEAD_SCORE;
        features = head->out;
    }
    return SUTRA_OK;
}

static SutraStatus check_layers(const SutraSpec *spec, SutraError *err)
{
    uint32_t buckets = spec->relative_buckets;
    if (buckets && (buckets % 4 || spec->relative_distance <= buckets / 4 ||
                    spec->position != SUTRA_POSITION_LEARNED))
        return raise(err, SUTRA_E_UNSUPPORTED,
                     "the cuda backend has no relative bias of %u buckets up to a distance of %u",
                     buckets, spec->relative_distance);
    if (spec->norm > SUTRA_NORM_PRE || (spec->bare_start && spec->norm != SUTRA_NORM_PRE) ||
        spec->norm_kind != SUTRA_NORM_LAYER)
        return raise(err, SUTRA_E_UNSUPPORTED,
                     "the cuda backend has no norms of kind %u in the order %u", spec->norm_kind,
                     spec->norm);
    if (spec->without_bias & ~(uint32_t)SUTRA_BIAS_ALL || spec->gated > 1 || spec->causal > 1)
        return raise(err, SUTRA_E_UNSUPPORTED,
                     "the cuda backend does not know biases 0x%x, gated %u, causal %u",
                     spec->without_bias, spec->gated, spec->causal);
    if (spec->num_experts)
        return raise(err, SUTRA_E_UNSUPPORTED, "the cuda backend has no experts, the model has %u",
                     spec->num_experts);
    if (spec->num_kv_heads != spec->num_heads)
        return raise(err, SUTRA_E_UNSUPPORTED,
                     "the cuda backend takes as many key and value heads as heads, not %u for %u",
                     spec->num_kv_heads, spec->num_heads);
    if (spec->head_size % 8 || spec->head_size == 0 || spec->head_size > SU_CUDA_MAX_HEAD)
        return raise(err, SUTRA_E_UNSUPPORTED, "head size %u is not a multiple of 8 up to %d",
                     spec->head_size, SU_CUDA_MAX_HEAD);
    if (!spec->num_heads || (uint64_t)spec->num_heads * spec->head_size > SU_CUDA_MAX_FEATURES)
        return raise(err, SUTRA_E_UNSUPPORTED,
                     "the cuda backend takes heads of up to %d features in all, not %u of %u",
                     SU_CUDA_MAX_FEATURES, spec->num_heads, spec->head_size);
    if (!spec->hidden_size || !spec->ffn_size || spec->hidden_size % 8 || spec->ffn_size % 8 ||
        spec->hidden_size > SU_CUDA_MAX_HIDDEN || spec->ffn_size > SU_CUDA_MAX_FEATURES)
        return raise(err, SUTRA_E_UNSUPPORTED,
                     "the cuda backend takes hidden sizes up to %d and feed-forward sizes up to %d "
                     "that are multiples of 8, not %u and %u",
                     SU_CUDA_MAX_HIDDEN, SU_CUDA_MAX_FEATURES, spec->hidden_size, spec->ffn_size);
    if (spec->activation > SUTRA_ACT_TANH)
        return raise(err, SUTRA_E_UNSUPPORTED, "the cuda backend has no activation %u",
                     spec->activation);
    return SUTRA_OK;
}

SutraStatus su_cuda_check_spec(const SutraSpec *spec, SutraCompute compute, SutraError *err)
{
    if (compute > SUTRA_COMPUTE_FP16)
        return raise(err, SUTRA_E_UNSUPPORTED,
                     "the cuda backend computes in fp32, fp16 and bf16 only");
    if (spec->num_layers == 0)
        return raise(err, SUTRA_E_UNSUPPORTED,
                     "static models are means of rows of a table: the cuda backend leaves them to "
                     "the processor");
    TRY(check_positions(spec, err));
    TRY(check_layers(spec, err));
    return check_heads(spec, err);
}

SutraStatus su_cuda_check_output(const SutraSpec *spec, SutraOutput output, SutraError *err)
{
    uint32_t last = spec->heads ? spec->num_heads_out : 0;
    bool scores = last && spec->heads[last - 1].kind == SUTRA_HEAD_SCORE;
    if (output == SUTRA_OUT_SPARSE || (output == SUTRA_OUT_SCORES && !scores))
        return raise(err, SUTRA_E_UNSUPPORTED, "this model has no head for %s output",
                     output == SUTRA_OUT_SPARSE ? "sparse" : "score");
    if (scores && output != SUTRA_OUT_SCORES)
        return raise(err, SUTRA_E_UNSUPPORTED, "this model gives scores only");
    return SUTRA_OK;
}

/* ---- where weights go ---- */

typedef struct Maker {
    SuCudaPlan *plan;
    const SutraSpec *spec;
    const SutraTensor *tensors;
    size_t num_tensors, capacity;
    SutraError *err;
} Maker;

static size_t take(SuCudaPlan *plan, uint64_t elements, size_t size)
{
    size_t at = plan->bytes;
    size_t bytes = (size_t)elements * size;
    plan->bytes += (bytes + SU_CUDA_ALIGNMENT - 1) / SU_CUDA_ALIGNMENT * SU_CUDA_ALIGNMENT;
    return at;
}

static const SutraTensor *find(const Maker *maker, SutraRole role, uint32_t layer)
{
    for (size_t i = 0; i < maker->num_tensors; i++)
        if (maker->tensors[i].role == (uint32_t)role && maker->tensors[i].layer == layer)
            return &maker->tensors[i];
    return NULL;
}

static size_t stored_size(uint32_t dtype) { return dtype == SUTRA_TENSOR_F32 ? 4 : 2; }

static SutraStatus add_copy(Maker *maker, const SuCudaCopy *copy)
{
    SuCudaPlan *plan = maker->plan;
    if (plan->num_copies == maker->capacity) {
        size_t capacity = maker->capacity ? 2 * maker->capacity : 64;
        SuCudaCopy *grown = realloc(plan->copies, capacity * sizeof *grown);
        if (!grown)
            return raise(maker->err, SUTRA_E_MEMORY, "out of memory for %zu weights", capacity);
        plan->copies = grown;
        maker->capacity = capacity;
    }
    plan->copies[plan->num_copies++] = *copy;
    return SUTRA_OK;
}

/* columns 0: a vector [rows], of which each element is a row. */
static SutraStatus place(Maker *maker, SutraRole role, uint32_t layer, uint64_t columns,
                         SuCudaCopy copy)
{
    const SutraTensor *tensor = find(maker, role, layer);
    if (!tensor)
        return raise(maker->err, SUTRA_E_FORMAT, "tensor of role %d, layer %u is missing",
                     (int)role, layer);
    if (tensor->dtype > SUTRA_TENSOR_BF16)
        return raise(maker->err, SUTRA_E_UNSUPPORTED,
                     "tensor of role %d, layer %u: the cuda backend reads no element type %u",
                     (int)role, layer, tensor->dtype);
    uint64_t width = columns ? columns : 1;
    if (tensor->num_dims != (columns ? 2u : 1u) || tensor->shape[0] != copy.rows ||
        (columns && tensor->shape[1] != columns) ||
        tensor->size != copy.rows * width * stored_size(tensor->dtype))
        return raise(maker->err, SUTRA_E_FORMAT,
                     "tensor of role %d, layer %u has another shape than [%llu, %llu]", (int)role,
                     layer, (unsigned long long)copy.rows, (unsigned long long)columns);
    copy.from = tensor;
    copy.columns = width;
    if (!copy.step) copy.step = 1;
    return add_copy(maker, &copy);
}

static SutraStatus place_norm(Maker *maker, SutraRole weight, SutraRole bias, uint32_t layer,
                              uint64_t n, bool needs_bias, SuCudaNormPlan *norm)
{
    norm->gamma = take(maker->plan, n, 4);
    norm->beta = SU_CUDA_NONE;
    TRY(place(maker, weight, layer, 0, (SuCudaCopy){.offset = norm->gamma, .rows = n}));
    if (!needs_bias) return SUTRA_OK;
    norm->beta = take(maker->plan, n, 4);
    return place(maker, bias, layer, 0, (SuCudaCopy){.offset = norm->beta, .rows = n});
}

static SutraStatus place_layer_norm(Maker *maker, SutraRole weight, SutraRole bias, uint32_t layer,
                                    SuCudaNormPlan *norm)
{
    return place_norm(maker, weight, bias, layer, maker->spec->hidden_size,
                      !(maker->spec->without_bias & SUTRA_BIAS_NORM), norm);
}

/* One or several stored linears as one: `parts` of `out` features each, one after the other, or,
 * interleaved, feature by feature. */
typedef struct Part {
    SutraRole weight, bias;
} Part;

static SutraStatus place_linear(Maker *maker, const Part *parts, uint32_t num_parts,
                                bool interleaved, uint32_t layer, uint32_t out, uint32_t in,
                                uint32_t bias_bit, SuCudaLinearPlan *linear)
{
    SuCudaPlan *plan = maker->plan;
    bool has_bias = !(maker->spec->without_bias & bias_bit);
    *linear = (SuCudaLinearPlan){.out = out * num_parts, .in = in, .bias = SU_CUDA_NONE};
    linear->weight = take(plan, (uint64_t)linear->out * in, su_cuda_type_size(plan->type));
    if (has_bias) linear->bias = take(plan, linear->out, 4);
    for (uint32_t i = 0; i < num_parts; i++) {
        SuCudaCopy copy = {.type = plan->type,
                           .offset = linear->weight,
                           .rows = out,
                           .first = interleaved ? i : (uint64_t)i * out,
                           .step = interleaved ? num_parts : 1};
        TRY(place(maker, parts[i].weight, layer, in, copy));
        copy.type = SU_CUDA_F32;
        copy.offset = linear->bias;
        if (has_bias) TRY(place(maker, parts[i].bias, layer, 0, copy));
    }
    return SUTRA_OK;
}

static SutraStatus place_layer(Maker *maker, uint32_t index)
{
    static const Part qkv[] = {{SUTRA_ROLE_QUERY_WEIGHT, SUTRA_ROLE_QUERY_BIAS},
                               {SUTRA_ROLE_KEY_WEIGHT, SUTRA_ROLE_KEY_BIAS},
                               {SUTRA_ROLE_VALUE_WEIGHT, SUTRA_ROLE_VALUE_BIAS}};
    static const Part out = {SUTRA_ROLE_ATTENTION_OUT_WEIGHT, SUTRA_ROLE_ATTENTION_OUT_BIAS};
    static const Part up[] = {{SUTRA_ROLE_FFN_GATE_WEIGHT, SUTRA_ROLE_FFN_GATE_BIAS},
                              {SUTRA_ROLE_FFN_UP_WEIGHT, SUTRA_ROLE_FFN_UP_BIAS}};
    static const Part down = {SUTRA_ROLE_FFN_DOWN_WEIGHT, SUTRA_ROLE_FFN_DOWN_BIAS};
    const SutraSpec *spec = maker->spec;
    SuCudaLayerPlan *layer = &maker->plan->layers[index];
    uint32_t width = maker->plan->width, hidden = spec->hidden_size;
    TRY(place_linear(maker, qkv, 3, false, index, width, hidden, SUTRA_BIAS_QKV, &layer->qkv));
    TRY(place_linear(maker, &out, 1, false, index, hidden, width, SUTRA_BIAS_ATTENTION_OUT,
                     &layer->attention_out));
    TRY(place_linear(maker, spec->gated ? up : up + 1, spec->gated ? 2 : 1, spec->gated, index,
                     spec->ffn_size, hidden, SUTRA_BIAS_FFN_UP, &layer->up));
    TRY(place_linear(maker, &down, 1, false, index, hidden, spec->ffn_size, SUTRA_BIAS_FFN_DOWN,
                     &layer->down));
    layer->attention_norm.gamma = SU_CUDA_NONE;
    if (index > 0 || !spec->bare_start)
        TRY(place_layer_norm(maker, SUTRA_ROLE_ATTENTION_NORM_WEIGHT,
                             SUTRA_ROLE_ATTENTION_NORM_BIAS, index, &layer->attention_norm));
    return place_layer_norm(maker, SUTRA_ROLE_FFN_NORM_WEIGHT, SUTRA_ROLE_FFN_NORM_BIAS, index,
                            &layer->ffn_norm);
}

static SutraStatus place_table(Maker *maker, SutraRole role, uint32_t rows, size_t *offset)
{
    SuCudaPlan *plan = maker->plan;
    uint32_t hidden = maker->spec->hidden_size;
    *offset = SU_CUDA_NONE;
    if (!rows) return SUTRA_OK;
    *offset = take(plan, (uint64_t)rows * hidden, su_cuda_type_size(plan->type));
    return place(maker, role, 0, hidden,
                 (SuCudaCopy){.type = plan->type, .offset = *offset, .rows = rows});
}

static SutraStatus place_head(Maker *maker, uint32_t index)
{
    const SutraHead *head = &maker->spec->heads[index];
    float eps = maker->spec->head_norm_eps;
    SuCudaPlan *plan = maker->plan;
    if (!computes(head)) return SUTRA_OK;
    SuCudaHeadPlan *to = &plan->heads[plan->num_heads_out++];
    *to = (SuCudaHeadPlan){.activation = head->activation,
                           .features = head->out,
                           .eps = eps > 0 ? eps : maker->spec->norm_eps};
    to->linear.weight = to->norm.gamma = SU_CUDA_NONE;
    plan->pooled_size = head->out;
    if (head->out > plan->widest_head) plan->widest_head = head->out;
    if (!is_linear(head))
        return place_norm(maker, SUTRA_ROLE_HEAD_NORM_WEIGHT, SUTRA_ROLE_HEAD_NORM_BIAS, index,
                          head->out, find(maker, SUTRA_ROLE_HEAD_NORM_BIAS, index) != NULL,
                          &to->norm);
    to->linear = (SuCudaLinearPlan){.out = head->out, .in = head->in, .bias = SU_CUDA_NONE};
    to->linear.weight = take(plan, (uint64_t)head->out * head->in, 4);
    TRY(place(maker, SUTRA_ROLE_DENSE_WEIGHT, index, head->in,
              (SuCudaCopy){.offset = to->linear.weight, .rows = head->out}));
    if (!find(maker, SUTRA_ROLE_DENSE_BIAS, index)) return SUTRA_OK;
    to->linear.bias = take(plan, head->out, 4);
    return place(maker, SUTRA_ROLE_DENSE_BIAS, index, 0,
                 (SuCudaCopy){.offset = to->linear.bias, .rows = head->out});
}

/* The bases of the layers, each once, and the windows. */
static SutraStatus plan_positions(Maker *maker)
{
    const SutraSpec *spec = maker->spec;
    SuCudaPlan *plan = maker->plan;
    plan->bias = plan->turns = SU_CUDA_NONE;
    for (uint32_t i = 0; i < spec->num_layers; i++) {
        SuCudaLayerPlan *layer = &plan->layers[i];
        bool all = !spec->window || spec->window[i] == 0 || spec->window[i] > INT32_MAX;
        layer->before = all ? INT32_MAX : (int32_t)spec->window[i];
        layer->after = spec->causal ? 0 : layer->before;
        if (spec->position != SUTRA_POSITION_ROPE) continue;
        uint32_t rope = 0;
        while (rope < plan->num_ropes && plan->rope_base[rope] != spec->rope_base[i]) rope++;
        layer->rope = rope;
        if (rope < plan->num_ropes) continue;
        if (rope == SU_CUDA_MAX_ROPES)
            return raise(maker->err, SUTRA_E_UNSUPPORTED,
                         "the cuda backend takes %d bases of RoPE at most", SU_CUDA_MAX_ROPES);
        plan->rope_base[plan->num_ropes++] = spec->rope_base[i];
    }
    if (plan->num_ropes)
        plan->turns =
            take(plan, (uint64_t)plan->num_ropes * spec->max_positions * spec->head_size, 4);
    if (!spec->relative_buckets && spec->position != SUTRA_POSITION_ALIBI) return SUTRA_OK;
    plan->bias_row = 2 * (size_t)(spec->max_positions - spec->position_offset) - 1;
    plan->bias = take(plan, (uint64_t)spec->num_heads * plan->bias_row, 4);
    if (!spec->relative_buckets) return SUTRA_OK;
    const SutraTensor *buckets = find(maker, SUTRA_ROLE_RELATIVE_BIAS, 0);
    if (!buckets || buckets->dtype > SUTRA_TENSOR_BF16 || buckets->num_dims != 2 ||
        buckets->shape[0] != spec->relative_buckets || buckets->shape[1] != spec->num_heads ||
        buckets->size !=
            (uint64_t)spec->relative_buckets * spec->num_heads * stored_size(buckets->dtype))
        return raise(maker->err, SUTRA_E_FORMAT, "the relative bias is not [%u, %u]",
                     spec->relative_buckets, spec->num_heads);
    return SUTRA_OK;
}

static SutraStatus place_all(Maker *maker)
{
    const SutraSpec *spec = maker->spec;
    SuCudaPlan *plan = maker->plan;
    bool learned = spec->position == SUTRA_POSITION_LEARNED;
    TRY(plan_positions(maker));
    TRY(place_table(maker, SUTRA_ROLE_TOKEN_EMBEDDING, spec->vocab_size, &plan->token));
    TRY(place_table(maker, SUTRA_ROLE_POSITION_EMBEDDING, learned ? spec->max_positions : 0,
                    &plan->position));
    TRY(place_table(maker, SUTRA_ROLE_TYPE_EMBEDDING, spec->num_types, &plan->type_table));
    TRY(place_layer_norm(maker, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, SUTRA_ROLE_EMBEDDING_NORM_BIAS, 0,
                         &plan->embedding_norm));
    plan->final_norm.gamma = SU_CUDA_NONE;
    if (spec->norm == SUTRA_NORM_PRE)
        TRY(place_layer_norm(maker, SUTRA_ROLE_FINAL_NORM_WEIGHT, SUTRA_ROLE_FINAL_NORM_BIAS, 0,
                             &plan->final_norm));
    for (uint32_t i = 0; i < spec->num_layers; i++) TRY(place_layer(maker, i));
    for (uint32_t i = 0; spec->heads && i < spec->num_heads_out; i++) TRY(place_head(maker, i));
    return SUTRA_OK;
}

SutraStatus su_cuda_plan_make(SuCudaPlan *plan, const SutraSpec *spec, const SutraTensor *tensors,
                              size_t n, SutraCompute compute, SutraError *err)
{
    *plan = (SuCudaPlan){.type = compute == SUTRA_COMPUTE_FP16   ? SU_CUDA_F16
                                 : compute == SUTRA_COMPUTE_BF16 ? SU_CUDA_BF16
                                                                 : SU_CUDA_F32};
    TRY(su_cuda_check_spec(spec, compute, err));
    Maker maker = {.plan = plan, .spec = spec, .tensors = tensors, .num_tensors = n, .err = err};
    for (size_t i = 0; i < n; i++)
        if (tensors[i].role == SUTRA_ROLE_PACKED_CPU)
            return raise(err, SUTRA_E_UNSUPPORTED,
                         "its weights are packed for the processor: the cuda backend needs the "
                         "model's folder");
    plan->spec = *spec;
    plan->spec.window = NULL;
    plan->spec.rope_base = NULL;
    plan->spec.heads = NULL;
    plan->width = spec->num_heads * spec->head_size;
    plan->pooled_size = plan->widest_head = spec->hidden_size;
    plan->layers = calloc(spec->num_layers, sizeof *plan->layers);
    plan->heads = calloc((size_t)spec->num_heads_out + 1, sizeof *plan->heads);
    if (!plan->layers || !plan->heads)
        return raise(err, SUTRA_E_MEMORY, "out of memory for %u layers", spec->num_layers);
    return place_all(&maker);
}

void su_cuda_plan_free(SuCudaPlan *plan)
{
    free(plan->layers);
    free(plan->heads);
    free(plan->copies);
    *plan = (SuCudaPlan){0};
}

/* ---- positions ---- */

/* In fp32, as the reference counts. */
static uint32_t bucket_of(const SutraSpec *spec, int64_t distance)
{
    uint32_t half = spec->relative_buckets / 2, exact = half / 2;
    uint32_t first = distance < 0 ? half : 0, n = (uint32_t)llabs(distance);
    if (n < exact) return first + n;
    float scale = (float)log((double)spec->relative_distance / exact);
    float place = logf((float)n / (float)exact) / scale * (float)(half - exact);
    uint32_t bucket = place < (float)half ? exact + (uint32_t)place : half;
    return first + (bucket < half ? bucket : half - 1);
}

static double slope_of(uint32_t head, uint32_t heads)
{
    uint32_t power = 1;
    while (2 * power <= heads) power *= 2;
    if (head < power) return exp2(-8.0 * (head + 1) / power);
    return exp2(-8.0 * (2 * (head - power) + 1) / (2 * power));
}

void su_cuda_spread_bias(const SuCudaPlan *plan, const float *buckets, float *bias)
{
    const double log2_e = 1.4426950408889634;
    int64_t row = (int64_t)plan->bias_row;
    uint32_t heads = plan->spec.num_heads;
    for (int64_t i = 0; i < row; i++) {
        int64_t distance = i - row / 2;
        const float *from = buckets ? buckets + bucket_of(&plan->spec, distance) * heads : NULL;
        for (uint32_t head = 0; head < heads; head++) {
            double slope = slope_of(head, heads) * log2_e;
            bias[head * row + i] =
                from ? from[head] * (float)log2_e : (float)(-slope * (double)llabs(distance));
        }
    }
}

void su_cuda_fill_turns(const SuCudaPlan *plan, float base, uint32_t positions, float *turns)
{
    uint32_t size = plan->spec.head_size, half = size / 2;
    float frequencies[SU_CUDA_MAX_HEAD / 2];
    for (uint32_t i = 0; i < half; i++) {
        float exponent = (float)(2 * i) / (float)size;
        float power = (float)pow((double)base, (double)exponent);
        frequencies[i] = 1.0f / power / plan->spec.rope_divisor;
    }
    for (uint32_t p = 0; p < positions; p++, turns += size)
        for (uint32_t i = 0; i < half; i++) {
            float angle = (float)p * frequencies[i];
            turns[i] = (float)cos((double)angle);
            turns[half + i] = (float)sin((double)angle);
        }
}

static float widen_half(uint16_t half)
{
    uint32_t exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
    float value = exponent == 31  ? (fraction ? NAN : INFINITY)
                  : exponent == 0 ? ldexpf((float)fraction, -24)
                                  : ldexpf((float)(fraction | 0x400u), (int)exponent - 25);
    return half & 0x8000u ? -value : value;
}

void su_cuda_widen(const SutraTensor *tensor, uint64_t first, uint64_t count, float *to)
{
    const unsigned char *from =
        (const unsigned char *)tensor->data + first * stored_size(tensor->dtype);
    for (uint64_t i = 0; i < count; i++) {
        uint16_t half;
        uint32_t bits;
        if (tensor->dtype == SUTRA_TENSOR_F32) {
            memcpy(to + i, from + 4 * i, 4);
            continue;
        }
        memcpy(&half, from + 2 * i, 2);
        if (tensor->dtype == SUTRA_TENSOR_F16) {
            to[i] = widen_half(half);
            continue;
        }
        bits = (uint32_t)half << 16;
        memcpy(to + i, &bits, 4);
    }
}

/* ---- batches ---- */

SutraStatus su_cuda_check_batch(const SuCudaPlan *plan, uint32_t max_tokens, uint32_t max_seqs,
                                const SutraBatch *batch, SutraError *err)
{
    const SutraSpec *spec = &plan->spec;
    bool pooled = batch->output == SUTRA_OUT_POOLED || batch->output == SUTRA_OUT_SCORES;
    uint32_t features = pooled ? plan->pooled_size : spec->hidden_size;
    if (batch->num_tokens > max_tokens || batch->num_seqs > max_seqs)
        return raise(err, SUTRA_E_LIMIT,
                     "a batch of %u tokens in %u texts is larger than its context",
                     batch->num_tokens, batch->num_seqs);
    if (batch->num_seqs == 0 || batch->num_tokens == 0)
        return raise(err, SUTRA_E_ARGUMENT, "a batch of %u tokens in %u texts has nothing to run",
                     batch->num_tokens, batch->num_seqs);
    if (batch->dim == 0 || batch->dim > features || !su_cuda_row_bytes(batch->dtype, batch->dim))
        return raise(err, SUTRA_E_ARGUMENT,
                     "dim %u is not valid for %u elements and this output type", batch->dim,
                     features);
    if (spec->position != SUTRA_POSITION_NONE &&
        (uint64_t)batch->max_seqlen + spec->position_offset > spec->max_positions)
        return raise(err, SUTRA_E_LIMIT,
                     "a text of %u tokens is longer than the model's %u positions",
                     batch->max_seqlen, spec->max_positions - spec->position_offset);
    for (uint32_t t = 0; t < batch->num_tokens; t++) {
        if ((uint32_t)batch->token_ids[t] >= spec->vocab_size)
            return raise(err, SUTRA_E_ARGUMENT, "token id %d is outside the vocabulary of %u",
                         batch->token_ids[t], spec->vocab_size);
        if (batch->type_ids && spec->num_types && (uint32_t)batch->type_ids[t] >= spec->num_types)
            return raise(err, SUTRA_E_ARGUMENT, "token type %d is outside the model's %u types",
                         batch->type_ids[t], spec->num_types);
    }
    return SUTRA_OK;
}
