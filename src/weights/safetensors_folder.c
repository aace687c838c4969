/* Which files of a folder hold the weights: model.safetensors, or the shards that
 * model.safetensors.index.json lists: {"weight_map": {"tensor name": "shard file name", …}}. */
#include "base/json_file.h"
#include "base/memory.h"
#include "weights/safetensors.h"

#include <string.h>

#define WHOLE_FILE "model.safetensors"
#define INDEX_FILE "model.safetensors.index.json"

static SutraStatus out_of_memory(const char *path, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
}

static SutraStatus folder_has(const char *folder, const char *name, bool *found, SutraError *err)
{
    char *path = su_path_join(folder, name);
    if (!path) return out_of_memory(folder, err);
    *found = su_file_exists(path);
    su_free(path);
    return SUTRA_OK;
}

/* No safetensors: says what is there instead, and what to do. */
static SutraStatus raise_no_weights(const char *folder, SutraError *err)
{
    static const char *const other_formats[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                                "tf_model.h5", "flax_model.msgpack"};
    for (size_t i = 0; i < sizeof other_formats / sizeof *other_formats; i++) {
        bool found = false;
        SU_TRY(folder_has(folder, other_formats[i], &found, err));
        if (found)
            SU_RAISE(
                err, SUTRA_E_UNSUPPORTED,
                "%s: the weights are in %s only, which is not read; convert them to " WHOLE_FILE
                " (save_pretrained of transformers does)",
                folder, other_formats[i]);
    }
    SU_RAISE(err, SUTRA_E_IO, "%s: no weights: expected " WHOLE_FILE " or " INDEX_FILE, folder);
}

/* The shard called `name` among files added so far, or num_files. Neighbours in the index
 * usually share a shard, so the search begins with the newest. */
static size_t find_shard(const SuTensorTable *table, const char *path)
{
    for (size_t i = table->num_files; i-- > 0;)
        if (strcmp(table->files[i].path, path) == 0) return i;
    return table->num_files;
}

static SutraStatus add_shard(const char *folder, const char *index_path, const char *tensor,
                             const json_t *value, SuTensorTable *table, SutraError *err)
{
    const char *name = json_string_value(value);
    if (!name || strlen(name) != json_string_length(value) || !su_path_is_contained(name))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: weight_map: %s: shard is not the name of a file in the folder", index_path,
                 tensor);
    char *path = su_path_join(folder, name);
    if (!path) return out_of_memory(index_path, err);
    SutraStatus status = SUTRA_OK;
    if (find_shard(table, path) == table->num_files) status = su_safetensors_add(table, path, err);
    su_free(path);
    return status;
}

static SutraStatus check_shard(const char *folder, const char *index_path, const char *tensor,
                               const json_t *value, const SuTensorTable *table, SutraError *err)
{
    const char *name = json_string_value(value);
    const SuTensorView *view = su_tensor_table_find(table, tensor);
    const char *path = view ? table->files[view->file].path : "";
    size_t folder_size = strlen(folder);
    if (!view || strcmp(path + folder_size + 1, name) != 0)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: weight_map: tensor %s is not in shard %s", index_path,
                 tensor, name);
    return SUTRA_OK;
}

static SutraStatus open_shards(const char *folder, const char *index_path, const json_t *index,
                               SuTensorTable *table, SutraError *err)
{
    json_t *weight_map = json_object_get(index, "weight_map");
    const char *tensor;
    json_t *value;
    if (!json_is_object(weight_map) || json_object_size(weight_map) == 0)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: weight_map is missing or empty", index_path);
    json_object_foreach(weight_map, tensor, value)
        SU_TRY(add_shard(folder, index_path, tensor, value, table, err));
    SU_TRY(su_tensor_table_seal(table, err));
    json_object_foreach(weight_map, tensor, value)
        SU_TRY(check_shard(folder, index_path, tensor, value, table, err));
    return SUTRA_OK;
}

static SutraStatus open_index(const char *folder, const char *index_path, SuTensorTable *table,
                              SutraError *err)
{
    json_t *index = NULL;
    SU_TRY(su_json_load(index_path, &index, err));
    SutraStatus status = open_shards(folder, index_path, index, table, err);
    json_decref(index);
    return status;
}

static SutraStatus open_whole(const char *path, SuTensorTable *table, SutraError *err)
{
    SU_TRY(su_safetensors_add(table, path, err));
    return su_tensor_table_seal(table, err);
}

SutraStatus su_safetensors_open_folder(const char *folder, SuTensorTable *table, SutraError *err)
{
    *table = (SuTensorTable){0};
    SutraStatus status;
    char *whole = su_path_join(folder, WHOLE_FILE);
    char *index = su_path_join(folder, INDEX_FILE);
    if (!whole || !index)
        status = out_of_memory(folder, err);
    else if (su_file_exists(whole))
        status = open_whole(whole, table, err);
    else if (su_file_exists(index))
        status = open_index(folder, index, table, err);
    else
        status = raise_no_weights(folder, err);
    if (status != SUTRA_OK) su_tensor_table_free(table);
    su_free(whole);
    su_free(index);
    return status;
}
