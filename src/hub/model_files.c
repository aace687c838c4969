#include "hub/model_files.h"

#include "base/file_map.h"
#include "base/json_file.h"
#include "base/memory.h"
#include "sutra_hub.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const config_names[] = {
    "config.json",
    "modules.json",
    "vocab.txt",
    "sentence_bert_config.json",
    "tokenizer_config.json",
    "config_sentence_transformers.json",
    "added_tokens.json",
    "special_tokens_map.json",
};
static const char *const slow_tokenizer_names[] = {
    "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model",
};
/* Any one of these makes a tokenizer. */
static const char *const tokenizer_names[] = {
    "tokenizer.json",          "vocab.txt",    "vocab.json",
    "sentencepiece.bpe.model", "spiece.model", "tokenizer.model",
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

static bool ends_with(const char *text, size_t size, const char *end)
{
    size_t tail = strlen(end);
    return size >= tail && !memcmp(text + size - tail, end, tail);
}

/* "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"; LayerNorm too */
static SuFileRole module_file_role(const char *name, const char *slash)
{
    size_t size = (size_t)(slash - name);
    bool dense = ends_with(name, size, "_Dense") || ends_with(name, size, "_LayerNorm");
    if (!strcmp(slash + 1, "config.json") && (dense || ends_with(name, size, "_Pooling")))
        return SU_FILE_CONFIG;
    return dense && !strcmp(slash + 1, SU_WEIGHTS_NAME) ? SU_FILE_MODULE_WEIGHTS : SU_FILE_OTHER;
}

/* Of a file of the encoder, by its name in the encoder's folder. */
static SuFileRole encoder_file_role(const char *name)
{
    if (!strcmp(name, "tokenizer.json")) return SU_FILE_TOKENIZER;
    if (is_one_of(name, config_names, COUNT(config_names))) return SU_FILE_CONFIG;
    if (is_one_of(name, slow_tokenizer_names, COUNT(slow_tokenizer_names)))
        return SU_FILE_SLOW_TOKENIZER;
    if (!strcmp(name, SU_WEIGHTS_NAME)) return SU_FILE_WEIGHTS;
    bool shard = !strncmp(name, "model-", 6) && ends_with(name, strlen(name), ".safetensors");
    return shard || !strcmp(name, SU_WEIGHTS_INDEX_NAME) ? SU_FILE_SHARD : SU_FILE_OTHER;
}

/* The file's name in the encoder's folder, which is the model's own or "0_Transformer"; NULL: it
 * lies in another. */
static const char *name_in_encoder(const char *name)
{
    const char *slash = strchr(name, '/');
    if (!slash) return name;
    bool below = ends_with(name, (size_t)(slash - name), "_Transformer");
    return below && !strchr(slash + 1, '/') ? slash + 1 : NULL;
}

SuFileRole su_model_file_role(const char *name)
{
    if (!su_path_is_contained(name)) return SU_FILE_OTHER;
    const char *inner = name_in_encoder(name);
    return inner ? encoder_file_role(inner) : module_file_role(name, strchr(name, '/'));
}

bool su_model_file_is_config(const char *name)
{
    const char *inner = name_in_encoder(name);
    return inner && !strcmp(inner, "config.json");
}

void su_file_roles_note(SuFileRoles *roles, const char *name)
{
    SuFileRole role = su_model_file_role(name);
    roles->tokenizer |= role == SU_FILE_TOKENIZER;
    roles->weights |= role == SU_FILE_WEIGHTS;
    const char *inner = name_in_encoder(name);
    roles->pickled |= inner && (!strcmp(inner, "pytorch_model.bin") ||
                                !strcmp(inner, "pytorch_model.bin.index.json"));
}

bool su_model_file_is_needed(const SuFileRoles *roles, const char *name)
{
    switch (su_model_file_role(name)) {
    case SU_FILE_OTHER:
        return false;
    case SU_FILE_SLOW_TOKENIZER:
        return !roles->tokenizer;
    case SU_FILE_SHARD:
        return !roles->weights;
    default:
        return true;
    }
}

bool su_model_file_is_weights(const char *name)
{
    return su_model_file_role(name) >= SU_FILE_MODULE_WEIGHTS;
}

/* The size of a regular file; false if it isn't one. Links are followed. */
static bool file_size(const char *folder, const char *name, uint64_t *size)
{
    char path[SUTRA_HUB_PATH_MAX]; /* the system takes no longer ones */
    struct stat facts;
    bool ok = (size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path &&
              stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
    *size = ok ? (uint64_t)facts.st_size : 0;
    return ok;
}

/* Adds the size of a file that is there and not empty. */
static bool add_file(const char *folder, const char *name, SuModelFolder *found)
{
    uint64_t size;
    bool ok = file_size(folder, name, &size) && size > 0;
    found->size += size;
    return ok;
}

static SutraStatus require_file(const char *folder, const char *name, SuModelFolder *found,
                                SutraError *err)
{
    if (add_file(folder, name, found)) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_IO, "%s/%s: missing or empty", folder, name);
}

static SutraStatus load_json(const char *folder, const char *name, json_t **root, SutraError *err)
{
    *root = NULL;
    char *path = su_path_join(folder, name);
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    SutraStatus status = su_json_load(path, root, err);
    su_free(path);
    return status;
}

/* One entry of the manifest's "files". */
static SutraStatus check_manifest_file(const char *folder, const char *name, const json_t *facts,
                                       SuModelFolder *found, SutraError *err)
{
    const json_t *size = json_object_get(facts, "size");
    if (!su_path_is_contained(name) || !json_is_integer(size))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s/%s: files: entry \"%.100s\" is not valid", folder,
                 SU_MANIFEST_NAME, name);
    uint64_t is, stated = (uint64_t)json_integer_value(size);
    if (!file_size(folder, name, &is)) SU_RAISE(err, SUTRA_E_IO, "%s/%s: missing", folder, name);
    found->size += is;
    if (is != stated)
        SU_RAISE(err, SUTRA_E_IO, "%s/%s: %llu bytes instead of %llu", folder, name,
                 (unsigned long long)is, (unsigned long long)stated);
    return SUTRA_OK;
}

