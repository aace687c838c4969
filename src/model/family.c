#include "model/family.h"

#include "model/model_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const SuFamily *const families[] = {
    &su_family_bert,       &su_family_roberta, &su_family_xlm_roberta, &su_family_camembert,
    &su_family_distilbert, &su_family_mpnet,   &su_family_modernbert,  &su_family_nomic,
    &su_family_gte,        &su_family_jina};
#define NUM_FAMILIES (sizeof families / sizeof *families)

/* In the first layout, or NULL. */
static const char *name_of_role(const SuFamily *family, uint32_t role)
{
    const char *name = NULL;
    for (size_t i = 0; i < family->layouts[0].num_tensors; i++)
        if (family->layouts[0].tensors[i].role == (SutraRole)role)
            name = family->layouts[0].tensors[i].name;
    return name;
}

void su_family_tensor_name(const char *family, uint32_t role, uint32_t layer, char *name,
                           size_t capacity)
{
    snprintf(name, capacity, "a tensor");
    for (size_t f = 0; f < NUM_FAMILIES; f++) {
        if (strcmp(families[f]->name, family) != 0) continue;
        const char *known = name_of_role(families[f], role);
        const char *mark = known ? strchr(known, '#') : NULL;
        if (mark)
            snprintf(name, capacity, "%.*s%u%s", (int)(mark - known), known, layer, mark + 1);
        else if (known)
            snprintf(name, capacity, "%s", known);
    }
}

/* As the reference's table of activations: names that differ in spelling only are one kind. */
static const struct {
    const char *name;
    SutraActivation kind;
} activations[] = {
    {"gelu", SUTRA_ACT_GELU_ERF},
    {"gelu_python", SUTRA_ACT_GELU_ERF},
    {"gelu_new", SUTRA_ACT_GELU_TANH},
    {"gelu_fast", SUTRA_ACT_GELU_TANH},
    {"gelu_accurate", SUTRA_ACT_GELU_TANH},
    {"gelu_pytorch_tanh", SUTRA_ACT_GELU_TANH},
    {"gelu_python_tanh", SUTRA_ACT_GELU_TANH},
    {"relu", SUTRA_ACT_RELU},
    {"silu", SUTRA_ACT_SILU},
    {"swish", SUTRA_ACT_SILU},
    {"tanh", SUTRA_ACT_TANH},
};
#define NUM_ACTIVATIONS (sizeof activations / sizeof *activations)

/* Adds ", word" to a list that messages end with; what does not fit is left out. */
static void list_add(char *list, size_t capacity, const char *word)
{
    size_t used = strlen(list);
    snprintf(list + used, capacity - used, "%s%s", used ? ", " : "", word);
}

static void list_families(char *list, size_t capacity)
{
    list[0] = '\0';
    for (size_t i = 0; i < NUM_FAMILIES; i++)
        for (const char *const *type = families[i]->model_types; *type; type++)
            list_add(list, capacity, *type);
}

static const SuFamily *family_of_model_type(const char *model_type)
{
    for (size_t i = 0; i < NUM_FAMILIES; i++)
        for (const char *const *type = families[i]->model_types; *type; type++)
            if (strcmp(*type, model_type) == 0) return families[i];
    return NULL;
}

bool su_family_is_known(const char *model_type)
{
    const SuFamily *family = family_of_model_type(model_type);
    return family && su_tokenizer_class_find(family->tokenizer_class, NULL);
}

const char *su_family_tokenizer_class(const char *family)
{
    for (size_t i = 0; i < NUM_FAMILIES; i++)
        if (strcmp(families[i]->name, family) == 0) return families[i]->tokenizer_class;
    return "BertTokenizer";
}

static bool has_architecture(const SuFamily *family, const char *architecture)
{
    for (const char *const *prefix = family->architectures; *prefix; prefix++)
        if (strncmp(architecture, *prefix, strlen(*prefix)) == 0) return true;
    return false;
}

static const SuFamily *family_of_architecture(const char *architecture)
{
    for (size_t i = 0; i < NUM_FAMILIES; i++)
        if (has_architecture(families[i], architecture)) return families[i];
    return NULL;
}

/* The first of architectures, or NULL. */
static SutraStatus read_architecture(const json_t *config, const char *where,
                                     const char **architecture, SutraError *err)
{
    const json_t *list = json_object_get(config, "architectures");
    *architecture = NULL;
    if (!list || json_is_null(list) || (json_is_array(list) && json_array_size(list) == 0))
        return SUTRA_OK;
    *architecture = json_string_value(json_array_get(list, 0));
    if (!*architecture)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: architectures is not a list of names", where);
    return SUTRA_OK;
}

/* A class of auto_map, "modeling.NewModel" or "owner/model--modeling.NewModel", without what comes
 * before it; NULL: none is named. */
static const char *custom_class(const json_t *config, const char *part)
{
    const char *code =
        json_string_value(json_object_get(json_object_get(config, "auto_map"), part));
    const char *point = code ? strrchr(code, '.') : NULL;
    return point ? point + 1 : code;
}

static bool is_custom_class(const SuFamily *family, const char *class)
{
    const char *const *name = family->custom_code;
    if (!name) return false;
    while (*name && strcmp(*name, class) != 0) name++;
    return *name != NULL;
}

