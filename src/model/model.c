#include "model/model.h"

#include "base/memory.h"
#include "model/bundle.h"
#include "model/family.h"
#include "model/known_keys.h"
#include "model/model_parts.h"
#include "weights/safetensors.h"

#include <stdio.h>
#include <string.h>

static SutraStatus out_of_memory(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), tail = strlen(ending);
    return size >= tail && strcmp(text + size - tail, ending) == 0;
}

static SutraStatus check_path(const char *path, SutraError *err)
{
    static const char *const other_formats[] = {".gguf", ".onnx", ".safetensors"};
    if (su_directory_exists(path)) return SUTRA_OK;
    if (!su_path_exists(path))
        SU_RAISE(err, SUTRA_E_IO, "%s: no such folder; expected a model's folder", path);
    for (size_t i = 0; i < sizeof other_formats / sizeof *other_formats; i++)
        if (ends_with(path, other_formats[i]))
            SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                     "%s: a %s file alone is not supported; give the folder of a model in Hugging "
                     "Face layout",
                     path, other_formats[i]);
    SU_RAISE(err, SUTRA_E_IO,
             "%s: not a folder; expected a model's folder with config.json, model.safetensors and "
             "tokenizer.json",
             path);
}

/* One of the NULL-terminated names is there. */
static SutraStatus has_any(const char *folder, const char *const *names, bool *found,
                           SutraError *err)
{
    *found = false;
    for (; *names && !*found; names++) {
        char *path = su_path_join(folder, *names);
        if (!path) return out_of_memory(folder, err);
        *found = su_path_exists(path);
        su_free(path);
    }
    return SUTRA_OK;
}

/* Half a model: names every part that is missing at once. */
static SutraStatus check_complete(const SuModuleChain *chain, SutraError *err)
{
    static const struct {
        const char *expected;
        const char *const names[6];
    } parts[] = {
        {"config.json", {"config.json", NULL}},
        {"model.safetensors",
         {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
          "pytorch_model.bin.index.json", "tf_model.h5", NULL}},
        {"tokenizer.json (or vocab.txt, sentencepiece.bpe.model)",
         {"tokenizer.json", "vocab.txt", "tokenizer.model", "sentencepiece.bpe.model",
          "spiece.model", NULL}},
    };
    static const char *const static_tokenizer[] = {"tokenizer.json", NULL};
    const char *folder = chain->transformer;
    char missing[128] = "";
    size_t used = 0;
    for (size_t i = chain->is_static ? 1 : 0; i < sizeof parts / sizeof *parts; i++) {
        bool found, tokenizer = chain->is_static && i == 2;
        SU_TRY(has_any(folder, tokenizer ? static_tokenizer : parts[i].names, &found, err));
        if (!found)
            used +=
                (size_t)snprintf(missing + used, sizeof missing - used, "%s%s", used ? ", " : "",
                                 tokenizer ? *static_tokenizer : parts[i].expected);
    }
    if (used)
        SU_RAISE(err, SUTRA_E_IO, "%s: not a complete model: expected %s in this folder", folder,
                 missing);
    return SUTRA_OK;
}

static uint64_t count_parameters(const SutraModel *model)
{
    uint64_t count = 0;
    for (size_t i = 0; i < model->num_tensors; i++) {
        const SutraTensor *tensor = &model->tensors[i];
        count += tensor->num_dims == 2 ? tensor->shape[0] * tensor->shape[1] : tensor->shape[0];
    }
    return count;
}

/* The type that most of the weights, by elements, are stored in. */
static const char *main_dtype(const SutraModel *model)
{
    static const char *const names[] = {[SUTRA_TENSOR_F32] = "float32",
                                        [SUTRA_TENSOR_F16] = "float16",
                                        [SUTRA_TENSOR_BF16] = "bfloat16",
                                        [SUTRA_TENSOR_I8] = "int8",
                                        [SUTRA_TENSOR_I32] = "int32"};
    static const uint32_t bytes[] = {[SUTRA_TENSOR_F32] = 4,
                                     [SUTRA_TENSOR_F16] = 2,
                                     [SUTRA_TENSOR_BF16] = 2,
                                     [SUTRA_TENSOR_I8] = 1,
                                     [SUTRA_TENSOR_I32] = 4};
    uint64_t elements[sizeof bytes / sizeof *bytes] = {0};
    uint32_t most = SUTRA_TENSOR_F32;
    for (size_t i = 0; i < model->num_tensors; i++) {
        uint32_t dtype = model->tensors[i].dtype;
        if (dtype == SUTRA_TENSOR_I32) continue; /* numbers of rows */
        elements[dtype] += model->tensors[i].size / bytes[dtype];
        if (elements[dtype] > elements[most]) most = dtype;
    }
    return names[most];
}