static SutraStatus check_manifest(const char *folder, SuModelFolder *found, SutraError *err)
{
    json_t *root;
    const char *name;
    json_t *facts;
    SU_TRY(load_json(folder, SU_MANIFEST_NAME, &root, err));
    json_t *files = json_object_get(root, "files");
    SutraStatus status = SUTRA_OK;
    if (json_object_size(files) == 0)
        status = su_error_set(err, SUTRA_E_FORMAT, "%s/%s: files: missing or empty", folder,
                              SU_MANIFEST_NAME);
    json_object_foreach(files, name, facts)
    {
        status = check_manifest_file(folder, name, facts, found, err);
        if (status != SUTRA_OK) break;
    }
    json_decref(root);
    return status;
}

/* Every file named in the index's weight_map; a shard counts once though many tensors name it. */
static SutraStatus check_shards(const char *folder, SuModelFolder *found, SutraError *err)
{
    json_t *root, *shard;
    const char *tensor;
    SU_TRY(load_json(folder, SU_WEIGHTS_INDEX_NAME, &root, err));
    json_t *map = json_object_get(root, "weight_map");
    json_t *seen = json_object();
    SutraStatus status = SUTRA_OK;
    if (!seen)
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    else if (json_object_size(map) == 0)
        status = su_error_set(err, SUTRA_E_FORMAT, "%s/%s: weight_map: missing or empty", folder,
                              SU_WEIGHTS_INDEX_NAME);
    json_object_foreach(map, tensor, shard)
    {
        const char *name = json_string_value(shard);
        if (status != SUTRA_OK) break;
        if (!name || su_model_file_role(name) != SU_FILE_SHARD)
            status = su_error_set(err, SUTRA_E_FORMAT, "%s/%s: weight_map: %.80s: not a shard name",
                                  folder, SU_WEIGHTS_INDEX_NAME, tensor);
        else if (!json_object_get(seen, name)) {
            status = require_file(folder, name, found, err);
            json_object_set(seen, name, shard);
        }
    }
    json_decref(seen);
    json_decref(root);
    return status;
}

