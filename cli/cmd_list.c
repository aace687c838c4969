/* cmd_list.c - sutra list: the registry's models and which of them are here. */
#include "commands.h"
#include "console.h"
#include "json_text.h"
#include "sutra_hub.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct ListArgs {
    bool json;
} ListArgs;

static const CliOption own_options[] = {
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(ListArgs, json), "print one line of JSON a model",
     0, 0},
};
static const CliOptionGroup groups[] = {{own_options, CLI_COUNT(own_options), 0}};

/* A line of the list: a model of the registry, of the cache, or of both. */
typedef struct Line {
    const SutraRegistryModel *known; /* or NULL */
    const SutraCacheModel *present;  /* or NULL */
    const char *repo;
} Line;

/* Pooling, shorter lengths of vectors and prompts; of a reranker, none of these. */
static void print_json_recipe(CliOutput *out, const SutraRegistryModel *known)
{
    static const char *const poolings[] = {[SUTRA_POOL_CLS] = "cls",
                                           [SUTRA_POOL_MEAN] = "mean",
                                           [SUTRA_POOL_MAX] = "max",
                                           [SUTRA_POOL_MEAN_SQRT] = "mean_sqrt",
                                           [SUTRA_POOL_WEIGHTED_MEAN] = "weighted_mean",
                                           [SUTRA_POOL_LAST] = "last"};
    cli_output_print(out, ",\"pooling\":\"%s\",\"matryoshka\":[", poolings[known->pooling]);
    for (uint32_t i = 0; i < known->num_matryoshka; i++)
        cli_output_print(out, "%s%u", i ? "," : "", known->matryoshka[i]);
    cli_output_print(out, "],\"needs_prompt\":%s,\"prompts\":{",
                     known->needs_prompt ? "true" : "false");
    for (uint32_t i = 0; i < known->num_prompts; i++) {
        if (i) cli_output_write(out, ",", 1);
        cli_json_string(out, known->prompts[i].name, strlen(known->prompts[i].name));
        cli_output_write(out, ":", 1);
        cli_json_string(out, known->prompts[i].text, strlen(known->prompts[i].text));
    }
    cli_output_write(out, "}", 1);
}

static void print_json(CliOutput *out, const Line *line)
{
    cli_output_print(out, "{\"name\":");
    const char *name = line->known ? line->known->name : line->repo;
    cli_json_string(out, name, strlen(name));
    cli_output_print(out, ",\"repo\":");
    cli_json_string(out, line->repo, strlen(line->repo));
    if (line->known)
        cli_output_print(
            out,
            ",\"family\":\"%s\",\"kind\":\"%s\",\"dim\":%u,\"max_tokens\":%u,\"licence\":\"%s\","
            "\"languages\":\"%s\"",
            line->known->family, line->known->is_reranker ? "reranker" : "embedding",
            line->known->dimensions, line->known->max_tokens, line->known->licence,
            line->known->languages);
    if (line->known && !line->known->is_reranker) print_json_recipe(out, line->known);
    cli_output_print(out, ",\"present\":%s", line->present ? "true" : "false");
    if (line->present) {
        cli_output_print(out, ",\"revision\":");
        cli_json_string(out, line->present->revision, strlen(line->present->revision));
        cli_output_print(out, ",\"bytes\":%llu,\"path\":", (unsigned long long)line->present->size);
        cli_json_string(out, line->present->path, strlen(line->present->path));
    }
    cli_output_print(out, "}\n");
}

static void print_readable(CliOutput *out, const Line *line)
{
    const SutraRegistryModel *known = line->known;
    char size[32] = "";
    if (line->present) snprintf(size, sizeof size, "%.1f MB", (double)line->present->size / 1e6);
    char dim[16] = "score";
    if (known && !known->is_reranker) snprintf(dim, sizeof dim, "%u", known->dimensions);
    if (known)
        cli_output_print(out, "%-38s %5s %7u  %-13s %s\n", known->name, dim, known->max_tokens,
                         known->languages, size);
    else
        cli_output_print(out, "%-38s %5s %7s  %-13s %s\n", line->repo, "", "", "", size);
}

static void print_lines(CliOutput *out, const Line *lines, size_t count, bool json)
{
    if (!json)
        cli_output_print(out, "%-38s %5s %7s  %-13s %s\n", "NAME", "DIM", "TOKENS", "LANGUAGES",
                         "PRESENT");
    for (size_t i = 0; i < count; i++) {
        if (json)
            print_json(out, &lines[i]);
        else
            print_readable(out, &lines[i]);
    }
}

/* The registry in its order, then what else is in the cache. Returns the number of lines. */
static size_t merge(const SutraCacheModel *present, size_t num_present, Line *lines)
{
    size_t count = 0;
    for (size_t i = 0; i < sutra_registry_count(); i++) {
        const SutraRegistryModel *known = sutra_registry_at(i);
        lines[count] = (Line){.known = known, .repo = known->repo};
        for (size_t j = 0; j < num_present; j++)
            if (strcmp(present[j].repo, known->repo) == 0) lines[count].present = &present[j];
        count++;
    }
    for (size_t j = 0; j < num_present; j++)
        if (!present[j].info)
            lines[count++] = (Line){.present = &present[j], .repo = present[j].repo};
    return count;
}

static SutraStatus list_models(const ListArgs *args, SutraError *err)
{
    char folder[PATH_MAX];
    CliOutput out;
    SutraCacheList *cache = NULL;
    SutraStatus status = sutra_cache_directory(getenv, folder, sizeof folder, err);
    if (status == SUTRA_OK) status = sutra_cache_list(folder, &cache, err);
    if (status != SUTRA_OK) return status;
    size_t num_present = sutra_cache_list_count(cache);
    SutraCacheModel *present = cli_alloc(num_present, sizeof *present);
    Line *lines = cli_alloc(num_present + sutra_registry_count(), sizeof *lines);
    for (size_t i = 0; i < num_present && status == SUTRA_OK; i++) {
        present[i].struct_size = sizeof *present;
        status = sutra_cache_list_at(cache, i, &present[i], err);
    }
    if (status == SUTRA_OK) status = cli_output_open(&out, NULL, false, err);
    if (status == SUTRA_OK) {
        print_lines(&out, lines, merge(present, num_present, lines), args->json);
        status = cli_output_commit(&out, err);
    }
    free(lines);
    free(present);
    sutra_cache_list_free(cache);
    return status;
}

static int run_list(const void *given, const CliArguments *rest)
{
    SutraError err = {0};
    if (rest->count) return cli_usage("list", "takes no argument: %s", rest->items[0]);
    return list_models(given, &err) == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_list_command = {
    .name = "list",
    .arguments = "[OPTION ...]",
    .summary = "list known models and which are present",
    .details =
        "Lists the models of the registry, and beside those that are in the cache (HF_HUB_CACHE,\n"
        "HF_HOME) their size.",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(ListArgs),
    .run = run_list,
};
