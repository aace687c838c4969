/* hub_environment.c - what the environment says about the hub, through a getter that the caller
 * gives: the library itself reads no variable. */
#include "base/file_map.h"
#include "base/status.h"
#include "sutra_hub.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The first of the NULL-terminated variables that is set and not empty. */
static const char *first_set(SutraGetEnv get, const char *const *variables)
{
    for (; *variables; variables++) {
        const char *value = get(*variables);
        if (value && *value) return value;
    }
    return NULL;
}

static const char *set_or_null(SutraGetEnv get, const char *variable)
{
    return first_set(get, (const char *const[]){variable, NULL});
}

static bool format_path(char *path, size_t capacity, const char *head, const char *tail)
{
    int size = snprintf(path, capacity, "%s%s", head, tail);
    return size >= 0 && (size_t)size < capacity;
}

/* HF_HOME, or where it is when it isn't set, with `tail` appended. False: nothing is set, or the
 * path is too long, which leaves it cut but not empty. */
static bool home_path(SutraGetEnv get, const char *tail, char *path, size_t capacity)
{
    static const struct {
        const char *variable, *below;
    } places[] = {
        {"HF_HOME", ""}, {"XDG_CACHE_HOME", "/huggingface"}, {"HOME", "/.cache/huggingface"}};
    path[0] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char below[64];
        const char *value = set_or_null(get, places[i].variable);
        if (!value) continue;
        snprintf(below, sizeof below, "%s%s", places[i].below, tail);
        return format_path(path, capacity, value, below);
    }
    return false;
}

SutraStatus sutra_cache_directory(SutraGetEnv get, char *path, size_t capacity, SutraError *err)
{
    if (!get || !path || capacity < 2)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "get, path: must not be NULL");
    const char *direct =
        first_set(get, (const char *const[]){"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", NULL});
    bool ok =
        direct ? format_path(path, capacity, direct, "") : home_path(get, "/hub", path, capacity);
    if (ok) return SUTRA_OK;
    if (direct || path[0])
        SU_RAISE(err, SUTRA_E_LIMIT, "cache folder: path longer than %zu bytes", capacity);
    SU_RAISE(err, SUTRA_E_ARGUMENT,
             "cache folder: none of HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME is set");
}

/* The token file that the hub's own tools write at login: one line. */
static void read_token(SutraGetEnv get, char *token, size_t capacity)
{
    char path[SUTRA_HUB_PATH_MAX];
    const char *direct = set_or_null(get, "HF_TOKEN_PATH");
    SuFileMap map;
    token[0] = '\0';
    bool ok = direct ? format_path(path, sizeof path, direct, "")
                     : home_path(get, "/token", path, sizeof path);
    if (!ok || su_file_map_open(path, &map, NULL) != SUTRA_OK) return;
    size_t begin = 0, end = map.size;
    while (begin < end && isspace(map.data[begin])) begin++;
    while (end > begin && isspace(map.data[end - 1])) end--;
    if (end - begin < capacity) {
        memcpy(token, map.data + begin, end - begin);
        token[end - begin] = '\0';
    }
    su_file_map_close(&map);
}

static bool is_true(const char *value)
{
    return value && (!strcmp(value, "1") || !strcasecmp(value, "true") ||
                     !strcasecmp(value, "yes") || !strcasecmp(value, "on"));
}

SutraStatus sutra_hub_environment(SutraGetEnv get, SutraHubStore *store, SutraHubOptions *options,
                                  SutraError *err)
{
    if (!store || !options || options->struct_size != sizeof *options)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "store, options: NULL or of another struct_size");
    SU_TRY(sutra_cache_directory(get, store->cache_dir, sizeof store->cache_dir, err));
    options->cache_dir = store->cache_dir;
    options->endpoint = set_or_null(get, "HF_ENDPOINT");
    options->token = set_or_null(get, "HF_TOKEN");
    if (!options->token) {
        read_token(get, store->token, sizeof store->token);
        if (store->token[0]) options->token = store->token;
    }
    options->offline = is_true(get("HF_HUB_OFFLINE"));
    bool plain = options->endpoint && !strncasecmp(options->endpoint, "http:", 5);
    static const char *const secure_proxy[] = {"https_proxy", "HTTPS_PROXY", "all_proxy",
                                               "ALL_PROXY", NULL};
    static const char *const plain_proxy[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    options->proxy = first_set(get, plain ? plain_proxy : secure_proxy);
    options->no_proxy = first_set(get, (const char *const[]){"no_proxy", "NO_PROXY", NULL});
    options->ca_file = first_set(
        get, (const char *const[]){"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", NULL});
    return SUTRA_OK;
}
