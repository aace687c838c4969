/* SutraSpec as a section of a bundle: one table of its fields, for writing and for reading.
 *
 *   version | fields of 4 bytes, in the order of `fields` | norm_eps | rope_divisor |
 *   window: 0, or 1 and num_layers numbers | rope_base: the same, of floats |
 *   number of heads | kind, in, out, activation of each | head_norm_eps |
 *   of a static model, which has a version of its own: token_rows | dropped_token
 */
#include "base/memory.h"
#include "model/bundle.h"
#include "model/bundle_parts.h"

#include <math.h>
#include <string.h>

/* One number of the spec, and its bounds: no product of two overflows 64 bits. */
typedef struct SpecField {
    const char *name;
    size_t offset; /* of a uint32_t in SutraSpec */
    uint32_t min, max;
} SpecField;

#define FIELD(name, min, max)                      \
    {                                              \
#name, offsetof(SutraSpec, name), min, max \
    }
static const SpecField fields[] = {
    FIELD(num_layers, 0, 1024),
    FIELD(hidden_size, 1, 1u << 16),
    FIELD(num_heads, 0, 4096),
    FIELD(num_kv_heads, 0, 4096),
    FIELD(head_size, 0, 1u << 16),
    FIELD(ffn_size, 0, 1u << 20),
    FIELD(vocab_size, 1, 1u << 24),
    FIELD(max_positions, 0, 1u << 24),
    FIELD(num_types, 0, 1024),
    FIELD(position, 0, SUTRA_POSITION_NONE),
    FIELD(norm, 0, SUTRA_NORM_PRE),
    FIELD(norm_kind, 0, SUTRA_NORM_RMS),
    FIELD(activation, 0, SUTRA_ACT_TANH),
    FIELD(gated, 0, 1),
    FIELD(causal, 0, 1),
    FIELD(num_experts, 0, 4096),
    FIELD(without_bias, 0, SUTRA_BIAS_ALL),
    FIELD(bare_start, 0, 1),
    FIELD(position_offset, 0, 1u << 24),
    FIELD(relative_buckets, 0, 1u << 16),
    FIELD(relative_distance, 0, 1u << 24),
};
#undef FIELD
#define NUM_FIELDS (sizeof fields / sizeof *fields)

/* The fields of layers: above 0 of all models but static ones, which have none of them. */
static bool has_layers(const SutraSpec *spec)
{
    return spec->num_layers && spec->num_heads && spec->num_kv_heads && spec->head_size &&
           spec->ffn_size && spec->max_positions;
}

static bool is_static(const SutraSpec *spec)
{
    return !spec->num_layers && !spec->num_heads && !spec->num_kv_heads && !spec->head_size &&
           !spec->ffn_size && !spec->max_positions && !spec->num_types &&
           spec->position == SUTRA_POSITION_NONE;
}

/* struct_size and the fields come before the arrays. */
_Static_assert(offsetof(SutraSpec, window) == ((NUM_FIELDS + 1) * 4 + 7) / 8 * 8,
               "a new field of SutraSpec belongs into `fields`");

static uint32_t *field_of(const SutraSpec *spec, const SpecField *field)
{
    return (uint32_t *)((char *)spec + field->offset);
}

static bool in_bounds(const SpecField *field, uint32_t value)
{
    return value >= field->min && value <= field->max;
}

/* ---- writing ---- */

SutraStatus su_bundle_write_spec(const SutraSpec *spec, const char *path, SuByteWriter *to,
                                 SutraError *err)
{
    su_write_u32(to, is_static(spec) ? SU_BUNDLE_STATIC_VERSION : SU_BUNDLE_VERSION);
    if (!is_static(spec) && !has_layers(spec))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: a bundle cannot hold a model of %u layers", path,
                 spec->num_layers);
    for (size_t i = 0; i < NUM_FIELDS; i++) {
        uint32_t value = *field_of(spec, &fields[i]);
        if (!in_bounds(&fields[i], value))
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: a bundle cannot hold a model whose %s is %u",
                     path, fields[i].name, value);
        su_write_u32(to, value);
    }
    su_write_f32(to, spec->norm_eps);
    su_write_f32(to, spec->rope_divisor);
    su_write_u32(to, spec->window != NULL);
    for (uint32_t i = 0; spec->window && i < spec->num_layers; i++)
        su_write_u32(to, spec->window[i]);
    su_write_u32(to, spec->rope_base != NULL);
    for (uint32_t i = 0; spec->rope_base && i < spec->num_layers; i++)
        su_write_f32(to, spec->rope_base[i]);
    su_write_u32(to, spec->num_heads_out);
    for (uint32_t i = 0; i < spec->num_heads_out; i++) {
        su_write_u32(to, spec->heads[i].kind);
        su_write_u32(to, spec->heads[i].in);
        su_write_u32(to, spec->heads[i].out);
        su_write_u32(to, spec->heads[i].activation);
    }
    su_write_f32(to, spec->head_norm_eps);
    if (!is_static(spec)) return SUTRA_OK;
    su_write_u32(to, spec->token_rows);
    su_write_u32(to, spec->dropped_token);
    return SUTRA_OK;
}

/* ---- reading ---- */

