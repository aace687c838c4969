#include "access_log.h"

#include "base/json_escape.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { CLIENT_LEFT = 499, SHOWN = 256 /* bytes of a method or path */ };

typedef struct Parts {
    char time[40], method[SHOWN * 6 + 1], path[SHOWN * 6 + 1];
    int status;
    double seconds, queue, tokenize, compute;
} Parts;

static void escape(SuText text, char shown[SHOWN * 6 + 1])
{
    size_t used, size = text.size < SHOWN ? text.size : SHOWN;
    shown[su_json_escape(text.data, size, shown, SHOWN * 6, &used)] = '\0';
}

static void write_time(char text[40])
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &parts)) parts = (struct tm){0};
    size_t size = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + size, 40 - size, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
}

static void take_apart(const SuExchange *exchange, uint64_t now, Parts *parts)
{
    write_time(parts->time);
    escape(exchange->head.method, parts->method);
    escape(exchange->head.path, parts->path);
    parts->status = exchange->connection ? exchange->response.status : CLIENT_LEFT;
    parts->seconds = (double)(now - exchange->begin_ns) / 1e9;
    parts->queue = (double)exchange->facts.queue_ns / 1e9;
    parts->tokenize = (double)exchange->facts.tokenize_ns / 1e9;
    parts->compute = (double)exchange->facts.compute_ns / 1e9;
}

void su_access_line_json(const SuExchange *exchange, uint64_t now, char line[SU_ACCESS_LINE_MAX])
{
    const SuRequestFacts *facts = &exchange->facts;
    Parts parts;
    take_apart(exchange, now, &parts);
    snprintf(line, SU_ACCESS_LINE_MAX,
             "{\"time\":\"%s\",\"id\":\"%s\",\"method\":\"%s\",\"path\":\"%s\",\"status\":%d,"
             "\"received\":%zu,\"sent\":%zu,\"texts\":%" PRIu64 ",\"tokens\":%" PRIu64
             ",\"truncated\":%" PRIu64 ",\"seconds\":%.6f,\"queue_seconds\":%.6f,"
             "\"tokenize_seconds\":%.6f,\"compute_seconds\":%.6f}",
             parts.time, exchange->id, parts.method, parts.path, parts.status, exchange->body.size,
             exchange->response.body.size, facts->texts, facts->tokens, facts->truncated_texts,
             parts.seconds, parts.queue, parts.tokenize, parts.compute);
}

void su_access_line_text(const SuExchange *exchange, uint64_t now, char line[SU_ACCESS_LINE_MAX])
{
    const SuRequestFacts *facts = &exchange->facts;
    Parts parts;
    take_apart(exchange, now, &parts);
    snprintf(line, SU_ACCESS_LINE_MAX,
             "%s %s %s %d %zu+%zu bytes, %" PRIu64 " texts, %" PRIu64 " tokens, %.6f s, %s",
             parts.time, *parts.method ? parts.method : "-", *parts.path ? parts.path : "-",
             parts.status, exchange->body.size, exchange->response.body.size, facts->texts,
             facts->tokens, parts.seconds, exchange->id);
}
