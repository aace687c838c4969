#include "hub/hub_listing.h"

#include "base/json_file.h"
#include "base/memory.h"
#include "hub/model_files.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_LISTING ((uint64_t)16 << 20)

/* ---- addresses ---- */

/* Percent-encodes all but unreserved characters, and '/' if asked. */
static bool append_encoded(char *url, size_t capacity, const char *text, bool encode_slash)
{
    size_t used = strlen(url);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (used + 4 > capacity) return false;
        if (isalnum(c) || strchr("-._~", c) || (c == '/' && !encode_slash))
            url[used++] = (char)c;
        else
            used += (size_t)sprintf(url + used, "%%%02X", c);
    }
    url[used] = '\0';
    return true;
}

static bool append(char *url, size_t capacity, const char *text)
{
    size_t used = strlen(url), size = strlen(text);
    if (size >= capacity - used) return false;
    memcpy(url + used, text, size + 1);
    return true;
}

/* The endpoint without slashes at its end. */
static SutraStatus start_url(const SuHubContext *hub, char *url, size_t capacity, SutraError *err)
{
    const char *endpoint = hub->options.endpoint;
    url[0] = '\0';
    if (strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "endpoint %.120s: must begin with https:// or http://",
                 endpoint);
    if (!append(url, capacity, endpoint))
        SU_RAISE(err, SUTRA_E_LIMIT, "endpoint %.120s: too long", endpoint);
    for (size_t size = strlen(url); size > 8 && url[size - 1] == '/';) url[--size] = '\0';
    return SUTRA_OK;
}

static SutraStatus listing_url(const SuHubContext *hub, char *url, size_t capacity, SutraError *err)
{
    SU_TRY(start_url(hub, url, capacity, err));
    if (append(url, capacity, "/api/models/") && append_encoded(url, capacity, hub->repo, false) &&
        append(url, capacity, "/revision/") &&
        append_encoded(url, capacity, hub->options.revision, true) &&
        append(url, capacity, "?blobs=true"))
        return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_LIMIT, "%s: address too long", hub->repo);
}

SutraStatus su_hub_file_url(const SuHubContext *hub, const SuHubPlan *plan, const char *name,
                            char *url, size_t capacity, SutraError *err)
{
    SU_TRY(start_url(hub, url, capacity, err));
    if (append(url, capacity, "/") && append_encoded(url, capacity, hub->repo, false) &&
        append(url, capacity, "/resolve/") && append_encoded(url, capacity, plan->commit, true) &&
        append(url, capacity, "/") && append_encoded(url, capacity, name, false))
        return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_LIMIT, "%s: %s: address too long", hub->repo, name);
}

/* ---- what a status means ---- */

static SutraStatus explain_access(const SuHubContext *hub, const SuHttpAnswer *answer,
                                  SutraError *err)
{
    const char *endpoint = hub->options.endpoint;
    char hint[256] = "";
    if (!strcmp(answer->error_code, "GatedRepo"))
        SU_RAISE(err, SUTRA_E_IO,
                 "%s: gated: accept its terms at %.120s/%s and set HF_TOKEN to a token of that "
                 "account (the hub answered %ld)",
                 hub->repo, endpoint, hub->repo, answer->code);
    if (hub->options.token)
        SU_RAISE(err, SUTRA_E_IO,
                 "%s: the hub refuses access with this token (it answered %ld); check HF_TOKEN and "
                 "that its account may read the repository",
                 hub->repo, answer->code);
    if (!hub->entry) su_registry_did_you_mean(hub->repo, hint, sizeof hint);
    SU_RAISE(err, SUTRA_E_IO,
             "%s: the hub refuses access (it answered %ld): private, gated or no such repository; "
             "set HF_TOKEN if you have access%s",
             hub->repo, answer->code, hint);
}

SutraStatus su_hub_explain(const SuHubContext *hub, const SuHttpAnswer *answer, SutraStatus status,
                           SutraError *err)
{
    char hint[256] = "";
    if (status != SUTRA_E_IO) return status;
    if (answer->code == 401 || answer->code == 403) return explain_access(hub, answer, err);
    if (answer->code == 404 && !strcmp(answer->error_code, "RevisionNotFound"))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: the hub knows no revision %.100s", hub->repo,
                 hub->options.revision);
    if (answer->code == 404) {
        if (!hub->entry) su_registry_did_you_mean(hub->repo, hint, sizeof hint);
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "%s: the hub at %.120s knows no such repository or revision (it answered 404)%s",
                 hub->repo, hub->options.endpoint, hint);
    }
    if (answer->code == 429)
        SU_RAISE(err, SUTRA_E_IO,
                 "%s: the hub asks to come back later (it answered 429, too many requests); try "
                 "again in some minutes, or set HF_TOKEN",
                 hub->repo);
    return status;
}

