/* pull.c - sutra_hub_pull: list, fetch, verify, publish. */
#include "base/file_map.h"
#include "base/json_file.h"
#include "base/memory.h"
#include "hub/blob_store.h"
#include "hub/hub_listing.h"
#include "hub/model_files.h"
#include "hub/publish.h"

#include <stdio.h>
#include <string.h>

typedef struct Pull {
    SuHubContext hub;
    SuHttp http;
    SuStore store;
    SuHubPlan plan;
} Pull;

static SutraStatus sink_restart(void *user, SutraError *err) { return su_blob_restart(user, err); }

static SutraStatus sink_write(void *user, const void *data, size_t size, SutraError *err)
{
    return su_blob_append(user, data, size, err);
}

/* SuBlobSource.fill */
static SutraStatus download(void *user, SuBlobWriter *writer, SutraError *err)
{
    Pull *pull = user;
    char url[8192];
    SuHttpAnswer answer = {0};
    SuHttpSink sink = {.held = writer->held,
                       .limit = writer->file->size,
                       .exact = true,
                       .restart = sink_restart,
                       .write = sink_write,
                       .user = writer};
    SU_TRY(su_hub_file_url(&pull->hub, &pull->plan, writer->file->name, url, sizeof url, err));
    SutraStatus status = su_http_get(&pull->http, url, &sink, &answer, err);
    return status == SUTRA_OK ? status : su_hub_explain(&pull->hub, &answer, status, err);
}

static SutraStatus fetch_all(Pull *pull, SutraError *err)
{
    const SuBlobSource source = {.fill = download, .user = pull};
    SutraHubProgress *progress = &pull->hub.progress;
    SU_TRY(su_store_check_space(&pull->store, &pull->plan, err));
    progress->num_files = (uint32_t)pull->plan.count;
    progress->total_size = pull->plan.size;
    for (size_t i = 0; i < pull->plan.count; i++) {
        SuHubFile *file = &pull->plan.files[i];
        SU_TRY(su_hub_check_cancelled(&pull->hub, err));
        progress->file = file->name;
        progress->file_index = (uint32_t)i;
        progress->file_done = 0;
        progress->file_size = file->size;
        SU_TRY(su_store_blob(&pull->store, file, &source, err));
    }
    progress->file = "";
    return SUTRA_OK;
}

static SutraStatus pull_online(Pull *pull, SutraHubResult *result, SutraError *err)
{
    char path[SUTRA_HUB_PATH_MAX];
    SU_TRY(su_hub_list(&pull->http, &pull->plan, err));
    SU_TRY(su_store_open(&pull->store, &pull->hub, err));
    SutraStatus status = fetch_all(pull, err);
    if (status == SUTRA_OK) status = su_publish(&pull->store, &pull->plan, path, err);
    if (status == SUTRA_OK) {
        su_hub_result(&pull->hub, &pull->plan, path, pull->store.received, result);
        su_hub_phase(&pull->hub, SUTRA_HUB_DONE, NULL);
    }
    su_store_close(&pull->store);
    return status;
}

/* The files that the manifest of a cached model states. */
static SutraStatus plan_of_manifest(const char *path, SuHubPlan *plan, SutraError *err)
{
    json_t *root, *facts;
    const char *name, *slash = strrchr(path, '/');
    snprintf(plan->commit, sizeof plan->commit, "%.71s", slash ? slash + 1 : path);
    char *manifest = su_path_join(path, SU_MANIFEST_NAME);
    if (!manifest) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    SutraStatus status = SUTRA_OK;
    if (su_file_exists(manifest)) {
        status = su_json_load(manifest, &root, err);
        if (status == SUTRA_OK) {
            json_object_foreach(json_object_get(root, "files"), name, facts)
            {
                SuHubFile *file;
                status = su_plan_add(plan, name, &file, err);
                if (status != SUTRA_OK) break;
                const char *sha256 = json_string_value(json_object_get(facts, "sha256"));
                if (sha256 && su_is_hex(sha256, 64)) memcpy(file->sha256, sha256, 65);
                plan->size += (uint64_t)json_integer_value(json_object_get(facts, "size"));
            }
            json_decref(root);
        }
    }
    su_free(manifest);
    return status;
}

static SutraStatus pull_offline(Pull *pull, SutraHubResult *result, SutraError *err)
{
    char path[SUTRA_HUB_PATH_MAX];
    const SutraHubOptions *options = &pull->hub.options;
    SU_TRY(sutra_cache_find(options->cache_dir, pull->hub.name, options->revision, path,
                            sizeof path, err));
    SU_TRY(plan_of_manifest(path, &pull->plan, err));
    su_hub_result(&pull->hub, &pull->plan, path, 0, result);
    return SUTRA_OK;
}

SUTRA_API SutraStatus sutra_hub_pull(const char *name, const SutraHubOptions *options,
                                     SutraHubResult *result, SutraError *err)
{
    Pull pull = {.plan = {0}};
    SU_TRY(su_hub_begin(&pull.hub, name, options, result, err));
    if (pull.hub.options.offline) {
        SutraStatus status = pull_offline(&pull, result, err);
        su_plan_free(&pull.plan);
        return status;
    }
    SU_TRY(su_http_open(&pull.http, &pull.hub, err));
    SutraStatus status = pull_online(&pull, result, err);
    su_http_close(&pull.http);
    su_plan_free(&pull.plan);
    return status;
}
