/* metrics_page.h - GET /metrics: what metrics.h counts and what the engine says of itself, as
 * Prometheus reads it (text format 0.0.4). */
#ifndef SU_METRICS_PAGE_H
#define SU_METRICS_PAGE_H

#include "http_exchange.h"

void su_metrics_page(SuExchange *exchange);

#endif