/* ---- the list ---- */

typedef struct Text {
    char *data;
    size_t size, capacity;
} Text;

static SutraStatus text_restart(void *user, SutraError *err)
{
    (void)err;
    ((Text *)user)->size = 0;
    return SUTRA_OK;
}

static SutraStatus text_write(void *user, const void *data, size_t size, SutraError *err)
{
    Text *text = user;
    if (text->capacity - text->size < size) {
        size_t capacity = 2 * (text->size + size);
        char *grown = su_realloc(text->data, capacity, 1);
        if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "file list: out of memory");
        text->data = grown, text->capacity = capacity;
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
    return SUTRA_OK;
}

/* A hex digest becomes a file name: nothing else may pass. */
static bool copy_hex(const json_t *value, size_t digits, char *out)
{
    const char *text = json_string_value(value);
    if (!text || !su_is_hex(text, digits)) return false;
    memcpy(out, text, digits + 1);
    return true;
}

static SutraStatus read_file(const json_t *sibling, const char *name, const SuHubContext *hub,
                             SuHubPlan *plan, SutraError *err)
{
    SuHubFile *file;
    const json_t *size = json_object_get(sibling, "size"), *lfs = json_object_get(sibling, "lfs");
    SU_TRY(su_plan_add(plan, name, &file, err));
    file->pinned = "hub";
    bool digest = json_is_object(lfs)
                      ? copy_hex(json_object_get(lfs, "sha256"), 64, file->expected)
                      : copy_hex(json_object_get(sibling, "blobId"), 40, file->blob_id);
    if (!digest || !json_is_integer(size) || json_integer_value(size) < 0)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s: the hub states no valid size and digest", hub->repo,
                 name);
    file->size = (uint64_t)json_integer_value(size);
    return SUTRA_OK;
}

static SutraStatus read_siblings(const json_t *siblings, const SuHubContext *hub, SuHubPlan *plan,
                                 SutraError *err)
{
    json_t *sibling;
    size_t i;
    json_array_foreach(siblings, i, sibling)
    {
        const char *name = json_string_value(json_object_get(sibling, "rfilename"));
        if (!name) SU_RAISE(err, SUTRA_E_FORMAT, "%s: file list: an entry has no name", hub->repo);
        su_file_roles_note(&plan->roles, name);
    }
    json_array_foreach(siblings, i, sibling)
    {
        const char *name = json_string_value(json_object_get(sibling, "rfilename"));
        if (su_model_file_is_needed(&plan->roles, name))
            SU_TRY(read_file(sibling, name, hub, plan, err));
    }
    return SUTRA_OK;
}

static void read_licence(const json_t *root, SuHubPlan *plan)
{
    const char *licence =
        json_string_value(json_object_get(json_object_get(root, "cardData"), "license"));
    snprintf(plan->licence, sizeof plan->licence, "%s", licence ? licence : "");
}

static SutraStatus read_listing(const Text *text, const SuHubContext *hub, SuHubPlan *plan,
                                SutraError *err)
{
    json_t *root;
    SU_TRY(su_json_parse(text->data, text->size, "the hub's file list", &root, err));
    const char *commit = json_string_value(json_object_get(root, "sha"));
    SutraStatus status = SUTRA_OK;
    if (!commit || !su_is_commit(commit))
        status = su_error_set(err, SUTRA_E_FORMAT, "%s: file list: sha is not a commit", hub->repo);
    else
        memcpy(plan->commit, commit, strlen(commit) + 1);
    if (status == SUTRA_OK)
        status = read_siblings(json_object_get(root, "siblings"), hub, plan, err);
    read_licence(root, plan);
    json_decref(root);
    return status == SUTRA_OK ? su_plan_finish(plan, hub, err) : status;
}

SutraStatus su_hub_list(SuHttp *http, SuHubPlan *plan, SutraError *err)
{
    char url[4096];
    Text text = {0};
    SuHttpAnswer answer = {0};
    SuHttpSink sink = {
        .limit = MAX_LISTING, .restart = text_restart, .write = text_write, .user = &text};
    su_hub_phase(http->hub, SUTRA_HUB_LISTING, NULL);
    SU_TRY(listing_url(http->hub, url, sizeof url, err));
    SutraStatus status = su_http_get(http, url, &sink, &answer, err);
    status = status == SUTRA_OK ? read_listing(&text, http->hub, plan, err)
                                : su_hub_explain(http->hub, &answer, status, err);
    su_free(text.data);
    return status;
}
