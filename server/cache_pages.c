#include "cache_pages.h"

#include "engine_counts.h"
#include "server_context.h"

typedef struct CacheCounts {
    uint64_t bytes, hits, misses;
} CacheCounts;

/* False: out of memory. */
static bool read_counts(const SuExchange *exchange, CacheCounts *cache)
{
    const SuServerContext *context = exchange->context;
    json_t *counts = su_engine_counts(context->engine);
    *cache = (CacheCounts){(uint64_t)su_engine_count(counts, "cache", "bytes"),
                           (uint64_t)su_engine_count(counts, "cache", "hits"),
                           (uint64_t)su_engine_count(counts, "cache", "misses")};
    json_decref(counts);
    return counts;
}

static void fail(SuExchange *exchange)
{
    static const SuHttpProblem no_memory = {503, "out_of_memory", NULL,
                                            "The server is out of memory.", 0};
    su_exchange_fail(exchange, &no_memory);
}

void su_cache_stats(SuExchange *exchange)
{
    SuReplyText *body = &exchange->response.body;
    CacheCounts cache;
    if (!read_counts(exchange, &cache)) {
        fail(exchange);
        return;
    }
    uint64_t asked = cache.hits + cache.misses;
    su_reply_put_number(body, "{\"bytes\":", cache.bytes);
    su_reply_put_number(body, ",\"hits\":", cache.hits);
    su_reply_put_number(body, ",\"misses\":", cache.misses);
    su_reply_string(body, ",\"hit_rate\":");
    su_reply_float(body, asked ? (float)((double)cache.hits / (double)asked) : 0);
    su_reply_string(body, "}");
    su_exchange_answer(exchange);
}

void su_cache_clear(SuExchange *exchange)
{
    const SuServerContext *context = exchange->context;
    CacheCounts cache;
    if (!read_counts(exchange, &cache)) {
        fail(exchange);
        return;
    }
    sutra_engine_clear_cache(context->engine, NULL);
    su_reply_string(&exchange->response.body,
                    cache.bytes ? "{\"cleared\":true}" : "{\"cleared\":false}");
    su_exchange_answer(exchange);
}
