/* cache.c - finding complete models in the Hugging Face cache; nothing is written here. */
#include "hub/cache.h"

#include "base/file_map.h"
#include "base/memory.h"
#include "hub/model_files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct SutraCacheList {
    struct Found {
        char repo[SU_REPO_MAX], commit[SU_COMMIT_MAX];
        char *path;
        SuModelFolder folder;
    } * models; /* [count] */
    size_t count, capacity;
};

SuRepoFolder su_repo_folder(const char *repo)
{
    SuRepoFolder folder;
    const char *slash = strchr(repo, '/');
    snprintf(folder.name, sizeof folder.name, "models--%.*s--%s", (int)(slash - repo), repo,
             slash + 1);
    return folder;
}

/* The inverse of su_repo_folder; false for folders of other things. */
static bool repo_of_folder(const char *folder, char repo[SU_REPO_MAX])
{
    if (strncmp(folder, "models--", 8) != 0) return false;
    const char *split = strstr(folder + 8, "--");
    if (!split || strlen(folder + 8) >= SU_REPO_MAX) return false;
    snprintf(repo, SU_REPO_MAX, "%.*s/%s", (int)(split - folder - 8), folder + 8, split + 2);
    return su_repo_is_valid(repo);
}

bool su_is_hex(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

bool su_is_commit(const char *text)
{
    size_t digits = strlen(text);
    return digits >= 40 && digits <= 64 && su_is_hex(text, digits);
}

bool su_revision_is_valid(const char *revision)
{
    if (strlen(revision) > SU_REVISION_MAX || !su_path_is_contained(revision)) return false;
    for (const char *c = revision; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_./+@", *c)) return false;
    return true;
}

/* The commit that a reference file names. */
static bool read_reference(const char *path, char commit[SU_COMMIT_MAX])
{
    SuFileMap map;
    if (su_file_map_open(path, &map, NULL) != SUTRA_OK) return false;
    size_t size = map.size;
    while (size > 0 && isspace(map.data[size - 1])) size--;
    bool ok = size > 0 && size < SU_COMMIT_MAX && !memchr(map.data, '\0', size);
    if (ok) {
        memcpy(commit, map.data, size);
        commit[size] = '\0';
        ok = su_path_is_contained(commit) && !strchr(commit, '/');
    }
    su_file_map_close(&map);
    return ok;
}

/* The commit of `revision` in the cache; a full commit hash stands for itself. */
static bool find_commit(const char *cache_dir, const SuRepoFolder *folder, const char *revision,
                        char commit[SU_COMMIT_MAX])
{
    char path[SUTRA_HUB_PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/%s/refs/%s", cache_dir, folder->name, revision);
    if (size > 0 && (size_t)size < sizeof path && read_reference(path, commit)) return true;
    if (!su_is_commit(revision)) return false;
    memcpy(commit, revision, strlen(revision) + 1);
    return true;
}

static SutraStatus snapshot_path(const char *cache_dir, const SuRepoFolder *folder,
                                 const char *commit, char *path, size_t capacity, SutraError *err)
{
    int size = snprintf(path, capacity, "%s/%s/snapshots/%s", cache_dir, folder->name, commit);
    if (size < 0 || (size_t)size >= capacity)
        SU_RAISE(err, SUTRA_E_LIMIT, "%.200s: path longer than %zu bytes", cache_dir, capacity);
    return SUTRA_OK;
}

/* Names below a folder of references, or of snapshots, with `above` before them. */
static void list_names(const char *folder, const char *above, bool nested, char *text,
                       size_t capacity)
{
    char path[SUTRA_HUB_PATH_MAX], name[SU_REVISION_MAX + 1];
    struct dirent *entry;
    DIR *directory = opendir(folder);
    if (!directory) return;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.') continue;
        int size = snprintf(name, sizeof name, "%s%s", above, entry->d_name);
        int path_size = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (size < 0 || (size_t)size >= sizeof name - 1) continue;
        if (path_size < 0 || (size_t)path_size >= sizeof path) continue;
        if (nested && su_directory_exists(path)) {
            strcat(name, "/");
            list_names(path, name, nested, text, capacity);
            continue;
        }
        size_t used = strlen(text);
        int added = snprintf(text + used, capacity - used, "%s%s", used ? ", " : "", name);
        if (added < 0 || (size_t)added >= capacity - used) text[used] = '\0';
    }
    closedir(directory);
}

/* The revision is not there: says which are, and how to get it. */
static SutraStatus raise_not_found(const char *cache_dir, const SuRepoFolder *folder,
                                   const char *repo, const char *name, const char *revision,
                                   SutraError *err)
{
    static const char *const below[] = {"refs", "snapshots"};
    char known[128] = "", path[SUTRA_HUB_PATH_MAX];
    bool is_main = strcmp(revision, "main") == 0;
    for (int i = 0; i < 2 && !*known; i++) {
        int size = snprintf(path, sizeof path, "%s/%s/%s", cache_dir, folder->name, below[i]);
        if (size > 0 && (size_t)size < sizeof path)
            list_names(path, "", i == 0, known, sizeof known);
    }
    SU_RAISE(err, SUTRA_E_IO,
             "%s (%s): not in the cache %.120s%s%s; get it with: sutra pull %s%s%s", repo, revision,
             cache_dir, *known ? ", which has --revision " : "", known, name,
             is_main ? "" : " --revision ", is_main ? "" : revision);
}

SutraStatus sutra_cache_find(const char *cache_dir, const char *name, const char *revision,
                             char *path, size_t capacity, SutraError *err)
{
    char repo[SU_REPO_MAX], commit[SU_COMMIT_MAX];
    SuModelFolder found;
    if (!cache_dir || !path) SU_RAISE(err, SUTRA_E_ARGUMENT, "cache_dir, path: must not be NULL");
    SU_TRY(sutra_registry_resolve(name, repo, sizeof repo, err));
    if (!revision) revision = "main";
    if (!su_revision_is_valid(revision))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "revision %.60s: not a branch, tag or commit", revision);
    SuRepoFolder folder = su_repo_folder(repo);
    if (!find_commit(cache_dir, &folder, revision, commit))
        return raise_not_found(cache_dir, &folder, repo, name, revision, err);
    SU_TRY(snapshot_path(cache_dir, &folder, commit, path, capacity, err));
    SutraError reason = {0};
    SutraStatus status = su_model_folder_check(path, &found, &reason);
    if (status == SUTRA_OK) return SUTRA_OK;
    path[0] = '\0';
    SU_RAISE(err, status, "%.100s: incomplete in the cache: %.300s; get it with: sutra pull %s",
             repo, reason.message, name);
}

static SutraStatus list_append(SutraCacheList *list, const struct Found *found, SutraError *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct Found *models = su_realloc(list->models, capacity, sizeof *models);
        if (!models) SU_RAISE(err, SUTRA_E_MEMORY, "cache list: out of memory");
        list->models = models, list->capacity = capacity;
    }
    list->models[list->count] = *found;
    list->models[list->count].path = su_strdup(found->path);
    if (!list->models[list->count].path) SU_RAISE(err, SUTRA_E_MEMORY, "cache list: out of memory");
    list->count++;
    return SUTRA_OK;
}

