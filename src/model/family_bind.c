/* Weight names -> roles: walks a family's table over the tensors of the weight files. */
#include "base/memory.h"
#include "model/family.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME 160

static uint64_t extent_size(SuExtent extent, const SutraSpec *spec)
{
    switch (extent) {
    case SU_EXTENT_NONE:
        return 0;
    case SU_EXTENT_HIDDEN:
        return spec->hidden_size;
    case SU_EXTENT_QUERY:
        return (uint64_t)spec->num_heads * spec->head_size;
    case SU_EXTENT_KEYVALUE:
        return (uint64_t)spec->num_kv_heads * spec->head_size;
    case SU_EXTENT_FFN:
        return spec->ffn_size;
    case SU_EXTENT_VOCAB:
        return spec->vocab_size;
    case SU_EXTENT_POSITIONS:
        return spec->max_positions;
    case SU_EXTENT_TYPES:
        return spec->num_types;
    case SU_EXTENT_BUCKETS:
        return spec->relative_buckets;
    case SU_EXTENT_HEADS:
        return spec->num_heads;
    }
    return 0;
}

/* prefix + name, with '#' replaced by the layer's number. */
static void compose_name(const char *prefix, const char *name, uint32_t layer, char *out)
{
    const char *mark = strchr(name, '#');
    if (mark)
        snprintf(out, MAX_NAME, "%s%.*s%u%s", prefix, (int)(mark - name), name, layer, mark + 1);
    else
        snprintf(out, MAX_NAME, "%s%s", prefix, name);
}

/* Checkpoints converted from TensorFlow call a norm's weight gamma and its bias beta. */
static const char *const renames[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
                                         {"LayerNorm.bias", "LayerNorm.beta"}};

static const SuTensorView *find_legacy(const SuTensorTable *table, const char *name)
{
    for (size_t i = 0; i < sizeof renames / sizeof *renames; i++) {
        size_t size = strlen(name), tail = strlen(renames[i][0]);
        if (size < tail || strcmp(name + size - tail, renames[i][0]) != 0) continue;
        char legacy[MAX_NAME];
        snprintf(legacy, sizeof legacy, "%.*s%s", (int)(size - tail), name, renames[i][1]);
        return su_tensor_table_find(table, legacy);
    }
    return NULL;
}

static const SuTensorView *find_tensor(const SuTensorTable *table, const char *name)
{
    const SuTensorView *view = su_tensor_table_find(table, name);
    return view ? view : find_legacy(table, name);
}

/* A layout and the prefix of its names. */
typedef struct Naming {
    const SuFamilyLayout *layout;
    const char *prefix;
} Naming;

/* Tensors of layer 0 and outside the layers that are there under these names. */
static size_t count_found(const Naming *naming, const SuTensorTable *table)
{
    size_t found = 0;
    char name[MAX_NAME];
    for (size_t i = 0; i < naming->layout->num_tensors; i++) {
        compose_name(naming->prefix, naming->layout->tensors[i].name, 0, name);
        found += find_tensor(table, name) != NULL;
    }
    return found;
}

/* The names that most tensors have; the first of all where none has any, so that the message about
 * a missing tensor has a name. */
static Naming find_naming(const SuFamily *family, const SuTensorTable *table)
{
    Naming best = {&family->layouts[0], family->prefixes[0]};
    size_t most = count_found(&best, table);
    for (size_t i = 0; i < sizeof family->layouts / sizeof *family->layouts; i++)
        for (const char *const *prefix = family->prefixes; *prefix; prefix++) {
            Naming naming = {&family->layouts[i], *prefix};
            size_t found = count_found(&naming, table);
            if (found <= most) continue;
            best = naming;
            most = found;
        }
    return best;
}

