#include "base/memory.h"
#include "model/model_parts.h"

SutraStatus su_config_file_open(const char *folder, const char *name, SuConfigFile *file,
                                SutraError *err)
{
    *file = (SuConfigFile){.path = su_path_join(folder, name)};
    if (!file->path) SU_RAISE(err, SUTRA_E_MEMORY, "%s/%s: out of memory", folder, name);
    if (!su_path_exists(file->path)) return SUTRA_OK;
    SutraStatus status = su_json_load(file->path, &file->root, err);
    if (status == SUTRA_OK && !json_is_object(file->root))
        status = su_error_set(err, SUTRA_E_FORMAT, "%s: not a JSON object", file->path);
    if (status != SUTRA_OK) su_config_file_close(file);
    return status;
}

void su_config_file_close(SuConfigFile *file)
{
    su_free(file->path);
    json_decref(file->root);
    *file = (SuConfigFile){0};
}