/* Pooling decides the vectors: a model whose pooling file was not fetched yet would load and be
 * wrong. The first module is the encoder. */
static SutraStatus check_modules(const char *folder, const json_t *modules, SuModelFolder *found,
                                 SutraError *err)
{
    for (size_t i = 1; i < json_array_size(modules); i++) {
        const char *path = json_string_value(json_object_get(json_array_get(modules, i), "path"));
        char name[256];
        if (!path || strlen(path) > 200) continue;
        strcpy(name, path);
        strcat(name, "/config.json");
        if (su_model_file_role(name) != SU_FILE_CONFIG) continue;
        SU_TRY(require_file(folder, name, found, err));
    }
    return SUTRA_OK;
}

/* The folder that the first module names; the model's own where there is none. */
static char *encoder_folder(const char *folder, const json_t *modules)
{
    const char *path = json_string_value(json_object_get(json_array_get(modules, 0), "path"));
    size_t size = path ? strlen(path) : 0;
    if (size && path[size - 1] == '/') size--;
    char *below = size ? su_strndup(path, size) : NULL;
    bool contained = below && su_path_is_contained(below);
    char *encoder = contained ? su_path_join(folder, below) : su_strdup(folder);
    su_free(below);
    return encoder;
}

static SutraStatus check_tokenizer(const char *folder, SuModelFolder *found, SutraError *err)
{
    for (size_t i = 0; i < COUNT(tokenizer_names); i++)
        if (add_file(folder, tokenizer_names[i], found)) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_IO, "%s: no tokenizer.json or vocabulary", folder);
}

static SutraStatus check_encoder(const char *folder, SuModelFolder *found, SutraError *err)
{
    SU_TRY(require_file(folder, "config.json", found, err));
    SU_TRY(check_tokenizer(folder, found, err));
    if (add_file(folder, SU_WEIGHTS_NAME, found)) return SUTRA_OK;
    if (add_file(folder, SU_WEIGHTS_INDEX_NAME, found)) return check_shards(folder, found, err);
    uint64_t size;
    if (file_size(folder, "pytorch_model.bin", &size))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: no %s; pytorch_model.bin is not read", folder,
                 SU_WEIGHTS_NAME);
    SU_RAISE(err, SUTRA_E_IO, "%s: no %s", folder, SU_WEIGHTS_NAME);
}

SutraStatus su_model_folder_check_parts(const char *folder, SuModelFolder *found, SutraError *err)
{
    json_t *modules = NULL;
    *found = (SuModelFolder){0};
    if (add_file(folder, "modules.json", found))
        SU_TRY(load_json(folder, "modules.json", &modules, err));
    SutraStatus status = SUTRA_OK;
    char *encoder = encoder_folder(folder, modules);
    if (!encoder) status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    if (status == SUTRA_OK) status = check_encoder(encoder, found, err);
    if (status == SUTRA_OK) status = check_modules(folder, modules, found, err);
    su_free(encoder);
    json_decref(modules);
    return status;
}

SutraStatus su_model_folder_check(const char *folder, SuModelFolder *found, SutraError *err)
{
    *found = (SuModelFolder){0};
    uint64_t size;
    if (!file_size(folder, SU_MANIFEST_NAME, &size))
        return su_model_folder_check_parts(folder, found, err);
    *found = (SuModelFolder){.has_manifest = true};
    return check_manifest(folder, found, err);
}