/* Weights are packed at the precision of the computation; half a byte is the smallest. */
static SutraStatus check_memory(SutraModel *model, const char *folder, uint64_t limit,
                                SutraError *err)
{
    static const uint32_t half_bytes[] = {
        [SUTRA_COMPUTE_DEFAULT] = 8, [SUTRA_COMPUTE_FP32] = 8, [SUTRA_COMPUTE_BF16] = 4,
        [SUTRA_COMPUTE_FP16] = 4,    [SUTRA_COMPUTE_INT8] = 2, [SUTRA_COMPUTE_INT4W] = 1,
        [SUTRA_COMPUTE_FP8] = 2};
    uint64_t needed = model->num_parameters * half_bytes[model->compute] / 2;
    model->weight_bytes = needed;
    if (limit && needed > limit)
        SU_RAISE(err, SUTRA_E_LIMIT,
                 "%s: the weights take %llu bytes in memory, over the limit of %llu", folder,
                 (unsigned long long)needed, (unsigned long long)limit);
    return SUTRA_OK;
}

/* The maps outlive the table: the tensors' data points into them. */
static SutraStatus take_maps(SutraModel *model, SuTensorTable *table, const char *where,
                             SutraError *err)
{
    model->maps = su_alloc(table->num_files, sizeof *model->maps);
    if (!model->maps) return out_of_memory(where, err);
    model->num_maps = table->num_files;
    for (size_t i = 0; i < table->num_files; i++) {
        model->maps[i] = table->files[i].map;
        table->files[i].map = (SuFileMap){0};
    }
    return SUTRA_OK;
}

/* family: NULL of a static model. */
static SutraStatus read_weights(SutraModel *model, const SuFamily *family,
                                const SuModuleChain *chain, SutraError *err)
{
    SuTensorTable table;
    const char *folder = chain->transformer;
    SU_TRY(su_safetensors_open_folder(folder, &table, err));
    const char *where = table.num_files == 1 ? table.files[0].path : folder;
    SutraStatus status = family ? su_family_bind(family, &table, where, &model->spec,
                                                 &model->tensors, &model->num_tensors, err)
                                : su_static_bind(model, chain, &table, where, err);
    if (status == SUTRA_OK && family && su_model_is_reranker(model))
        status = su_family_bind_heads(family, &table, where, &model->spec, &model->tensors,
                                      &model->num_tensors, err);
    if (status == SUTRA_OK) {
        model->num_parameters = count_parameters(model);
        model->dtype = main_dtype(model);
    }
    if (status == SUTRA_OK) status = take_maps(model, &table, folder, err);
    su_tensor_table_free(&table);
    return status;
}

static SutraStatus read_spec(SutraModel *model, SuModuleChain *chain, const SuFamily **family,
                             SutraError *err)
{
    SuConfigFile config;
    SU_TRY(su_config_file_open(chain->transformer, "config.json", &config, err));
    SutraStatus status = SUTRA_OK;
    if (!config.root) status = su_error_set(err, SUTRA_E_IO, "%s: no such file", config.path);
    if (status == SUTRA_OK)
        status = su_known_keys_check(&su_keys_of_config, config.root, "", config.path, err);
    if (status == SUTRA_OK) status = su_family_find(config.root, config.path, family, err);
    if (status == SUTRA_OK)
        status = su_family_configure(*family, config.root, config.path, &model->spec, err);
    if (status == SUTRA_OK)
        status = su_classifier_read(*family, config.root, config.path, chain, err);
    su_config_file_close(&config);
    model->window = (uint32_t *)model->spec.window;
    model->rope_base = (float *)model->spec.rope_base;
    if (status != SUTRA_OK) return status;
    model->max_positions = su_spec_longest(&model->spec);
    model->family = su_strdup((*family)->name);
    return model->family ? SUTRA_OK : out_of_memory(chain->transformer, err);
}

