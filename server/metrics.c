#include "metrics.h"

#include <math.h>

#define BOUNDS(histogram, list, shown)                                                  \
    (histogram) = (SuHistogram)                                                         \
    {                                                                                   \
        .bounds = (list), .num_bounds = sizeof(list) / sizeof *(list), .scale = (shown) \
    }

static const uint64_t nanoseconds[] = {100000,      250000,      500000,     1000000,    2500000,
                                       5000000,     10000000,    25000000,   50000000,   100000000,
                                       250000000,   500000000,   1000000000, 2500000000, 5000000000,
                                       10000000000, 30000000000, 60000000000};
static const uint64_t texts[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
static const uint64_t tokens[] = {8,    16,   32,    64,    128,   256,    512,    1024,   2048,
                                  4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576};

static const int statuses[SU_METRIC_STATUSES - 1] = {101, 200, 204, 206, 304, 400, 401, 403, 404,
                                                     405, 408, 409, 413, 415, 417, 422, 424, 426,
                                                     429, 431, 500, 501, 502, 503, 504, 505};

size_t su_status_place(int status)
{
    size_t place = 0;
    while (place < SU_METRIC_STATUSES - 1 && statuses[place] != status) place++;
    return place;
}

int su_status_at(size_t place) { return place < SU_METRIC_STATUSES - 1 ? statuses[place] : 0; }

void su_metrics_open(SuMetrics *metrics, const SuRouteTable *table)
{
    *metrics = (SuMetrics){.table = table};
    BOUNDS(metrics->duration, nanoseconds, 1e9);
    BOUNDS(metrics->queue, nanoseconds, 1e9);
    BOUNDS(metrics->tokenize, nanoseconds, 1e9);
    BOUNDS(metrics->compute, nanoseconds, 1e9);
    BOUNDS(metrics->request_texts, texts, 1);
    BOUNDS(metrics->request_tokens, tokens, 1);
}

static void observe(SuHistogram *histogram, uint64_t value)
{
    size_t place = 0;
    while (place < histogram->num_bounds && value > histogram->bounds[place]) place++;
    histogram->counts[place]++;
    histogram->sum += value;
    histogram->total++;
}

void su_metrics_count(SuMetrics *metrics, const SuExchange *exchange, uint64_t now)
{
    const SuRequestFacts *facts = &exchange->facts;
    size_t route = SU_METRIC_ROUTES;
    metrics->cancelled_texts += facts->cancelled_texts;
    if (!exchange->connection) {
        metrics->gone++;
        return;
    }
    if (exchange->route) route = (size_t)(exchange->route - metrics->table->routes);
    if (route > SU_METRIC_ROUTES) route = SU_METRIC_ROUTES;
    metrics->requests[route][su_status_place(exchange->response.status)]++;
    observe(&metrics->duration, now - exchange->begin_ns);
    if (facts->texts == 0) return;
    metrics->texts += facts->texts;
    metrics->tokens += facts->tokens;
    metrics->truncated_texts += facts->truncated_texts;
    observe(&metrics->request_texts, facts->texts);
    observe(&metrics->request_tokens, facts->tokens);
    observe(&metrics->queue, facts->queue_ns);
    observe(&metrics->tokenize, facts->tokenize_ns);
    observe(&metrics->compute, facts->compute_ns);
}

/* ---- the pace ---- */

enum { WINDOW_NS = 250000000, MOST_WAIT = 120 };

void su_metrics_enter(SuMetrics *metrics, uint64_t now)
{
    if (metrics->in_engine++ > 0) return;
    metrics->since = now;
    metrics->tokens_since = 0;
}

void su_metrics_leave(SuMetrics *metrics, uint64_t done, uint64_t now)
{
    metrics->in_engine--;
    metrics->tokens_since += done;
    uint64_t time = now - metrics->since;
    if (time < WINDOW_NS || metrics->tokens_since == 0) return;
    double pace = (double)metrics->tokens_since * 1e9 / (double)time;
    metrics->tokens_per_second =
        metrics->tokens_per_second > 0 ? (metrics->tokens_per_second + pace) / 2 : pace;
    metrics->since = now;
    metrics->tokens_since = 0;
}

uint32_t su_metrics_wait(const SuMetrics *metrics, uint64_t waiting)
{
    if (metrics->tokens_per_second <= 0) return 1;
    double seconds = ceil((double)waiting / metrics->tokens_per_second);
    return seconds < 1 ? 1 : seconds > MOST_WAIT ? MOST_WAIT : (uint32_t)seconds;
}
