/* The chain of modules after the encoder, as sentence-transformers writes it:
 *
 *   modules.json     [{"idx": 0, "name": "0", "path": "", "type": "….Transformer"},
 *                     {"idx": 1, "name": "1", "path": "1_Pooling", "type": "….Pooling"},
 *                     {"idx": 2, "name": "2", "path": "2_Dense", "type": "….Dense"},
 *                     {"idx": 3, "name": "3", "path": "3_Normalize", "type": "….Normalize"}]
 *   1_Pooling/config.json   {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": true, …}
 *                    or {"embedding_dimension": 384, "pooling_mode": "mean" or ["mean"], …}
 *   2_Dense/, 2_LayerNorm/   model_dense.c
 *   of a CrossEncoder: model_classifier.c
 */
#include "base/memory.h"
#include "model/known_keys.h"
#include "model/model_parts.h"

#include <string.h>

/* In the order that a chain has them. */
typedef enum ModuleKind {
    MODULE_TRANSFORMER = 0,
    MODULE_POOLING,
    MODULE_DENSE,
    MODULE_LAYER_NORM,
    MODULE_NORMALIZE,
    MODULE_STATIC /* instead of the first two */
} ModuleKind;

static const char *const module_names[] = {"Transformer", "Pooling",   "Dense",
                                           "LayerNorm",   "Normalize", "StaticEmbedding"};

/* Both spellings of each mode: the key of a boolean, and the value of pooling_mode. */
static const struct {
    const char *flag, *mode;
    SutraPooling pooling;
} pooling_modes[] = {
    {"pooling_mode_cls_token", "cls", SUTRA_POOL_CLS},
    {"pooling_mode_max_tokens", "max", SUTRA_POOL_MAX},
    {"pooling_mode_mean_tokens", "mean", SUTRA_POOL_MEAN},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", SUTRA_POOL_MEAN_SQRT},
    {"pooling_mode_weightedmean_tokens", "weightedmean", SUTRA_POOL_WEIGHTED_MEAN},
    {"pooling_mode_lasttoken", "lasttoken", SUTRA_POOL_LAST},
};
#define NUM_POOLING_MODES (sizeof pooling_modes / sizeof *pooling_modes)

static SutraStatus raise_concatenation(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: several pooling modes at once (a concatenation) are not supported", where);
}

static SutraStatus read_pooling_flags(const json_t *config, const char *where,
                                      SutraPooling *pooling, SutraError *err)
{
    unsigned active = 0;
    *pooling = SUTRA_POOL_MEAN;
    for (size_t i = 0; i < NUM_POOLING_MODES; i++) {
        bool set = false;
        SU_TRY(su_json_get_bool(config, pooling_modes[i].flag, where, &set, err));
        if (!set) continue;
        active++;
        *pooling = pooling_modes[i].pooling;
    }
    if (active > 1) return raise_concatenation(where, err);
    return SUTRA_OK;
}

static SutraStatus read_pooling_mode(const json_t *mode, const char *where, SutraPooling *pooling,
                                     SutraError *err)
{
    if (json_is_array(mode) && json_array_size(mode) > 1) return raise_concatenation(where, err);
    if (json_is_array(mode)) mode = json_array_get(mode, 0);
    if (!json_is_string(mode))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: pooling_mode is not a name", where);
    for (size_t i = 0; i < NUM_POOLING_MODES; i++)
        if (strcmp(pooling_modes[i].mode, json_string_value(mode)) == 0) {
            *pooling = pooling_modes[i].pooling;
            return SUTRA_OK;
        }
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: pooling_mode \"%.40s\" is not supported; known: cls, max, mean, "
             "mean_sqrt_len_tokens, weightedmean, lasttoken",
             where, json_string_value(mode));
}