/* The bias that a role is, or 0. */
static uint32_t bias_of(SutraRole role)
{
    switch (role) {
    case SUTRA_ROLE_QUERY_BIAS:
    case SUTRA_ROLE_KEY_BIAS:
    case SUTRA_ROLE_VALUE_BIAS:
        return SUTRA_BIAS_QKV;
    case SUTRA_ROLE_ATTENTION_OUT_BIAS:
        return SUTRA_BIAS_ATTENTION_OUT;
    case SUTRA_ROLE_FFN_UP_BIAS:
    case SUTRA_ROLE_FFN_GATE_BIAS:
        return SUTRA_BIAS_FFN_UP;
    case SUTRA_ROLE_FFN_DOWN_BIAS:
        return SUTRA_BIAS_FFN_DOWN;
    case SUTRA_ROLE_EMBEDDING_NORM_BIAS:
    case SUTRA_ROLE_ATTENTION_NORM_BIAS:
    case SUTRA_ROLE_FFN_NORM_BIAS:
    case SUTRA_ROLE_FINAL_NORM_BIAS:
        return SUTRA_BIAS_NORM;
    default:
        return 0;
    }
}

/* Weights that a stored tensor holds, and which of them this one is. */
static void part_of(SuTensorPart part, uint64_t *count, uint64_t *index)
{
    *count = part >= SU_FIRST_OF_THREE ? 3 : part >= SU_FIRST_OF_TWO ? 2 : 1;
    *index = part >= SU_FIRST_OF_THREE ? part - SU_FIRST_OF_THREE
             : part >= SU_FIRST_OF_TWO ? part - SU_FIRST_OF_TWO
                                       : 0;
}

static SutraStatus read_type(const SuTensorView *view, const char *path, SutraTensor *tensor,
                             SutraError *err)
{
    switch (view->element) {
    case SU_ELEMENT_F32:
        tensor->dtype = SUTRA_TENSOR_F32;
        return SUTRA_OK;
    case SU_ELEMENT_F16:
        tensor->dtype = SUTRA_TENSOR_F16;
        return SUTRA_OK;
    case SU_ELEMENT_BF16:
        tensor->dtype = SUTRA_TENSOR_BF16;
        return SUTRA_OK;
    default:
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: tensor %s is stored as %s, which is not supported; known: F32, F16, BF16",
                 path, view->name, su_element_name(view->element));
    }
}

SutraStatus su_tensor_from_view(const SuTensorView *view, const char *path, const char *asks,
                                uint64_t rows, uint64_t columns, SutraTensor *tensor,
                                SutraError *err)
{
    uint64_t shape[2] = {rows, columns};
    uint32_t num_dims = columns ? 2 : 1;
    if (view->num_dims != num_dims || memcmp(view->shape, shape, num_dims * sizeof *shape) != 0) {
        char found[128], asked[64];
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s has shape %s, %s asks for %s", path,
                 view->name, su_shape_format(view->shape, view->num_dims, found, sizeof found),
                 asks, su_shape_format(shape, num_dims, asked, sizeof asked));
    }
    *tensor = (SutraTensor){.num_dims = num_dims,
                            .shape = {shape[0], shape[1]},
                            .data = view->data,
                            .size = view->size};
    return read_type(view, path, tensor, err);
}

static bool is_left_out(const SuFamilyTensor *wanted, const SutraSpec *spec, uint32_t layer)
{
    if (bias_of(wanted->role) & spec->without_bias) return true;
    if (wanted->part == SU_NOT_IN_LAYER_0) return layer == 0;
    return wanted->part == SU_IF_THERE && extent_size(wanted->rows, spec) == 0;
}

/* Binds one line of the table for one layer; *bound stays false for an optional tensor that is
 * absent. */
