/* engine_counts.h - sutra_engine_stats as a document. */
#ifndef SU_ENGINE_COUNTS_H
#define SU_ENGINE_COUNTS_H

#include "sutra.h"

#include <jansson.h>

/* The caller's (json_decref). NULL: out of memory. */
json_t *su_engine_counts(const SutraEngine *engine);
/* A number of it: "texts", or of a group: "waiting", "tokens". 0: there is none. */
double su_engine_count(const json_t *counts, const char *group, const char *name);

#endif