static SutraStatus parse_pooling(SutraModel *model, const SuConfigFile *file, SuModuleChain *chain,
                                 SutraError *err)
{
    const json_t *mode = json_object_get(file->root, "pooling_mode");
    SU_TRY(su_known_keys_check(&su_keys_of_pooling, file->root, "", file->path, err));
    SU_TRY(su_json_get_u32(file->root, "word_embedding_dimension", file->path, 1, UINT32_MAX,
                           &chain->pooling_features, err));
    SU_TRY(su_json_get_u32(file->root, "embedding_dimension", file->path, 1, UINT32_MAX,
                           &chain->pooling_features, err));
    SU_TRY(su_json_get_bool(file->root, "include_prompt", file->path, &model->pool_prompt, err));
    if (mode) return read_pooling_mode(mode, file->path, &model->pooling, err);
    return read_pooling_flags(file->root, file->path, &model->pooling, err);
}

static SutraStatus read_pooling(SutraModel *model, const char *folder, SuModuleChain *chain,
                                SutraError *err)
{
    SuConfigFile file;
    SU_TRY(su_config_file_open(folder, "config.json", &file, err));
    SutraStatus status;
    if (file.root)
        status = parse_pooling(model, &file, chain, err);
    else
        status =
            su_error_set(err, SUTRA_E_IO, "%s: no such file; modules.json asks for it", file.path);
    chain->pooling_path = file.path;
    file.path = NULL;
    su_config_file_close(&file);
    return status;
}

/* Newer versions can normalise other features than the pooled vector; that is another output. */
static SutraStatus read_normalize(SutraModel *model, const char *folder, SutraError *err)
{
    static const char *const keys[] = {"module_input_name", "module_output_name"};
    SuConfigFile file;
    SutraStatus status = SUTRA_OK;
    SU_TRY(su_config_file_open(folder, "config.json", &file, err));
    status = su_known_keys_check(&su_keys_of_normalize, file.root, "", file.path, err);
    for (size_t i = 0; i < 2 && file.root && status == SUTRA_OK; i++) {
        const char *name = "sentence_embedding";
        status = su_json_get_string(file.root, keys[i], file.path, &name, err);
        if (status == SUTRA_OK && strcmp(name, "sentence_embedding") != 0)
            status = su_error_set(err, SUTRA_E_UNSUPPORTED, "%s: %s \"%.40s\" is not supported",
                                  file.path, keys[i], name);
    }
    su_config_file_close(&file);
    model->normalize = true;
    return status;
}

/* "sentence_transformers.models.Pooling", "sentence_transformers.….modules.pooling.Pooling" */
static SutraStatus module_kind(const char *type, const char *where, ModuleKind *kind,
                               SutraError *err)
{
    const char *name = strrchr(type, '.');
    if (name && strncmp(type, "sentence_transformers.", 22) == 0)
        for (unsigned i = 0; i < sizeof module_names / sizeof *module_names; i++)
            if (strcmp(name + 1, module_names[i]) == 0) {
                *kind = (ModuleKind)i;
                return SUTRA_OK;
            }
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: module \"%.100s\" is not supported; known: Transformer, Pooling, Dense, "
             "LayerNorm, Normalize, StaticEmbedding",
             where, type);
}

SutraStatus su_model_module_folder(const char *folder, const char *path, const char *where,
                                   char **out, SutraError *err)
{
    if (strcmp(path, ".") == 0) path = "";
    if (strncmp(path, "./", 2) == 0) path += 2;
    size_t size = strlen(path);
    if (size && path[size - 1] == '/') size--;
    char *relative = su_strndup(path, size);
    if (!relative) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    SutraStatus status = SUTRA_OK;
    if (*path && !su_path_is_contained(relative)) {
        status = su_error_set(err, SUTRA_E_FORMAT,
                              "%s: path \"%.100s\" is not a folder inside the model", where, path);
    } else {
        *out = *path ? su_path_join(folder, relative) : su_strdup(folder);
        if (!*out) status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    }
    su_free(relative);
    return status;
}

/* Whether a module of that kind may stand in that place. */
static bool is_in_order(const SutraModel *model, const SuModuleChain *chain, ModuleKind kind,
                        size_t index)
{
    if (index == 0) return kind == MODULE_TRANSFORMER || kind == MODULE_STATIC;
    if (index == 1 && !chain->is_static) return kind == MODULE_POOLING;
    bool computes = kind == MODULE_DENSE || kind == MODULE_LAYER_NORM;
    return kind == MODULE_NORMALIZE || (computes && !model->normalize);
}