static SutraStatus bind_line(const SuFamilyTensor *wanted, const char *prefix,
                             const SuTensorTable *table, const char *where, const SutraSpec *spec,
                             uint32_t layer, SutraTensor *tensor, bool *bound, SutraError *err)
{
    char name[MAX_NAME];
    *bound = false;
    if (is_left_out(wanted, spec, layer)) return SUTRA_OK;
    compose_name(prefix, wanted->name, layer, name);
    const SuTensorView *view = find_tensor(table, name);
    if (!view && wanted->role == SUTRA_ROLE_TYPE_EMBEDDING)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: tensor %s is missing, but config.json's type_vocab_size is %u (the reference "
                 "fills it with random numbers); with type_vocab_size 0 the model runs without it",
                 where, name, spec->num_types);
    if (!view && wanted->part == SU_IF_THERE) return SUTRA_OK;
    if (!view) SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s is missing", where, name);
    *bound = true;
    uint64_t parts, index, rows = extent_size(wanted->rows, spec);
    part_of(wanted->part, &parts, &index);
    SU_TRY(su_tensor_from_view(view, table->files[view->file].path, "config.json", parts * rows,
                               extent_size(wanted->cols, spec), tensor, err));
    tensor->shape[0] = rows;
    tensor->size /= parts;
    tensor->data = (const char *)tensor->data + index * tensor->size;
    tensor->role = wanted->role;
    tensor->layer = layer;
    return SUTRA_OK;
}

/* ---- tensors that no line names ---- */

/* What follows the layer's number in the name of a tensor of the encoder's layers, ".output.…"; of
 * any other tensor NULL. Layers from num_layers on are none of the encoder's. */
static const char *name_in_layer(const Naming *naming, const char *name, uint32_t num_layers)
{
    const char *mark = NULL, *pattern = NULL;
    for (size_t i = 0; i < naming->layout->num_tensors && !mark; i++) {
        pattern = naming->layout->tensors[i].name;
        mark = strchr(pattern, '#');
    }
    size_t prefix = strlen(naming->prefix), stem = mark ? (size_t)(mark - pattern) : 0;
    if (!mark || strncmp(name, naming->prefix, prefix) != 0 ||
        strncmp(name + prefix, pattern, stem) != 0)
        return NULL;
    char *end;
    const char *number = name + prefix + stem;
    bool is_number = *number >= '0' && *number <= '9';
    return is_number && strtoul(number, &end, 10) < num_layers && *end == '.' ? end : NULL;
}

static bool is_legacy_name(const char *name, const char *known)
{
    for (size_t i = 0; i < sizeof renames / sizeof *renames; i++) {
        size_t size = strlen(known), tail = strlen(renames[i][0]);
        if (size >= tail && strcmp(known + size - tail, renames[i][0]) == 0 &&
            strncmp(name, known, size - tail) == 0 &&
            strcmp(name + size - tail, renames[i][1]) == 0)
            return true;
    }
    return false;
}

/* Whether a line of the table, or one that is computed from config.json, has that name behind its
 * layer's number. */
static bool is_named(const SuFamilyLayout *layout, const char *name)
{
    static const char rotation[] = ".rotary_emb.inv_freq";
    size_t size = strlen(name), tail = sizeof rotation - 1;
    if (size >= tail && strcmp(name + size - tail, rotation) == 0) return true;
    for (size_t i = 0; i < layout->num_tensors; i++) {
        const char *mark = strchr(layout->tensors[i].name, '#');
        if (mark && (strcmp(mark + 1, name) == 0 || is_legacy_name(name, mark + 1))) return true;
    }
    return false;
}

/* One more weight in a layer (a norm of the queries, an adapter, a scale) is one more step of it.
 * The reference leaves it out too, but with a warning. */
static SutraStatus check_layers(const SuFamily *family, const Naming *naming,
                                const SuTensorTable *table, const SutraSpec *spec, SutraError *err)
{
    for (size_t i = 0; i < table->num_tensors; i++) {
        const SuTensorView *view = &table->tensors[i];
        const char *name = name_in_layer(naming, view->name, spec->num_layers);
        if (name && !is_named(naming->layout, name))
            SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                     "%s: tensor %.150s is no weight of a layer of family %s: these weights are of "
                     "another architecture",
                     table->files[view->file].path, view->name, family->name);
    }
    return SUTRA_OK;
}

