/* What a model is called: from its path, and from the manifest that `sutra pull` writes beside it.
 *
 *   …/all-MiniLM-L6-v2                                     all-MiniLM-L6-v2
 *   …/models--org--name/snapshots/<revision>               org/name, revision
 *   sutra.json  {"name": "…", "revision": "…",
 *                "files": {"model.safetensors": {"sha256": "…", "size": 90868376}, …}}
 */
#include "base/memory.h"
#include "model/model_parts.h"

#include <string.h>

static SutraStatus out_of_memory(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
}

/* The last component before *end, without trailing slashes; *end moves to its first byte. */
static const char *last_component(const char *path, const char **end, size_t *size)
{
    const char *stop = *end;
    while (stop > path && stop[-1] == '/') stop--;
    const char *start = stop;
    while (start > path && start[-1] != '/') start--;
    *size = (size_t)(stop - start);
    *end = start;
    return start;
}

static bool equals(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(text, word, size) == 0;
}

/* "models--org--name" -> "org/name" */
static char *name_of_cache_folder(const char *folder, size_t size)
{
    char *name = su_strndup(folder, size);
    if (!name) return NULL;
    char *mark = strstr(name, "--");
    if (mark) {
        *mark = '/';
        memmove(mark + 1, mark + 2, strlen(mark + 2) + 1);
    }
    return name;
}

static SutraStatus name_from_path(SutraModel *model, const char *path, SutraError *err)
{
    const char *end = path + strlen(path);
    size_t size, above_size, cache_size;
    const char *name = last_component(path, &end, &size);
    const char *above = last_component(path, &end, &above_size);
    const char *cache = last_component(path, &end, &cache_size);
    const char *revision = "";
    size_t revision_size = 0;
    if (equals(above, above_size, "snapshots") && cache_size > 8 &&
        memcmp(cache, "models--", 8) == 0) {
        model->name = name_of_cache_folder(cache + 8, cache_size - 8);
        revision = name;
        revision_size = size;
    } else
        model->name = su_strndup(name, size);
    model->revision = su_strndup(revision, revision_size);
    model->digest = su_strdup("");
    if (!model->name || !model->revision || !model->digest) return out_of_memory(path, err);
    return SUTRA_OK;
}

/* The path that names are taken from: "." and ".." do not say what the folder is called. */
static SutraStatus read_path(SutraModel *model, const char *folder, SutraError *err)
{
    const char *end = folder + strlen(folder);
    size_t size;
    const char *name = last_component(folder, &end, &size);
    if (size && !equals(name, size, ".") && !equals(name, size, ".."))
        return name_from_path(model, folder, err);
    char *resolved = su_path_resolve(folder);
    if (!resolved) return out_of_memory(folder, err);
    SutraStatus status = name_from_path(model, resolved, err);
    su_free(resolved);
    return status;
}

static SutraStatus replace(char **field, const char *prefix, const char *text, const char *where,
                           SutraError *err)
{
    size_t head = strlen(prefix), tail = strlen(text);
    char *copy = su_alloc(head + tail + 1, 1);
    if (!copy) return out_of_memory(where, err);
    memcpy(copy, prefix, head);
    memcpy(copy + head, text, tail + 1);
    su_free(*field);
    *field = copy;
    return SUTRA_OK;
}

static SutraStatus read_digest(SutraModel *model, const json_t *entry, const char *where,
                               const char *file, SutraError *err)
{
    const char *digest = NULL;
    SU_TRY(su_json_get_string(entry, "sha256", where, &digest, err));
    if (!digest) return SUTRA_OK;
    if (strlen(digest) != 64 || strspn(digest, "0123456789abcdef") != 64)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: files: %s: sha256 is not 64 hexadecimal digits", where,
                 file);
    return replace(&model->digest, "sha256:", digest, where, err);
}

static SutraStatus check_weight_record(SutraModel *model, const SuConfigFile *manifest,
                                       const char *name, SutraError *err)
{
    const json_t *entry = json_object_get(json_object_get(manifest->root, "files"), name);
    if (!json_is_object(entry)) return SUTRA_OK;
    const json_t *size = json_object_get(entry, "size");
    if (json_is_integer(size) && (uint64_t)json_integer_value(size) != model->maps[0].size)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: %s has %zu bytes, recorded are %lld: the file is damaged or was changed; "
                 "pull the model again",
                 manifest->path, name, model->maps[0].size, (long long)json_integer_value(size));
    return read_digest(model, entry, manifest->path, name, err);
}

/* Compares the recorded size with the file's, and takes the digest. Shards have no digest of the
 * whole. */
static SutraStatus read_weight_record(SutraModel *model, const SuConfigFile *manifest,
                                      const char *below, SutraError *err)
{
    if (model->num_maps != 1) return SUTRA_OK;
    char *name = *below ? su_path_join(below, "model.safetensors") : su_strdup("model.safetensors");
    if (!name) return out_of_memory(manifest->path, err);
    SutraStatus status = check_weight_record(model, manifest, name, err);
    su_free(name);
    return status;
}

static SutraStatus read_manifest(SutraModel *model, const SuConfigFile *manifest, const char *below,
                                 SutraError *err)
{
    const char *name = NULL, *revision = NULL;
    SU_TRY(su_json_get_string(manifest->root, "name", manifest->path, &name, err));
    SU_TRY(su_json_get_string(manifest->root, "revision", manifest->path, &revision, err));
    if (name) SU_TRY(replace(&model->name, "", name, manifest->path, err));
    if (revision) SU_TRY(replace(&model->revision, "", revision, manifest->path, err));
    return read_weight_record(model, manifest, below, err);
}

SutraStatus su_model_read_identity(SutraModel *model, const char *folder,
                                   const SuModuleChain *chain, SutraError *err)
{
    const char *below = chain->transformer + strlen(folder); /* "" or "/0_Transformer" */
    if (*below == '/') below++;
    SuConfigFile manifest;
    SU_TRY(read_path(model, folder, err));
    SU_TRY(su_config_file_open(folder, "sutra.json", &manifest, err));
    SutraStatus status = manifest.root ? read_manifest(model, &manifest, below, err) : SUTRA_OK;
    su_config_file_close(&manifest);
    return status;
}
