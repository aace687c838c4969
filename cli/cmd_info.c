/* cmd_info.c - sutra info: the facts of a model. */
#include "commands.h"
#include "console.h"
#include "json_text.h"
#include "model_session.h"

#include <limits.h>
#include <string.h>

typedef struct InfoArgs {
    CliModelArgs model;
    uint32_t profile;
    bool json;
} InfoArgs;

static const CliOption own_options[] = {
    {"profile", 0, CLI_OPTION_CHOICE, CLI_PROFILE_WORDS, offsetof(InfoArgs, profile),
     "show what a profile comes to on this machine, and why", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(InfoArgs, json), "print one line of JSON", 0, 0},
};
static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(InfoArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
};

static void print_json_text(CliOutput *out, const char *key, const char *value)
{
    cli_output_print(out, "\"%s\":", key);
    cli_json_string(out, value, strlen(value));
    cli_output_write(out, ",", 1);
}

/* What a text goes through besides the sizes. */
static void print_json_recipe(CliOutput *out, const SutraModelInfo *info)
{
    cli_output_print(out, ",");
    print_json_text(out, "tokenizer_class", info->tokenizer_class);
    cli_output_print(out, "\"truncation_side\":\"%s\",\"include_prompt\":%s,\"truncate_dim\":",
                     info->truncate_left ? "left" : "right",
                     info->include_prompt ? "true" : "false");
    if (info->truncate_dim)
        cli_output_print(out, "%u", info->truncate_dim);
    else
        cli_output_print(out, "null");
    cli_output_print(out, ",\"modules\":[");
    for (uint32_t i = 0; i < info->num_modules; i++) {
        const SutraModuleInfo *module = &info->modules[i];
        cli_output_print(out, "%s{\"type\":\"%s\",\"in\":%u,\"out\":%u", i ? "," : "", module->type,
                         module->in, module->out);
        if (*module->activation)
            cli_output_print(out, ",\"activation\":\"%s\"", module->activation);
        cli_output_print(out, "}");
    }
    cli_output_print(out, "]");
}

static void print_json(CliOutput *out, const SutraModelInfo *info, const char *path)
{
    cli_output_write(out, "{", 1);
    print_json_text(out, "name", info->name);
    print_json_text(out, "family", info->family);
    print_json_text(out, "path", path);
    print_json_text(out, "revision", info->revision);
    print_json_text(out, "digest", info->digest);
    print_json_text(out, "bundle_digest", info->bundle_digest);
    print_json_text(out, "dtype", info->dtype);
    print_json_text(out, "compute", sutra_compute_name(info->compute));
    print_json_text(out, "kind", *info->score_activation ? "reranker" : "embedding");
    if (*info->score_activation) print_json_text(out, "score", info->score_activation);
    print_json_text(out, "pooling", info->pooling);
    cli_output_print(
        out,
        "\"normalize\":%s,\"dim\":%u,\"hidden_size\":%u,\"num_layers\":%u,\"num_heads\":%u,"
        "\"vocab_size\":%u,\"max_tokens\":%u,\"max_positions\":%u,"
        "\"num_parameters\":%llu,\"default_prompt\":",
        info->normalize ? "true" : "false", info->dim, info->hidden_size, info->num_layers,
        info->num_heads, info->vocab_size, info->max_tokens, info->max_positions,
        (unsigned long long)info->num_parameters);
    if (info->default_prompt)
        cli_json_string(out, info->default_prompt, strlen(info->default_prompt));
    else
        cli_output_print(out, "null");
    print_json_recipe(out, info);
    cli_output_print(out, ",\"prompts\":{");
    for (uint32_t i = 0; i < info->num_prompts; i++) {
        if (i) cli_output_write(out, ",", 1);
        cli_json_string(out, info->prompt_names[i], strlen(info->prompt_names[i]));
        cli_output_write(out, ":", 1);
        cli_json_string(out, info->prompts[i], strlen(info->prompts[i]));
    }
    cli_output_print(out, "}}\n");
}

static void print_text(CliOutput *out, const char *key, const char *value)
{
    if (*value) cli_output_print(out, "%-16s %s\n", key, value);
}

static void print_number(CliOutput *out, const char *key, uint64_t value)
{
    cli_output_print(out, "%-16s %llu\n", key, (unsigned long long)value);
}

/* From pooling to the vector, and the prompt of a text for which none is named. */
static void print_embedding(CliOutput *out, const SutraModelInfo *info)
{
    print_text(out, "prompt tokens", info->include_prompt ? "pooled" : "not pooled");
    for (uint32_t i = 0; i < info->num_modules; i++) {
        const SutraModuleInfo *module = &info->modules[i];
        cli_output_print(out, "%-16s %s, %u -> %u%s%s\n", "module", module->type, module->in,
                         module->out, *module->activation ? ", " : "", module->activation);
    }
    print_text(out, "normalize", info->normalize ? "yes" : "no");
    if (info->truncate_dim) print_number(out, "truncate dim", info->truncate_dim);
    print_text(out, "default prompt", info->default_prompt ? info->default_prompt : "none");
}