/* Folders that are no complete model are passed over. */
static SutraStatus list_folder(SutraCacheList *list, const char *cache_dir, const char *name,
                               SutraError *err)
{
    struct Found found = {0};
    char path[SUTRA_HUB_PATH_MAX];
    if (!repo_of_folder(name, found.repo)) return SUTRA_OK;
    SuRepoFolder folder = su_repo_folder(found.repo);
    if (!find_commit(cache_dir, &folder, "main", found.commit)) return SUTRA_OK;
    SU_TRY(snapshot_path(cache_dir, &folder, found.commit, path, sizeof path, err));
    if (su_model_folder_check(path, &found.folder, NULL) != SUTRA_OK) return SUTRA_OK;
    found.path = path;
    return list_append(list, &found, err);
}

static int compare_repos(const void *a, const void *b)
{
    return strcmp(((const struct Found *)a)->repo, ((const struct Found *)b)->repo);
}

SutraStatus sutra_cache_list(const char *cache_dir, SutraCacheList **list, SutraError *err)
{
    if (!cache_dir || !list) SU_RAISE(err, SUTRA_E_ARGUMENT, "cache_dir, list: must not be NULL");
    *list = NULL;
    DIR *directory = opendir(cache_dir);
    if (!directory && errno != ENOENT)
        SU_RAISE(err, SUTRA_E_IO, "%s: %s", cache_dir, strerror(errno));
    SutraStatus status = SUTRA_OK;
    SutraCacheList *made = su_calloc(1, sizeof *made);
    if (!made) status = su_error_set(err, SUTRA_E_MEMORY, "cache list: out of memory");
    struct dirent *entry;
    while (status == SUTRA_OK && directory && (entry = readdir(directory)))
        status = list_folder(made, cache_dir, entry->d_name, err);
    if (directory) closedir(directory);
    if (status != SUTRA_OK) {
        sutra_cache_list_free(made);
        return status;
    }
    if (made->count) qsort(made->models, made->count, sizeof *made->models, compare_repos);
    *list = made;
    return SUTRA_OK;
}

size_t sutra_cache_list_count(const SutraCacheList *list) { return list ? list->count : 0; }

SutraStatus sutra_cache_list_at(const SutraCacheList *list, size_t index, SutraCacheModel *model,
                                SutraError *err)
{
    uint32_t size = model ? model->struct_size : 0;
    if (!list || index >= list->count || size < sizeof size || size > sizeof *model)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "cache list: index or struct_size is not valid");
    const struct Found *found = &list->models[index];
    SutraCacheModel full = {
        .struct_size = size,
        .repo = found->repo,
        .revision = found->commit,
        .path = found->path,
        .size = found->folder.size,
        .has_manifest = found->folder.has_manifest,
        .info = sutra_registry_find(found->repo),
    };
    memcpy(model, &full, size);
    return SUTRA_OK;
}

void sutra_cache_list_free(SutraCacheList *list)
{
    if (!list) return;
    for (size_t i = 0; i < list->count; i++) su_free(list->models[i].path);
    su_free(list->models);
    su_free(list);
}
