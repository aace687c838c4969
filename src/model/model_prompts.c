/* config_sentence_transformers.json: {"model_type": "SentenceTransformer",
 * "prompts": {"query": "query: ", …}, "default_prompt_name": "query" or null,
 * "truncate_dim": 256 or null, …}. */
#include "base/memory.h"
#include "model/model_parts.h"

#include <stdio.h>
#include <string.h>

static SutraStatus out_of_memory(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
}

/* A prompt is text, put before the user's: any string; null is the empty prompt. */
static SutraStatus add_prompt(SutraModel *model, const char *name, const json_t *value,
                              const char *where, SutraError *err)
{
    if (!json_is_string(value) && !json_is_null(value))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: prompts: %s is not a string", where, name);
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strlen(text) != (json_is_string(value) ? json_string_length(value) : 0))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: prompts: %s holds a NUL", where, name);
    SuPrompt *prompt = &model->prompts[model->num_prompts];
    *prompt = (SuPrompt){.name = su_strdup(name), .text = su_strdup(text)};
    model->num_prompts++;
    if (!prompt->name || !prompt->text) return out_of_memory(where, err);
    model->prompt_names[model->num_prompts - 1] = prompt->name;
    model->prompt_texts[model->num_prompts - 1] = prompt->text;
    return SUTRA_OK;
}

static SutraStatus read_prompts(SutraModel *model, json_t *prompts, const char *where,
                                SutraError *err)
{
    const char *name;
    json_t *value;
    if (!prompts || json_is_null(prompts)) return SUTRA_OK;
    if (!json_is_object(prompts))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: prompts is not an object", where);
    size_t count = json_object_size(prompts);
    model->prompts = su_calloc(count, sizeof *model->prompts);
    model->prompt_names = su_calloc(count, sizeof *model->prompt_names);
    model->prompt_texts = su_calloc(count, sizeof *model->prompt_texts);
    if (!model->prompts || !model->prompt_names || !model->prompt_texts)
        return out_of_memory(where, err);
    json_object_foreach(prompts, name, value) SU_TRY(add_prompt(model, name, value, where, err));
    return SUTRA_OK;
}

static const SuPrompt *find_prompt(const SutraModel *model, const char *name)
{
    for (uint32_t i = 0; i < model->num_prompts; i++)
        if (strcmp(model->prompts[i].name, name) == 0) return &model->prompts[i];
    return NULL;
}

/* The reference knows an empty prompt of each of these names without being told. */
static bool is_empty_prompt(const char *name)
{
    return strcmp(name, "query") == 0 || strcmp(name, "document") == 0;
}

static SutraStatus read_default(SutraModel *model, const json_t *config, const char *where,
                                SutraError *err)
{
    const char *name = NULL;
    SU_TRY(su_json_get_string(config, "default_prompt_name", where, &name, err));
    if (!name) return SUTRA_OK;
    const SuPrompt *prompt = find_prompt(model, name);
    if (!prompt && is_empty_prompt(name)) return SUTRA_OK;
    if (!prompt)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: default_prompt_name \"%.60s\" is not among the prompts",
                 where, name);
    model->default_prompt = prompt->name;
    return SUTRA_OK;
}

static SutraStatus check_model_type(const json_t *config, const char *where, SutraError *err)
{
    const char *type = "SentenceTransformer";
    SU_TRY(su_json_get_string(config, "model_type", where, &type, err));
    if (strcmp(type, "SentenceTransformer") != 0 && strcmp(type, "CrossEncoder") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: model_type \"%.60s\" is not supported; known: SentenceTransformer, "
                 "CrossEncoder",
                 where, type);
    return SUTRA_OK;
}

SutraStatus su_model_read_prompts(SutraModel *model, const char *folder, SutraError *err)
{
    SuConfigFile file;
    SU_TRY(su_config_file_open(folder, "config_sentence_transformers.json", &file, err));
    SutraStatus status = SUTRA_OK;
    if (file.root) {
        status = check_model_type(file.root, file.path, err);
        if (status == SUTRA_OK)
            status = su_json_get_u32(file.root, "truncate_dim", file.path, 1, UINT32_MAX,
                                     &model->truncate_dim, err);
        if (status == SUTRA_OK)
            status = read_prompts(model, json_object_get(file.root, "prompts"), file.path, err);
        if (status == SUTRA_OK) status = read_default(model, file.root, file.path, err);
    }
    su_config_file_close(&file);
    return status;
}

SutraStatus su_model_prompt(const SutraModel *model, const char *name, const char **text,
                            SutraError *err)
{
    if (!name) name = model->default_prompt;
    *text = "";
    if (!name || !*name) return SUTRA_OK;
    const SuPrompt *prompt = find_prompt(model, name);
    if (prompt) {
        *text = prompt->text;
        return SUTRA_OK;
    }
    if (is_empty_prompt(name)) return SUTRA_OK;
    *text = NULL;
    char known[300] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < model->num_prompts && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 model->prompts[i].name);
    SU_RAISE(err, SUTRA_E_ARGUMENT, "model %s has no prompt \"%.60s\"; known: %s", model->name,
             name, *known ? known : "none");
}