static void print_readable(CliOutput *out, const SutraModelInfo *info, const char *path)
{
    print_text(out, "name", info->name);
    print_text(out, "family", info->family);
    print_text(out, "path", path);
    print_text(out, "revision", info->revision);
    print_text(out, "digest", info->digest);
    print_text(out, "bundle digest", info->bundle_digest);
    print_text(out, "weights", info->dtype);
    print_text(out, "compute", sutra_compute_name(info->compute));
    print_number(out, "parameters", info->num_parameters);
    if (*info->score_activation)
        cli_output_print(out, "%-16s reranker: a score a pair of texts, %s of its logit\n", "kind",
                         info->score_activation);
    else
        print_number(out, "dimensions", info->dim);
    print_number(out, "hidden size", info->hidden_size);
    print_number(out, "layers", info->num_layers);
    print_number(out, "heads", info->num_heads);
    print_number(out, "vocabulary", info->vocab_size);
    if (info->max_tokens == UINT32_MAX)
        print_text(out, "max tokens", "any number");
    else
        print_number(out, "max tokens", info->max_tokens);
    print_number(out, "max positions", info->max_positions);
    print_text(out, "tokenizer", info->tokenizer_class);
    print_text(out, "truncation",
               info->truncate_left ? "left: the end of a text is kept"
                                   : "right: the start of a text is kept");
    print_text(out, "pooling", info->pooling);
    if (!*info->score_activation) print_embedding(out, info);
    for (uint32_t i = 0; i < info->num_prompts; i++) {
        bool is_default =
            info->default_prompt && strcmp(info->default_prompt, info->prompt_names[i]) == 0;
        cli_output_print(out, "%-16s %s%s: ", "prompt", info->prompt_names[i],
                         is_default ? " (default)" : "");
        cli_json_string(out, info->prompts[i], strlen(info->prompts[i]));
        cli_output_write(out, "\n", 1);
    }
}

static SutraStatus show(const InfoArgs *args, const char *name, SutraError *err)
{
    char path[PATH_MAX];
    CliSession session;
    CliOutput out;
    CliModelArgs model = {.model = name, .revision = args->model.revision, .no_cache = true};
    SutraStatus status = cli_find_model(name, args->model.revision, path, sizeof path, err);
    if (status == SUTRA_OK) status = cli_session_open(&session, &model, false, err);
    if (status != SUTRA_OK) return status;
    status = cli_output_open(&out, NULL, false, err);
    if (status == SUTRA_OK) {
        (args->json ? print_json : print_readable)(&out, &session.info, path);
        status = cli_output_commit(&out, err);
    }
    cli_session_close(&session);
    return status;
}

static void print_profile(CliOutput *out, const SutraConfig *config, bool json)
{
    const char *compute = sutra_compute_name(config->compute);
    const char *dtype = cli_dtype_name(config->dtype);
    if (!json) {
        print_text(out, "profile", config->profile);
        print_text(out, "model", config->model->name);
        print_text(out, "compute", compute);
        print_number(out, "dimensions", config->dim);
        print_text(out, "output dtype", dtype);
        print_number(out, "bytes a vector", sutra_row_bytes(config->dtype, config->dim));
        print_text(out, "because", config->reason);
        return;
    }
    cli_output_write(out, "{", 1);
    print_json_text(out, "profile", config->profile);
    print_json_text(out, "model", config->model->name);
    print_json_text(out, "compute", compute);
    print_json_text(out, "output_dtype", dtype);
    print_json_text(out, "reason", config->reason);
    cli_output_print(out, "\"dim\":%u,\"row_bytes\":%zu}\n", config->dim,
                     sutra_row_bytes(config->dtype, config->dim));
}

static SutraStatus show_profile(const InfoArgs *args, SutraError *err)
{
    SutraConfig config;
    CliOutput out;
    SutraStatus status = cli_profile_config(args->profile, 0, &config, err);
    if (status == SUTRA_OK) status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    print_profile(&out, &config, args->json);
    return cli_output_commit(&out, err);
}

static int run_info(const void *given, const CliArguments *rest)
{
    const InfoArgs *args = given;
    SutraError err = {0};
    if (rest->count > 1 || (rest->count && args->model.model))
        return cli_usage("info", "takes one model: %s", rest->items[rest->count - 1]);
    if (args->profile && (rest->count || args->model.model))
        return cli_usage("info", "--profile chooses the model: give it without one");
    if (args->profile)
        return show_profile(args, &err) == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
    const char *name = rest->count ? rest->items[0] : args->model.model;
    return show(args, name, &err) == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_info_command = {
    .name = "info",
    .arguments = "[OPTION ...] [MODEL]",
    .summary = "show a model's facts",
    .details = "Shows what a model is, and all that a text goes through on its way to a vector: "
               "tokenizer,\n"
               "truncation, prompts, pooling, Dense modules, normalisation.\n"
               "\n"
               "  sutra info all-MiniLM-L6-v2\n"
               "  sutra info --profile auto",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(InfoArgs),
    .run = run_info,
};
