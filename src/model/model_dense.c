/* Dense and LayerNorm modules:
 *
 *   2_Dense/config.json         {"in_features": 768, "out_features": 512, "bias": true,
 *                                "activation_function": "torch.nn.modules.activation.Tanh"}
 *   2_Dense/model.safetensors   linear.weight [out, in], linear.bias [out]
 *   3_LayerNorm/config.json     {"dimension": 512}
 *   3_LayerNorm/model.safetensors   norm.weight [dimension], norm.bias [dimension]
 */
#include "base/memory.h"
#include "model/family.h"
#include "model/known_keys.h"
#include "model/model_parts.h"
#include "weights/safetensors.h"

#include <string.h>

/* ---- config.json ---- */

/* Other features than the pooled vector would be another output. */
static SutraStatus check_names(const SuConfigFile *file, SutraError *err)
{
    static const char *const keys[] = {"module_input_name", "module_output_name"};
    for (size_t i = 0; i < 2; i++) {
        const char *name = "sentence_embedding";
        SU_TRY(su_json_get_string(file->root, keys[i], file->path, &name, err));
        if (strcmp(name, "sentence_embedding") != 0)
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s \"%.40s\" is not supported", file->path,
                     keys[i], name);
    }
    return SUTRA_OK;
}

static SutraStatus parse(const SuConfigFile *file, SuDenseModule *dense, SutraError *err)
{
    bool residual = false;
    if (!file->root)
        SU_RAISE(err, SUTRA_E_IO, "%s: no such file; modules.json asks for it", file->path);
    SU_TRY(su_json_get_u32(file->root, "in_features", file->path, 1, 1u << 16, &dense->in, err));
    SU_TRY(su_json_get_u32(file->root, "out_features", file->path, 1, 1u << 16, &dense->out, err));
    if (!dense->in || !dense->out)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: in_features or out_features is missing", file->path);
    SU_TRY(su_json_get_bool(file->root, "bias", file->path, &dense->bias, err));
    SU_TRY(su_json_get_bool(file->root, "use_residual", file->path, &residual, err));
    if (residual)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: use_residual is not supported", file->path);
    SU_TRY(check_names(file, err));
    const char *class = "torch.nn.modules.activation.Tanh";
    SU_TRY(su_json_get_string(file->root, "activation_function", file->path, &class, err));
    return su_model_activation(class, "activation_function", file->path, &dense->activation, err);
}

static SutraStatus parse_norm(const SuConfigFile *file, SuDenseModule *norm, SutraError *err)
{
    if (!file->root)
        SU_RAISE(err, SUTRA_E_IO, "%s: no such file; modules.json asks for it", file->path);
    SU_TRY(su_known_keys_check(&su_keys_of_layer_norm, file->root, "", file->path, err));
    SU_TRY(su_json_get_u32(file->root, "dimension", file->path, 1, 1u << 16, &norm->in, err));
    if (!norm->in) SU_RAISE(err, SUTRA_E_FORMAT, "%s: dimension is missing", file->path);
    norm->out = norm->in;
    return SUTRA_OK;
}

SutraStatus su_model_read_dense(char *folder, bool norm, SuModuleChain *chain, SutraError *err)
{
    SuConfigFile file;
    SuDenseModule dense = {.norm = norm, .bias = true};
    if (chain->num_dense == SU_MAX_DENSE)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: more than %d Dense and LayerNorm modules", folder,
                 SU_MAX_DENSE);
    SU_TRY(su_config_file_open(folder, "config.json", &file, err));
    SutraStatus status = norm ? parse_norm(&file, &dense, err) : parse(&file, &dense, err);
    su_config_file_close(&file);
    if (status != SUTRA_OK) return status;
    dense.folder = folder;
    chain->dense[chain->num_dense++] = dense;
    return SUTRA_OK;
}

/* ---- weights ---- */

static SutraStatus bind_tensor(SutraModel *model, const SuTensorTable *table, const char *name,
                               SutraRole role, uint32_t head, uint64_t columns, SutraError *err)
{
    const char *path = table->files[0].path;
    const SuTensorView *view = su_tensor_table_find(table, name);
    SutraTensor *tensor = &model->tensors[model->num_tensors];
    if (!view) SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s is missing", path, name);
    SU_TRY(su_tensor_from_view(view, path, "its config.json", model->heads[head].out, columns,
                               tensor, err));
    tensor->role = role;
    tensor->layer = head;
    model->num_tensors++;
    model->num_parameters += tensor->shape[0] * (columns ? columns : 1);
    return SUTRA_OK;
}

static SutraStatus bind_module(SutraModel *model, const SuDenseModule *dense, uint32_t head,
                               SutraError *err)
{
    SuTensorTable table;
    SU_TRY(su_safetensors_open_folder(dense->folder, &table, err));
    SutraStatus status = SUTRA_OK;
    if (table.num_files != 1)
        status =
            su_error_set(err, SUTRA_E_UNSUPPORTED, "%s: a module of several files", dense->folder);
    if (status == SUTRA_OK)
        status = bind_tensor(model, &table, dense->norm ? "norm.weight" : "linear.weight",
                             dense->norm ? SUTRA_ROLE_HEAD_NORM_WEIGHT : SUTRA_ROLE_DENSE_WEIGHT,
                             head, dense->norm ? 0 : dense->in, err);
    if (status == SUTRA_OK && dense->bias)
        status = bind_tensor(model, &table, dense->norm ? "norm.bias" : "linear.bias",
                             dense->norm ? SUTRA_ROLE_HEAD_NORM_BIAS : SUTRA_ROLE_DENSE_BIAS, head,
                             0, err);
    if (status == SUTRA_OK) { /* the tensors' data points into the map */
        model->maps[model->num_maps++] = table.files[0].map;
        table.files[0].map = (SuFileMap){0};
    }
    su_tensor_table_free(&table);
    return status;
}

SutraStatus su_model_bind_dense(SutraModel *model, const SuModuleChain *chain, SutraError *err)
{
    if (chain->num_dense == 0) return SUTRA_OK;
    SutraTensor *tensors = su_realloc(
        model->tensors, model->num_tensors + 2 * (size_t)chain->num_dense, sizeof *tensors);
    if (tensors) model->tensors = tensors;
    SuFileMap *maps =
        su_realloc(model->maps, model->num_maps + (size_t)chain->num_dense, sizeof *maps);
    if (maps) model->maps = maps;
    if (!tensors || !maps)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %u modules", chain->num_dense);
    for (uint32_t i = 0; i < chain->num_dense; i++)
        SU_TRY(bind_module(model, &chain->dense[i], i + 1, err)); /* head 0 is the pooling */
    return SUTRA_OK;
}