/* Whether this code is one of the families; which. */
static bool find_custom_code(const char *class, const SuFamily **family)
{
    for (size_t i = 0; class && i < NUM_FAMILIES; i++) {
        *family = families[i];
        if (is_custom_class(families[i], class)) return true;
    }
    return false;
}

bool su_family_is_classifier(const json_t *config)
{
    static const char ending[] = "ForSequenceClassification";
    const json_t *list = json_object_get(config, "architectures"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);
        size_t size = name ? strlen(name) : 0, tail = sizeof ending - 1;
        if (size >= tail && strcmp(name + size - tail, ending) == 0) return true;
    }
    return false;
}

/* "auto_map": {"AutoModel": "modeling.Encoder", …}: code of the model's own, whatever model_type
 * says: that of the family, or of none. Without it model_type decides, and the class name in
 * architectures does not count. */
static SutraStatus check_custom_code(const json_t *config, const char *where,
                                     const SuFamily *family, SutraError *err)
{
    static const char *const parts[] = {"AutoModel", "AutoConfig"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *class = custom_class(config, parts[i]);
        if (class && !is_custom_class(family, class))
            SU_RAISE(
                err, SUTRA_E_UNSUPPORTED,
                "%s: the encoder is custom code (auto_map: %.80s), which is not supported", where,
                json_string_value(json_object_get(json_object_get(config, "auto_map"), parts[i])));
    }
    return SUTRA_OK;
}

SutraStatus su_family_find(const json_t *config, const char *where, const SuFamily **family,
                           SutraError *err)
{
    const char *model_type = NULL, *architecture;
    char known[256];
    list_families(known, sizeof known);
    SU_TRY(su_json_get_string(config, "model_type", where, &model_type, err));
    SU_TRY(read_architecture(config, where, &architecture, err));
    if (!model_type && !architecture)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: neither model_type nor architectures says what model "
                 "this is",
                 where);
    if (!find_custom_code(custom_class(config, "AutoModel"), family))
        *family =
            model_type ? family_of_model_type(model_type) : family_of_architecture(architecture);
    if (!*family)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s \"%.60s\" is not supported; known: %s", where,
                 model_type ? "model_type" : "architecture", model_type ? model_type : architecture,
                 known);
    return check_custom_code(config, where, *family, err);
}

SutraStatus su_family_read_activation(const json_t *config, const char *where, const char *key,
                                      const char *fallback, SutraActivation *activation,
                                      SutraError *err)
{
    const char *name = fallback;
    char known[256] = "";
    SU_TRY(su_json_get_string(config, key, where, &name, err));
    for (size_t i = 0; i < NUM_ACTIVATIONS; i++) {
        if (strcmp(activations[i].name, name) == 0) {
            *activation = activations[i].kind;
            return SUTRA_OK;
        }
        list_add(known, sizeof known, activations[i].name);
    }
    SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s \"%.40s\" is not supported; known: %s", where, key,
             name, known);
}

static SutraStatus read_norm_eps(const SuFamily *family, const json_t *config, const char *where,
                                 SutraSpec *spec, SutraError *err)
{
    double eps = family->norm_eps_default;
    if (family->norm_eps_key)
        SU_TRY(su_json_get_double(config, family->norm_eps_key, where, &eps, err));
    if (!(eps >= 0 && eps < 1))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is %g, outside 0 … 1", where, family->norm_eps_key,
                 eps);
    spec->norm_eps = (float)eps;
    return SUTRA_OK;
}

SutraStatus su_family_read_padding(const json_t *config, const char *where, SutraSpec *spec,
                                   SutraError *err)
{
    uint32_t pad = 1;
    if (json_is_null(json_object_get(config, "pad_token_id")))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: pad_token_id is null, but positions are counted from it",
                 where);
    SU_TRY(su_json_get_u32(config, "pad_token_id", where, 0, 1u << 24, &pad, err));
    if (pad + 1 >= spec->max_positions)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: positions begin at %u (pad_token_id + 1), not below "
                 "max_position_embeddings %u",
                 where, pad + 1, spec->max_positions);
    spec->position_offset = pad + 1;
    return SUTRA_OK;
}

SutraStatus su_family_configure(const SuFamily *family, const json_t *config, const char *where,
                                SutraSpec *spec, SutraError *err)
{
    SutraActivation activation;
    *spec = (SutraSpec){.struct_size = sizeof *spec};
    for (size_t i = 0; i < family->num_fields; i++) {
        const SuFamilyField *field = &family->fields[i];
        uint32_t *value = (uint32_t *)((char *)spec + field->offset);
        *value = field->fallback;
        if (field->other_key)
            SU_TRY(su_json_get_u32(config, field->other_key, where, field->min, field->max, value,
                                   err));
        SU_TRY(su_json_get_u32(config, field->key, where, field->min, field->max, value, err));
    }
    if (spec->hidden_size % spec->num_heads != 0)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: hidden size %u is not a multiple of the %u heads", where,
                 spec->hidden_size, spec->num_heads);
    spec->head_size = spec->hidden_size / spec->num_heads;
    spec->num_kv_heads = spec->num_heads;
    SU_TRY(su_family_read_activation(config, where, family->activation_key,
                                     family->activation_default, &activation, err));
    spec->activation = activation;
    SU_TRY(read_norm_eps(family, config, where, spec, err));
    return family->configure(config, where, spec, err);
}