/* path is taken over by a chain that keeps it. */
static SutraStatus enter_module(SutraModel *model, ModuleKind kind, char **path,
                                SuModuleChain *chain, SutraError *err)
{
    if (kind == MODULE_TRANSFORMER || kind == MODULE_STATIC) {
        chain->is_static = kind == MODULE_STATIC;
        chain->transformer = *path;
        *path = NULL;
        return SUTRA_OK;
    }
    if (kind == MODULE_POOLING) return read_pooling(model, *path, chain, err);
    if (kind == MODULE_NORMALIZE) return read_normalize(model, *path, err);
    SU_TRY(su_model_read_dense(*path, kind == MODULE_LAYER_NORM, chain, err));
    *path = NULL;
    return SUTRA_OK;
}

static SutraStatus read_module(SutraModel *model, const char *folder, const json_t *module,
                               const char *where, size_t index, SuModuleChain *chain,
                               SutraError *err)
{
    const char *type = NULL, *path = NULL;
    ModuleKind kind = MODULE_TRANSFORMER;
    SU_TRY(su_json_get_string(module, "type", where, &type, err));
    SU_TRY(su_json_get_string(module, "path", where, &path, err));
    if (!type || !path)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: module %zu has no type or no path", where, index);
    SU_TRY(module_kind(type, where, &kind, err));
    if (!is_in_order(model, chain, kind, index))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: module %zu is %s; the order must be Transformer, Pooling, Dense or "
                 "LayerNorm, Normalize, or StaticEmbedding instead of the first two",
                 where, index, module_names[kind]);
    char *module_path = NULL;
    SU_TRY(su_model_module_folder(folder, path, where, &module_path, err));
    SutraStatus status = enter_module(model, kind, &module_path, chain, err);
    su_free(module_path);
    return status;
}

static SutraStatus read_chain(SutraModel *model, const char *folder, const json_t *modules,
                              const char *where, SuModuleChain *chain, SutraError *err)
{
    if (!json_is_array(modules)) SU_RAISE(err, SUTRA_E_FORMAT, "%s: not a list of modules", where);
    SU_TRY(su_classifier_declared(folder, chain, err));
    if (chain->classifier && json_array_size(modules) != 1)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: a CrossEncoder of %zu modules is not supported; expected Transformer alone",
                 where, json_array_size(modules));
    for (size_t i = 0; i < json_array_size(modules); i++)
        SU_TRY(read_module(model, folder, json_array_get(modules, i), where, i, chain, err));
    size_t least = chain->classifier || chain->is_static ? 1 : 2;
    if (json_array_size(modules) < least)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %zu modules; expected Transformer and Pooling",
                 where, json_array_size(modules));
    return SUTRA_OK;
}

SutraStatus su_model_read_modules(SutraModel *model, const char *folder, SuModuleChain *chain,
                                  SutraError *err)
{
    json_t *modules = NULL;
    SutraStatus status = SUTRA_OK;
    *chain = (SuModuleChain){0};
    model->pooling = SUTRA_POOL_MEAN;
    model->pool_prompt = true;
    char *path = su_path_join(folder, "modules.json");
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s/modules.json: out of memory", folder);
    if (su_path_exists(path)) {
        chain->from_file = true;
        status = su_json_load(path, &modules, err);
        if (status == SUTRA_OK) status = read_chain(model, folder, modules, path, chain, err);
        json_decref(modules);
    } else {
        chain->transformer = su_strdup(folder);
        if (!chain->transformer)
            status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    }
    su_free(path);
    if (status != SUTRA_OK) su_module_chain_free(chain);
    return status;
}

void su_module_chain_free(SuModuleChain *chain)
{
    su_free(chain->transformer);
    su_free(chain->pooling_path);
    for (uint32_t i = 0; i < chain->num_dense; i++) su_free(chain->dense[i].folder);
    *chain = (SuModuleChain){0};
}
