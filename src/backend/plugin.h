/* plugin.h - backends by name: those of the library, and plugins, which are opened once a
 * process and stay. */
#ifndef SU_PLUGIN_H
#define SU_PLUGIN_H

#include "sutra_backend.h"

/* Hears what plugins say, as long as it is listed. */
typedef struct SuPluginListener {
    void (*log)(void *user, int level, const char *line); /* or NULL */
    void *user;
    struct SuPluginListener *next;
} SuPluginListener;

void su_plugins_listen(SuPluginListener *listener);
void su_plugins_unlisten(SuPluginListener *listener);

/* Opens the plugins of a folder, files whose name starts with "sutra_" and ends with ".so", in the
 * order of their names. One that can't be used is told to the listeners, and left out; so is that
 * there are none. folder NULL: nothing is opened. Errors: IO (the folder can't be read), MEMORY. */
SutraStatus su_plugins_open(const char *folder, SutraError *err);

/* How many files of a folder su_plugins_open would open. Errors: as there. */
SutraStatus su_plugins_count(const char *folder, size_t *count, SutraError *err);

/* Thread-safe. NULL: none of this name. */
const SutraBackend *su_backend_find(const char *name);

/* Names of backends, from 0 on; NULL: there are no more. Static, or the plugin's. */
const char *su_backend_name(uint32_t i);

#endif
