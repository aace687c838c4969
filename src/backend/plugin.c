#include "backend/plugin.h"

#include "backend/cpu_backend.h"
#include "base/folder_list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

typedef struct Plugin {
    char *path;
    void *library;
    const SutraBackend *backend;
    struct Plugin *next;
} Plugin;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Plugin *plugins;

/* ---- who hears of it ---- */

static pthread_mutex_t listeners_lock = PTHREAD_MUTEX_INITIALIZER;
static SuPluginListener *listeners;

void su_plugins_listen(SuPluginListener *listener)
{
    pthread_mutex_lock(&listeners_lock);
    listener->next = listeners;
    listeners = listener;
    pthread_mutex_unlock(&listeners_lock);
}

void su_plugins_unlisten(SuPluginListener *listener)
{
    pthread_mutex_lock(&listeners_lock);
    SuPluginListener **at = &listeners;
    while (*at && *at != listener) at = &(*at)->next;
    if (*at) *at = listener->next;
    pthread_mutex_unlock(&listeners_lock);
}

static void tell(void *user, int level, const char *line)
{
    (void)user;
    pthread_mutex_lock(&listeners_lock);
    for (const SuPluginListener *at = listeners; at; at = at->next)
        if (at->log) at->log(at->user, level, line);
    pthread_mutex_unlock(&listeners_lock);
}

/* ---- what a plugin is given ---- */

static void *host_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    return alignment <= SU_CACHE_LINE ? su_alloc_aligned(size) : NULL;
}

static void host_free(void *user, void *memory)
{
    (void)user;
    su_free_aligned(memory);
}

static const SutraHost host = {.struct_size = sizeof host,
                               .abi = SUTRA_BACKEND_ABI,
                               .alloc = host_alloc,
                               .free = host_free,
                               .log = tell};

/* ---- opening ---- */

static const SutraBackend *find(const char *name)
{
    if (strcmp(name, su_cpu_backend()->name) == 0) return su_cpu_backend();
    for (const Plugin *plugin = plugins; plugin; plugin = plugin->next)
        if (strcmp(plugin->backend->name, name) == 0) return plugin->backend;
    return NULL;
}

/* NULL, and why not. */
static const SutraBackend *backend_of(void *library, char *why, size_t capacity)
{
    const SutraBackend *(*entry)(const SutraHost *);
    *(void **)&entry = dlsym(library, "sutra_backend_entry");
    if (!entry) {
        snprintf(why, capacity, "it has no function sutra_backend_entry");
        return NULL;
    }
    const SutraBackend *backend = entry(&host);
    if (!backend) {
        snprintf(why, capacity, "it does not know version %u of the plugin interface",
                 SUTRA_BACKEND_ABI);
        return NULL;
    }
    if (backend->abi != SUTRA_BACKEND_ABI || backend->struct_size < sizeof *backend) {
        snprintf(why, capacity, "it is of version %u of the plugin interface, not %u", backend->abi,
                 SUTRA_BACKEND_ABI);
        return NULL;
    }
    bool whole = backend->name && *backend->name && backend->device_count && backend->device_info &&
                 backend->supports && backend->load && backend->unload && backend->context_create &&
                 backend->run && backend->context_free;
    if (!whole) {
        snprintf(why, capacity, "its table is not filled");
        return NULL;
    }
    if (find(backend->name)) {
        snprintf(why, capacity, "there is a backend %s already", backend->name);
        return NULL;
    }
    return backend;
}

static SutraStatus open_plugin(const char *path, SutraError *err)
{
    for (const Plugin *plugin = plugins; plugin; plugin = plugin->next)
        if (strcmp(plugin->path, path) == 0) return SUTRA_OK;
    char why[400] = "";
    const SutraBackend *backend = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        snprintf(why, sizeof why, "%s", dlerror());
    else
        backend = backend_of(library, why, sizeof why);
    if (!backend) {
        char line[PATH_SIZE + 512];
        snprintf(line, sizeof line, "plugin %s is left out: %s", path, why);
        tell(NULL, SU_LOG_WARNING, line);
        if (library) dlclose(library);
        return SUTRA_OK;
    }
    Plugin *plugin = su_calloc(1, sizeof *plugin);
    char *copy = su_strdup(path);
    if (!plugin || !copy) {
        su_free(plugin);
        su_free(copy);
        dlclose(library);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for plugin %s", path);
    }
    *plugin = (Plugin){copy, library, backend, plugins};
    plugins = plugin;
    return SUTRA_OK;
}

static SutraStatus list_plugins(const char *folder, char ***names, size_t *count, SutraError *err)
{
    return su_folder_list(folder, "sutra_", ".so", names, count, err);
}

SutraStatus su_plugins_count(const char *folder, size_t *count, SutraError *err)
{
    char **names = NULL;
    SU_TRY(list_plugins(folder, &names, count, err));
    su_folder_list_free(names, *count);
    return SUTRA_OK;
}

SutraStatus su_plugins_open(const char *folder, SutraError *err)
{
    char **names = NULL;
    size_t count = 0;
    if (!folder) return SUTRA_OK;
    SU_TRY(list_plugins(folder, &names, &count, err));
    SutraStatus status = SUTRA_OK;
    if (!count) {
        char line[PATH_SIZE + 64];
        snprintf(line, sizeof line, "%s: no plugins, sutra_*.so", folder);
        tell(NULL, SU_LOG_WARNING, line);
    }
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count && status == SUTRA_OK; i++) {
        char path[PATH_SIZE];
        int size = snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (size > 0 && (size_t)size < sizeof path) status = open_plugin(path, err);
    }
    pthread_mutex_unlock(&lock);
    su_folder_list_free(names, count);
    return status;
}

const SutraBackend *su_backend_find(const char *name)
{
    pthread_mutex_lock(&lock);
    const SutraBackend *backend = find(name);
    pthread_mutex_unlock(&lock);
    return backend;
}

const char *su_backend_name(uint32_t i)
{
    if (i == 0) return su_cpu_backend()->name;
    pthread_mutex_lock(&lock);
    const Plugin *plugin = plugins;
    for (uint32_t at = 1; plugin && at < i; at++) plugin = plugin->next;
    const char *name = plugin ? plugin->backend->name : NULL;
    pthread_mutex_unlock(&lock);
    return name;
}
