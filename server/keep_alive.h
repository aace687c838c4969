/* keep_alive.h - how long a model stays open after a request, as Ollama's clients say it. Pure. */
#ifndef SU_KEEP_ALIVE_H
#define SU_KEEP_ALIVE_H

#include "http_head.h"

#define SU_KEEP_ALIVE_EVER UINT64_MAX

/* Nanoseconds of "1h30m", "500ms", "-1m": numbers with a unit each (ns, us, µs, ms, s, m, h), one
 * sign before them; a number alone is seconds. Below zero: SU_KEEP_ALIVE_EVER, as what is longer
 * than 292 years is. False: it is none of these. */
bool su_keep_alive_read(SuText text, uint64_t *nanoseconds);
/* The same of seconds; NaN is for ever. */
uint64_t su_keep_alive_of_seconds(double seconds);

#endif
