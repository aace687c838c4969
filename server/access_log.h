/* access_log.h - one line about a request that is over: JSON or text, of what it was and what it
 * took, never of what it held: no texts, no keys, no query. Pure. */
#ifndef SU_ACCESS_LOG_H
#define SU_ACCESS_LOG_H

#include "http_exchange.h"

enum { SU_ACCESS_LINE_MAX = 4096 };

/* NUL-terminated; status 499 where the client left before its answer. now: of su_clock_ns. */
void su_access_line_json(const SuExchange *exchange, uint64_t now, char line[SU_ACCESS_LINE_MAX]);
void su_access_line_text(const SuExchange *exchange, uint64_t now, char line[SU_ACCESS_LINE_MAX]);

#endif