static SutraStatus set_heads(SutraModel *model, const SuModuleChain *chain, SutraError *err)
{
    SutraSpec *spec = &model->spec;
    if (chain->pooling_features && chain->pooling_features != spec->hidden_size)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: pools %u features, the encoder's hidden size is %u",
                 chain->pooling_path, chain->pooling_features, spec->hidden_size);
    uint32_t features = spec->hidden_size;
    spec->heads = model->heads;
    model->heads[spec->num_heads_out++] = (SutraHead){
        .kind = SUTRA_HEAD_POOLING, .in = features, .out = features, .activation = model->pooling};
    for (uint32_t i = 0; i < chain->num_dense; i++) {
        const SuDenseModule *dense = &chain->dense[i];
        if (dense->in != features)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: takes %u features, those before it are %u",
                     dense->folder, dense->in, features);
        features = dense->out;
        if (dense->norm) spec->head_norm_eps = 1e-5f; /* torch's default, which the module keeps */
        model->heads[spec->num_heads_out++] =
            (SutraHead){.kind = dense->norm ? SUTRA_HEAD_NORM : SUTRA_HEAD_DENSE,
                        .in = dense->in,
                        .out = features,
                        .activation = dense->activation};
    }
    if (model->normalize)
        model->heads[spec->num_heads_out++] =
            (SutraHead){.kind = SUTRA_HEAD_NORMALIZE, .in = features, .out = features};
    return SUTRA_OK;
}

/* The spec is of the weights, and model2vec's config.json says whether vectors are normalised. */
static SutraStatus read_static(SutraModel *model, const char *folder, SuModuleChain *chain,
                               uint64_t memory_limit, SutraError *err)
{
    if (chain->from_file) SU_TRY(su_model_read_prompts(model, folder, err));
    SU_TRY(read_weights(model, NULL, chain, err));
    SU_TRY(su_static_read_tokenizer(model, chain, err));
    SU_TRY(set_heads(model, chain, err));
    SU_TRY(su_model_bind_dense(model, chain, err));
    SU_TRY(check_memory(model, chain->transformer, memory_limit, err));
    return su_model_read_identity(model, folder, chain, err);
}

static SutraStatus read_parts(SutraModel *model, const char *folder, SuModuleChain *chain,
                              uint64_t memory_limit, SutraError *err)
{
    const SuFamily *family;
    SU_TRY(su_model_check_adapter(chain->transformer, err));
    SU_TRY(su_static_find(chain, err));
    SU_TRY(check_complete(chain, err));
    if (chain->is_static) return read_static(model, folder, chain, memory_limit, err);
    SU_TRY(read_spec(model, chain, &family, err));
    SU_TRY(chain->classifier ? su_classifier_heads(model, family, chain, err)
                             : set_heads(model, chain, err));
    if (chain->from_file) SU_TRY(su_model_read_prompts(model, folder, err));
    SU_TRY(read_weights(model, family, chain, err));
    SU_TRY(su_model_bind_dense(model, chain, err));
    SU_TRY(check_memory(model, chain->transformer, memory_limit, err));
    SU_TRY(su_model_read_tokenizer(model, chain, err));
    return su_model_read_identity(model, folder, chain, err);
}

static SutraStatus read_model(SutraModel *model, const char *folder, uint64_t memory_limit,
                              SutraError *err)
{
    SuModuleChain chain;
    model->path = su_strdup(folder);
    if (!model->path) return out_of_memory(folder, err);
    SU_TRY(su_model_check_modules(folder, err));
    SU_TRY(su_model_read_modules(model, folder, &chain, err));
    SutraStatus status = read_parts(model, folder, &chain, memory_limit, err);
    su_module_chain_free(&chain);
    return status;
}

SutraStatus su_model_open(const char *path, const SutraModelOptions *options, SutraModel **model,
                          SutraError *err)
{
    SutraCompute compute = options ? options->compute : SUTRA_COMPUTE_DEFAULT;
    *model = NULL;
    if (!path || !*path) SU_RAISE(err, SUTRA_E_ARGUMENT, "no path of a model was given");
    if ((unsigned)compute > SUTRA_COMPUTE_FP8)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%d is not a SutraCompute", (int)compute);
    bool bundle = su_bundle_is_path(path);
    if (!bundle) SU_TRY(check_path(path, err));
    SutraModel *opened = su_calloc(1, sizeof *opened);
    if (!opened) return out_of_memory(path, err);
    opened->references = 1;
    opened->compute = compute == SUTRA_COMPUTE_DEFAULT ? SUTRA_COMPUTE_FP32 : compute;
    pthread_mutex_init(&opened->resident_lock, NULL);
    pthread_cond_init(&opened->resident_loaded, NULL);
    SutraStatus status = bundle
                             ? su_bundle_read(opened, path, options, err)
                             : read_model(opened, path, options ? options->memory_limit : 0, err);
    if (status == SUTRA_OK)
        *model = opened;
    else
        su_model_destroy(opened);
    return status;
}
