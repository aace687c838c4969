/* cmd_pull.c - sutra pull: a model into the cache, by libsutra-hub.
 *
 * The library is opened here and nowhere else: it brings TLS, which costs milliseconds at start. It
 * lies beside the program or in the library folder (the program's run path). Interrupting a
 * download leaves what has arrived in the cache; the next pull goes on from there. */
#include "commands.h"
#include "console.h"
#include "json_text.h"
#include "model_session.h"
#include "sutra_hub.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct PullArgs {
    const char *revision, *from;
    bool json;
} PullArgs;

static const CliOption own_options[] = {
    {"revision", 0, CLI_OPTION_TEXT, "REVISION", offsetof(PullArgs, revision),
     "branch, tag or commit (default: main)", 0, 0},
    {"from", 0, CLI_OPTION_TEXT, "DIR", offsetof(PullArgs, from),
     "copy the model from a local folder instead; digests are checked all the same", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(PullArgs, json),
     "print what was done as one line of JSON", 0, 0},
};
static const CliOptionGroup groups[] = {{own_options, CLI_COUNT(own_options), 0}};

static void show_progress(void *user, const SutraHubProgress *progress)
{
    (void)user;
    if (progress->phase == SUTRA_HUB_RETRYING && progress->note) {
        cli_message("%s", progress->note);
        return;
    }
    if (progress->total_size)
        cli_progress_line("%s  %.1f of %.1f MB", progress->file, (double)progress->total_done / 1e6,
                          (double)progress->total_size / 1e6);
    else
        cli_progress_line("%s", progress->note ? progress->note : progress->file);
}

static void *find_function(void *library, const char *name, SutraError *err)
{
    void *symbol = dlsym(library, name);
    if (!symbol)
        cli_raise(err, SUTRA_E_ABI, "%s has no %s; it is of another version", SUTRA_HUB_LIBRARY,
                  name);
    return symbol;
}

static SutraStatus call_library(void *library, const char *name, const PullArgs *args,
                                SutraHubResult *result, SutraError *err)
{
    SutraHubStore store;
    SutraHubOptions options = {.struct_size = sizeof options};
    SutraHubPullFunction pull;
    SutraHubImportFunction import;
    SutraStatus status = sutra_hub_environment(getenv, &store, &options, err);
    if (status != SUTRA_OK) return status;
    options.revision = args->revision;
    options.progress = show_progress;
    void *symbol = find_function(library, args->from ? "sutra_hub_import" : "sutra_hub_pull", err);
    if (!symbol) return SUTRA_E_ABI;
    /* object pointer to function pointer: a conversion that ISO C leaves to POSIX */
    if (args->from) {
        memcpy(&import, &symbol, sizeof import);
        return import(name, args->from, &options, result, err);
    }
    memcpy(&pull, &symbol, sizeof pull);
    return pull(name, &options, result, err);
}

static SutraStatus pull_model(const char *name, const PullArgs *args, SutraHubResult *result,
                              SutraError *err)
{
    void *library = dlopen(SUTRA_HUB_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return cli_raise(err, SUTRA_E_UNSUPPORTED,
                         "downloading needs %s, which cannot be opened: %s", SUTRA_HUB_LIBRARY,
                         dlerror());
    SutraStatus status = call_library(library, name, args, result, err);
    cli_progress_clear();
    dlclose(library);
    return status;
}

static SutraStatus print_result(const char *name, const PullArgs *args,
                                const SutraHubResult *result, SutraError *err)
{
    CliOutput out;
    SutraStatus status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    if (!args->json) {
        cli_output_write(&out, result->path, strlen(result->path));
        cli_output_write(&out, "\n", 1);
        return cli_output_commit(&out, err);
    }
    cli_output_print(&out, "{\"name\":");
    cli_json_string(&out, name, strlen(name));
    cli_output_print(&out, ",\"path\":");
    cli_json_string(&out, result->path, strlen(result->path));
    cli_output_print(&out, ",\"revision\":");
    cli_json_string(&out, result->revision, strlen(result->revision));
    cli_output_print(&out, ",\"licence\":");
    cli_json_string(&out, result->licence, strlen(result->licence));
    cli_output_print(&out,
                     ",\"weights_sha256\":\"%s\",\"pinned\":%s,\"files\":%u,\"bytes\":%llu,"
                     "\"received\":%llu}\n",
                     result->weights_sha256, result->pinned ? "true" : "false", result->num_files,
                     (unsigned long long)result->size, (unsigned long long)result->received);
    return cli_output_commit(&out, err);
}

static int run_pull(const void *given, const CliArguments *rest)
{
    const PullArgs *args = given;
    SutraError err = {0};
    SutraHubResult *result = cli_alloc(1, sizeof *result);
    result->struct_size = sizeof *result;
    if (rest->count > 1) {
        free(result);
        return cli_usage("pull", "takes one model: %s", rest->items[1]);
    }
    const char *name = rest->count ? rest->items[0] : CLI_DEFAULT_MODEL;
    SutraStatus status = pull_model(name, args, result, &err);
    if (status == SUTRA_OK && isatty(STDERR_FILENO))
        cli_message("%s: %u files, %.1f MB, %.1f MB received; %s%s", name, result->num_files,
                    (double)result->size / 1e6, (double)result->received / 1e6,
                    result->licence[0] ? "licence " : "licence not known", result->licence);
    if (status == SUTRA_OK) status = print_result(name, args, result, &err);
    free(result);
    return status == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_pull_command = {
    .name = "pull",
    .arguments = "[OPTION ...] [NAME]",
    .summary = "download a model into the cache",
    .details = "Downloads a model by its name in the registry or its repository on the hub, checks "
               "it and\n"
               "prints its folder. What is there already is verified, not downloaded again. NAME "
               "is\n" CLI_DEFAULT_MODEL " by default.\n"
               "\n"
               "  sutra pull all-MiniLM-L6-v2",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(PullArgs),
    .run = run_pull,
};
