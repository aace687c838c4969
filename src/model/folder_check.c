/* folder_check.c - what a folder holds that would make another model of it than the files that are
 * read. */
#include "base/memory.h"
#include "model/model_parts.h"

#include <string.h>

/* An adapter (LoRA and others, by PEFT), which the reference adds to the weights. */
SutraStatus su_model_check_adapter(const char *folder, SutraError *err)
{
    static const char *const names[] = {"adapter_config.json", "adapter_model.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = su_path_join(folder, names[i]);
        if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
        bool found = su_path_exists(path);
        su_free(path);
        if (found)
            SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                     "%s: %s: an adapter changes the vectors, and is not supported; merge it into "
                     "the weights (merge_and_unload of peft), or take it out of the folder",
                     folder, names[i]);
    }
    return SUTRA_OK;
}

/* "sentence_transformers.models.Router" */
static bool is_module(const json_t *module, const char *wanted)
{
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *name = type ? strrchr(type, '.') : NULL;
    return name && strcmp(name + 1, wanted) == 0;
}

static SutraStatus check_module(const char *folder, const json_t *module, const char *where,
                                SutraError *err)
{
    if (is_module(module, "Router") || is_module(module, "Asym"))
        return su_model_refuse_router(folder, module, where, err);
    return SUTRA_OK;
}

/* Neither has a chain of modules as others do, nor need there be a config.json. */
SutraStatus su_model_check_modules(const char *folder, SutraError *err)
{
    json_t *modules = NULL;
    SutraStatus status = SUTRA_OK;
    char *path = su_path_join(folder, "modules.json");
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    if (su_path_exists(path)) status = su_json_load(path, &modules, err);
    for (size_t i = 0; i < json_array_size(modules) && status == SUTRA_OK; i++)
        status = check_module(folder, json_array_get(modules, i), path, err);
    json_decref(modules);
    su_free(path);
    return status;
}