static bool read_fields(SutraSpec *spec, SuByteReader *reader)
{
    bool valid = true;
    for (size_t i = 0; i < NUM_FIELDS; i++) {
        uint32_t value = su_read_u32(reader);
        valid = valid && in_bounds(&fields[i], value);
        *field_of(spec, &fields[i]) = value;
    }
    spec->norm_eps = su_read_f32(reader);
    spec->rope_divisor = su_read_f32(reader);
    return valid && spec->norm_eps >= 0 && spec->norm_eps < 1 && spec->rope_divisor >= 0 &&
           spec->rope_divisor <= 1e12f &&
           (is_static(spec) ? spec->position_offset == 0
                            : has_layers(spec) && spec->position_offset < spec->max_positions) &&
           (uint64_t)spec->num_heads * spec->head_size <= 1u << 16 &&
           spec->num_kv_heads <= spec->num_heads;
}

/* Whether an array of num_layers numbers follows, and memory for it. */
static SutraStatus open_array(const SutraSpec *spec, SuByteReader *reader, size_t element,
                              const char *path, void **array, SutraError *err)
{
    uint32_t present = su_read_u32(reader);
    *array = NULL;
    if (present == 0) return SUTRA_OK;
    if (present > 1 || reader->failed ||
        (size_t)(reader->end - reader->at) / sizeof(uint32_t) < spec->num_layers)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %s is damaged", path, SU_SECTION_SPEC);
    *array = su_alloc(spec->num_layers, element);
    if (!*array) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    return SUTRA_OK;
}

static SutraStatus read_arrays(SutraModel *model, SuByteReader *reader, const char *path,
                               SutraError *err)
{
    SutraSpec *spec = &model->spec;
    void *array;
    SU_TRY(open_array(spec, reader, sizeof *model->window, path, &array, err));
    spec->window = model->window = array;
    for (uint32_t i = 0; model->window && i < spec->num_layers; i++)
        model->window[i] = su_read_u32(reader);
    SU_TRY(open_array(spec, reader, sizeof *model->rope_base, path, &array, err));
    spec->rope_base = model->rope_base = array;
    for (uint32_t i = 0; model->rope_base && i < spec->num_layers; i++) {
        model->rope_base[i] = su_read_f32(reader);
        if (!(model->rope_base[i] > 0 && isfinite(model->rope_base[i])))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %s is damaged", path, SU_SECTION_SPEC);
    }
    return SUTRA_OK;
}

/* Each head takes what the one before it gives, and only a dense one changes how many it is; that
 * of scores makes one number, and is the last. */
static bool read_heads(SutraModel *model, SuByteReader *reader)
{
    SutraSpec *spec = &model->spec;
    uint32_t features = spec->hidden_size;
    spec->num_heads_out = su_read_u32(reader);
    if (spec->num_heads_out > sizeof model->heads / sizeof *model->heads) return false;
    for (uint32_t i = 0; i < spec->num_heads_out; i++) {
        SutraHead *head = &model->heads[i];
        head->kind = su_read_u32(reader);
        head->in = su_read_u32(reader);
        head->out = su_read_u32(reader);
        head->activation = su_read_u32(reader);
        bool score = head->kind == SUTRA_HEAD_SCORE;
        bool linear = score || head->kind == SUTRA_HEAD_DENSE;
        if (head->kind > SUTRA_HEAD_NORM || head->in != features || head->out == 0 ||
            head->out > 1u << 16 || (!linear && head->out != features) ||
            (score && (head->out != 1 || i + 1 != spec->num_heads_out)) ||
            head->activation > (linear ? SUTRA_ACT_SIGMOID : (uint32_t)SUTRA_POOL_LAST))
            return false;
        features = head->out;
    }
    spec->heads = model->heads;
    spec->head_norm_eps = su_read_f32(reader);
    return spec->head_norm_eps >= 0 && spec->head_norm_eps < 1;
}

static bool read_static(SutraSpec *spec, SuByteReader *reader)
{
    spec->token_rows = su_read_u32(reader);
    spec->dropped_token = su_read_u32(reader);
    return is_static(spec) && spec->token_rows <= 1u << 24 &&
           spec->dropped_token <= spec->vocab_size;
}

SutraStatus su_bundle_read_spec(SutraModel *model, SuByteReader reader, const char *path,
                                SutraError *err)
{
    uint32_t version = su_read_u32(&reader);
    bool without_layers = version == SU_BUNDLE_STATIC_VERSION;
    if (version != SU_BUNDLE_VERSION && !without_layers)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: bundle version %u, this library reads %u: convert the model again", path,
                 version, SU_BUNDLE_VERSION);
    model->spec = (SutraSpec){.struct_size = sizeof model->spec};
    bool valid = read_fields(&model->spec, &reader);
    if (valid) SU_TRY(read_arrays(model, &reader, path, err));
    valid = valid && read_heads(model, &reader) && is_static(&model->spec) == without_layers;
    if (valid && without_layers) valid = read_static(&model->spec, &reader);
    if (!valid || reader.failed || reader.at != reader.end)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %s is damaged", path, SU_SECTION_SPEC);
    return SUTRA_OK;
}