SutraStatus su_family_bind(const SuFamily *family, const SuTensorTable *table, const char *where,
                           SutraSpec *spec, SutraTensor **tensors, size_t *num_tensors,
                           SutraError *err)
{
    Naming naming = find_naming(family, table);
    const SuFamilyLayout *layout = naming.layout;
    size_t count = 0;
    bool has_types = false;
    SutraStatus status = SUTRA_OK;
    *tensors = su_alloc(layout->num_tensors * spec->num_layers, sizeof **tensors);
    if (!*tensors) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    for (size_t i = 0; i < layout->num_tensors && status == SUTRA_OK; i++) {
        const SuFamilyTensor *wanted = &layout->tensors[i];
        uint32_t layers = strchr(wanted->name, '#') ? spec->num_layers : 1;
        for (uint32_t layer = 0; layer < layers && status == SUTRA_OK; layer++) {
            bool bound;
            status = bind_line(wanted, naming.prefix, table, where, spec, layer, *tensors + count,
                               &bound, err);
            count += bound;
            has_types |= bound && wanted->role == SUTRA_ROLE_TYPE_EMBEDDING;
        }
    }
    if (status == SUTRA_OK) status = check_layers(family, &naming, table, spec, err);
    if (!has_types) spec->num_types = 0;
    *num_tensors = count;
    if (status != SUTRA_OK) {
        su_free(*tensors);
        *tensors = NULL;
        *num_tensors = 0;
    }
    return status;
}

/* ---- the classification head ---- */

typedef struct HeadTensor {
    SutraRole role;
    uint64_t rows, columns;
    bool optional;
} HeadTensor;

/* One more tensor, if it is there. */
static SutraStatus bind_head_tensor(const SuTensorTable *table, const char *where, const char *name,
                                    const HeadTensor *wanted, uint32_t head, SutraTensor *tensors,
                                    size_t *num_tensors, SutraError *err)
{
    const SuTensorView *view = su_tensor_table_find(table, name);
    if (!view && wanted->optional) return SUTRA_OK;
    if (!view) SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s is missing", where, name);
    SutraTensor *tensor = &tensors[(*num_tensors)++];
    SU_TRY(su_tensor_from_view(view, table->files[view->file].path, "config.json", wanted->rows,
                               wanted->columns, tensor, err));
    tensor->role = wanted->role;
    tensor->layer = head;
    return SUTRA_OK;
}

SutraStatus su_family_bind_heads(const SuFamily *family, const SuTensorTable *table,
                                 const char *where, const SutraSpec *spec, SutraTensor **tensors,
                                 size_t *num_tensors, SutraError *err)
{
    const char *prefix = find_naming(family, table).prefix;
    SutraTensor *grown =
        su_realloc(*tensors, *num_tensors + 2 * family->num_heads, sizeof **tensors);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    *tensors = grown;
    for (uint32_t i = 0; i < family->num_heads; i++) {
        const SutraHead *head = &spec->heads[i + 1];
        const SuFamilyHead *part = &family->heads[i];
        bool norm = part->part == SU_HEAD_NORM;
        HeadTensor weight = {.role = norm ? SUTRA_ROLE_HEAD_NORM_WEIGHT : SUTRA_ROLE_DENSE_WEIGHT,
                             .rows = head->out,
                             .columns = norm ? 0 : head->in};
        HeadTensor bias = {.role = norm ? SUTRA_ROLE_HEAD_NORM_BIAS : SUTRA_ROLE_DENSE_BIAS,
                           .rows = head->out,
                           .optional = part->part != SU_HEAD_LINEAR};
        char stem[MAX_NAME], name[MAX_NAME + 8];
        compose_name(part->inside ? prefix : "", part->name, 0, stem);
        snprintf(name, sizeof name, "%s.weight", stem);
        SU_TRY(bind_head_tensor(table, where, name, &weight, i + 1, grown, num_tensors, err));
        snprintf(name, sizeof name, "%s.bias", stem);
        SU_TRY(bind_head_tensor(table, where, name, &bias, i + 1, grown, num_tensors, err));
    }
    return SUTRA_OK;
}
