/* sutra.h: models. */
#include "api/model_open.h"
#include "base/status.h"
#include "model/family.h"
#include "model/model.h"
#include "pipeline/engine.h"

#include <string.h>

int sutra_family_is_known(const char *model_type)
{
    return model_type && su_family_is_known(model_type);
}

SutraStatus sutra_model_open(const char *path, const SutraModelOptions *options, SutraModel **model,
                             SutraError *err)
{
    SutraModelOptions o;
    if (!model) SU_RAISE(err, SUTRA_E_ARGUMENT, "model is NULL");
    *model = NULL;
    if (!path || !*path) SU_RAISE(err, SUTRA_E_ARGUMENT, "path is NULL or empty");
    SU_TRY(su_options_read(&o, sizeof o, options, "SutraModelOptions", err));
    o.struct_size = sizeof o;
    if (o.cache_dir && *o.cache_dir && su_directory_exists(path))
        return su_open_through_cache(path, &o, model, err);
    return su_model_open(path, &o, model, err);
}

SutraModel *sutra_model_retain(SutraModel *model) { return su_model_retain(model); }

void sutra_model_free(SutraModel *model) { su_model_free(model); }

static const char *pooling_name(SutraPooling pooling)
{
    static const char *const names[] = {"model",     "cls",           "mean", "max",
                                        "mean_sqrt", "weighted_mean", "last"};
    return names[pooling];
}

static const char *activation_name(uint32_t activation)
{
    static const char *const names[] = {
        [SUTRA_ACT_NONE] = "identity",       [SUTRA_ACT_GELU_ERF] = "gelu",
        [SUTRA_ACT_GELU_TANH] = "gelu_tanh", [SUTRA_ACT_RELU] = "relu",
        [SUTRA_ACT_SILU] = "silu",           [SUTRA_ACT_TANH] = "tanh",
        [SUTRA_ACT_SIGMOID] = "sigmoid"};
    return names[activation];
}

static const char *score_activation(const SutraModel *model)
{
    if (!su_model_is_reranker(model)) return "";
    return activation_name(model->spec.heads[model->spec.num_heads_out - 1].activation);
}

/* A reranker's linears are its head, no modules. */
static void list_modules(const SutraModel *model, SutraModelInfo *info)
{
    _Static_assert(sizeof info->modules / sizeof *info->modules ==
                       sizeof model->heads / sizeof *model->heads,
                   "room for every head");
    for (uint32_t i = 0; i < model->spec.num_heads_out && !su_model_is_reranker(model); i++) {
        const SutraHead *head = &model->spec.heads[i];
        if (head->kind == SUTRA_HEAD_DENSE)
            info->modules[info->num_modules++] =
                (SutraModuleInfo){"Dense", head->in, head->out, activation_name(head->activation)};
        if (head->kind == SUTRA_HEAD_NORM)
            info->modules[info->num_modules++] =
                (SutraModuleInfo){"LayerNorm", head->in, head->out, ""};
    }
}

static uint32_t outputs_of(const SutraModel *model)
{
    if (su_model_is_reranker(model)) return 1u << SUTRA_OUT_SCORES;
    if (su_model_is_static(model)) return 1u << SUTRA_OUT_POOLED;
    return 1u << SUTRA_OUT_POOLED | 1u << SUTRA_OUT_TOKENS;
}

SutraStatus sutra_model_info(const SutraModel *model, SutraModelInfo *info, SutraError *err)
{
    if (!model || !info) SU_RAISE(err, SUTRA_E_ARGUMENT, "model or info is NULL");
    uint32_t size = info->struct_size;
    if (size < sizeof size) SU_RAISE(err, SUTRA_E_ABI, "SutraModelInfo: struct_size is not set");
    SutraModelInfo full = {
        .struct_size = size,
        .hidden_size = model->spec.hidden_size,
        .max_tokens = model->max_tokens,
        .outputs = outputs_of(model),
        .name = model->name,
        .family = model->family,
        .digest = model->digest,
        .pooling = pooling_name(model->pooling),
        .revision = model->revision,
        .num_layers = model->spec.num_layers,
        .num_heads = model->spec.num_heads,
        .vocab_size = model->spec.vocab_size,
        .max_positions = model->max_positions,
        .normalize = model->normalize,
        .num_prompts = model->num_prompts,
        .prompt_names = model->prompt_names,
        .prompts = model->prompt_texts,
        .default_prompt = model->default_prompt,
        .weight_bytes = model->weight_bytes,
        .num_parameters = model->num_parameters,
        .compute = model->compute == SUTRA_COMPUTE_DEFAULT ? SUTRA_COMPUTE_FP32 : model->compute,
        .dtype = model->dtype,
        .bundle = model->bundle_digest ? model->path : "",
        .bundle_digest = model->bundle_digest ? model->bundle_digest : "",
        .cache_problem = model->cache_problem ? model->cache_problem : "",
        .dim = su_model_dim(model),
        .score_activation = score_activation(model),
        .tokenizer_class = model->tokenizer_class,
        .truncate_left = model->truncate_left,
        .include_prompt = model->pool_prompt,
        .truncate_dim = model->truncate_dim,
    };
    list_modules(model, &full);
    memcpy(info, &full, size < sizeof full ? size : sizeof full);
    return SUTRA_OK;
}

SutraStatus sutra_model_prompt(const SutraModel *model, const char *prompt_name,
                               const char **prompt, SutraError *err)
{
    if (!model || !prompt) SU_RAISE(err, SUTRA_E_ARGUMENT, "model or prompt is NULL");
    return su_model_prompt(model, prompt_name, prompt, err);
}
