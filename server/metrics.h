/* metrics.h - what the server counts: requests by route and status, times and lengths in fixed
 * buckets, and the engine's pace, which says when to come again.
 *
 * All of it on the loop's thread; nothing here allocates or waits. */
#ifndef SU_METRICS_H
#define SU_METRICS_H

#include "http_route.h"

enum { SU_METRIC_ROUTES = 64, SU_METRIC_STATUSES = 27, SU_METRIC_BUCKETS = 20 };

/* Values up to bounds[i], and more than bounds[i - 1], are in counts[i]; the last count is of those
 * above all bounds. Bounds are of the unit that is counted in; `scale` of them are one of the unit
 * that is shown. */
typedef struct SuHistogram {
    const uint64_t *bounds; /* [num_bounds] */
    size_t num_bounds;
    double scale;
    uint64_t counts[SU_METRIC_BUCKETS + 1];
    uint64_t sum, total;
} SuHistogram;

typedef struct SuMetrics {
    const SuRouteTable *table;
    /* Answers by [place of the route in the table, the last: no route][su_status_place]. */
    uint64_t requests[SU_METRIC_ROUTES + 1][SU_METRIC_STATUSES];
    uint64_t gone; /* requests whose client left before their answer */
    uint64_t texts, tokens, truncated_texts, cancelled_texts;
    SuHistogram duration, queue, tokenize, compute, request_texts, request_tokens;
    /* The pace: tokens of requests that ended since `since`, while some were in the engine all the
     * time. */
    uint64_t in_engine; /* requests */
    uint64_t since, tokens_since;
    double tokens_per_second; /* 0: not known */
} SuMetrics;

void su_metrics_open(SuMetrics *metrics, const SuRouteTable *table);
/* An exchange is over, with an answer or without a client. */
void su_metrics_count(SuMetrics *metrics, const SuExchange *exchange, uint64_t now);

/* A request goes into the engine, and comes out of it. */
void su_metrics_enter(SuMetrics *metrics, uint64_t now);
void su_metrics_leave(SuMetrics *metrics, uint64_t tokens, uint64_t now);
/* Seconds until so many tokens are done: 1 … 120, which is as long as OpenAI's client waits. */
uint32_t su_metrics_wait(const SuMetrics *metrics, uint64_t tokens);

/* Places of statuses; those that no answer has share the last one, of status 0. */
size_t su_status_place(int status);
int su_status_at(size_t place);

#endif
