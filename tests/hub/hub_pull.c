/* hub_pull.c - drives libsutra-hub from the command line for test_hub_*.py.
 *
 *   hub_pull LIBRARY pull|import|find|list|sha256 [key=value ...]
 *
 * Keys: cache, name, endpoint, token, revision, from, path, attempts, backoff, max_backoff, stall,
 * offline, ca_file, cancel_after (bytes), and kill_call, fail_call, fail_for_ever of
 * system_calls.h. Opens LIBRARY with dlopen as `sutra pull` does. Exit status is the SutraStatus;
 * the result goes to stdout as key=value lines, notes and the error to stderr. */
#include "sutra_hub.h"
#include "system_calls.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int cancel;
static uint64_t cancel_after = UINT64_MAX;

static void on_progress(void *user, const SutraHubProgress *progress)
{
    uint64_t *most = user;
    if (progress->note) fprintf(stderr, "note: %s\n", progress->note);
    if (progress->phase == SUTRA_HUB_WAITING) fprintf(stderr, "waiting\n");
    if (progress->total_done > *most) *most = progress->total_done;
    if (progress->total_done >= cancel_after) cancel = 1;
    if (progress->total_done > progress->total_size || progress->file_done > progress->file_size) {
        fprintf(stderr, "progress beyond its end: %s\n", progress->file);
        abort();
    }
}

static const char *argument(char **args, const char *key)
{
    size_t size = strlen(key);
    for (; *args; args++)
        if (!strncmp(*args, key, size) && (*args)[size] == '=') return *args + size + 1;
    return NULL;
}

static uint32_t number(char **args, const char *key)
{
    const char *value = argument(args, key);
    return value ? (uint32_t)strtoul(value, NULL, 10) : 0;
}

static int finish(SutraStatus status, const SutraError *err)
{
    if (status != SUTRA_OK) fprintf(stderr, "error: %s\n", err->message);
    if (status != SUTRA_OK && status != err->status) abort();
    return (int)status;
}

static void *symbol(const char *library, const char *name)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *found = handle ? dlsym(handle, name) : NULL;
    if (!found) {
        fprintf(stderr, "%s\n", dlerror());
        exit(99);
    }
    return found;
}

static int find(char **args)
{
    char path[SUTRA_HUB_PATH_MAX];
    SutraError err = {0};
    SutraStatus status = sutra_cache_find(argument(args, "cache"), argument(args, "name"),
                                          argument(args, "revision"), path, sizeof path, &err);
    if (status == SUTRA_OK) printf("path=%s\n", path);
    return finish(status, &err);
}

static int list(char **args)
{
    SutraCacheList *models;
    SutraError err = {0};
    SutraStatus status = sutra_cache_list(argument(args, "cache"), &models, &err);
    if (status != SUTRA_OK) return finish(status, &err);
    for (size_t i = 0; i < sutra_cache_list_count(models); i++) {
        SutraCacheModel model = {.struct_size = sizeof model};
        status = sutra_cache_list_at(models, i, &model, &err);
        if (status != SUTRA_OK) break;
        printf("%s=%s %llu %u\n", model.repo, model.revision, (unsigned long long)model.size,
               model.has_manifest);
    }
    sutra_cache_list_free(models);
    return finish(status, &err);
}

static int sha256(const char *library, char **args)
{
    char hex[65];
    SutraError err = {0};
    SutraHubSha256Function hash = (SutraHubSha256Function)symbol(library, "sutra_hub_sha256_file");
    SutraStatus status = hash(argument(args, "path"), NULL, hex, &err);
    if (status == SUTRA_OK) printf("sha256=%s\n", hex);
    return finish(status, &err);
}

static int pull(const char *library, char **args)
{
    uint64_t most = 0;
    SutraError err = {0};
    SutraHubResult result = {.struct_size = sizeof result};
    SutraHubOptions options = {
        .struct_size = sizeof options,
        .cache_dir = argument(args, "cache"),
        .endpoint = argument(args, "endpoint"),
        .token = argument(args, "token"),
        .revision = argument(args, "revision"),
        .proxy = argument(args, "proxy"),
        .ca_file = argument(args, "ca_file"),
        .offline = number(args, "offline"),
        .attempts = number(args, "attempts"),
        .backoff_ms = number(args, "backoff"),
        .max_backoff_ms = number(args, "max_backoff"),
        .stall_timeout_s = number(args, "stall"),
        .progress = on_progress,
        .user = &most,
        .cancel = &cancel,
    };
    const char *name = argument(args, "name"), *from = argument(args, "from");
    const char *after = argument(args, "cancel_after");
    if (after) cancel_after = strtoull(after, NULL, 10);
    system_calls = (SystemCalls){.kill_call = number(args, "kill_call"),
                                 .fail_call = number(args, "fail_call"),
                                 .fail_for_ever = number(args, "fail_for_ever")};
    SutraStatus status = from ? ((SutraHubImportFunction)symbol(library, "sutra_hub_import"))(
                                    name, from, &options, &result, &err)
                              : ((SutraHubPullFunction)symbol(library, "sutra_hub_pull"))(
                                    name, &options, &result, &err);
    unsigned calls = system_calls.count;
    system_calls = (SystemCalls){0};
    if (status == SUTRA_OK)
        printf("calls=%u\npath=%s\nrevision=%s\nfiles=%u\nsize=%llu\nreceived=%llu\npinned=%"
               "u\nlicence=%s\n"
               "weights=%s\nmost=%llu\n",
               calls, result.path, result.revision, result.num_files,
               (unsigned long long)result.size, (unsigned long long)result.received, result.pinned,
               result.licence, result.weights_sha256, (unsigned long long)most);
    return finish(status, &err);
}

int main(int argc, char **argv)
{
    if (argc < 3) return 98;
    const char *library = argv[1], *command = argv[2];
    char **args = argv + 3;
    if (!strcmp(command, "find")) return find(args);
    if (!strcmp(command, "list")) return list(args);
    if (!strcmp(command, "sha256")) return sha256(library, args);
    return pull(library, args);
}
