#include "engine_counts.h"

#include "base/memory.h"

json_t *su_engine_counts(const SutraEngine *engine)
{
    enum { ROOM = 4096 }; /* for devices that are added meanwhile */
    size_t size = 0;
    sutra_engine_stats(engine, NULL, 0, &size, NULL);
    char *text = su_alloc(size + ROOM, 1);
    json_t *counts = NULL;
    if (text && sutra_engine_stats(engine, text, size + ROOM, &size, NULL) == SUTRA_OK)
        counts = json_loads(text, 0, NULL);
    su_free(text);
    return counts;
}

double su_engine_count(const json_t *counts, const char *group, const char *name)
{
    return json_number_value(
        json_object_get(group ? json_object_get(counts, group) : counts, name));
}
