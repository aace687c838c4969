#include "metrics_page.h"

#include "base/number_text.h"
#include "engine_counts.h"
#include "server_context.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void begin(SuReplyText *body, const char *name, const char *type, const char *help)
{
    su_reply_string(body, "# HELP ");
    su_reply_string(body, name);
    su_reply_string(body, " ");
    su_reply_string(body, help);
    su_reply_string(body, "\n# TYPE ");
    su_reply_string(body, name);
    su_reply_string(body, " ");
    su_reply_string(body, type);
    su_reply_string(body, "\n");
}

static void number(SuReplyText *body, double value)
{
    char text[SU_NUMBER_TEXT];
    if (value >= 0 && value < 9e15 && value == floor(value)) {
        su_reply_number(body, (uint64_t)value);
        return;
    }
    su_reply_bytes(body, text, su_double_text(value, text));
}

/* labels: a="b",c="d"; "": none. */
static void sample(SuReplyText *body, const char *name, const char *labels, double value)
{
    su_reply_string(body, name);
    if (*labels) {
        su_reply_string(body, "{");
        su_reply_string(body, labels);
        su_reply_string(body, "}");
    }
    su_reply_string(body, " ");
    number(body, value);
    su_reply_string(body, "\n");
}

static void one(SuReplyText *body, const char *name, const char *type, const char *help,
                double value)
{
    begin(body, name, type, help);
    sample(body, name, "", value);
}

static void histogram(SuReplyText *body, const char *name, const char *help,
                      const SuHistogram *histogram)
{
    char series[80], labels[48], bound[SU_NUMBER_TEXT];
    uint64_t count = 0;
    begin(body, name, "histogram", help);
    snprintf(series, sizeof series, "%s_bucket", name);
    for (size_t i = 0; i < histogram->num_bounds; i++) {
        count += histogram->counts[i];
        su_double_text((double)histogram->bounds[i] / histogram->scale, bound);
        snprintf(labels, sizeof labels, "le=\"%s\"", bound);
        sample(body, series, labels, (double)count);
    }
    sample(body, series, "le=\"+Inf\"", (double)histogram->total);
    snprintf(series, sizeof series, "%s_sum", name);
    sample(body, series, "", (double)histogram->sum / histogram->scale);
    snprintf(series, sizeof series, "%s_count", name);
    sample(body, series, "", (double)histogram->total);
}

/* ---- what the server counts ---- */

static void write_requests(SuReplyText *body, const SuMetrics *metrics)
{
    static const char name[] = "sutra_requests_total";
    char labels[160];
    begin(body, name, "counter",
          "Requests that were answered, by route (none: no such path, or no request that could be "
          "read) and status.");
    for (size_t r = 0; r <= SU_METRIC_ROUTES; r++) {
        bool is_route = r < metrics->table->num_routes && r < SU_METRIC_ROUTES;
        const SuRoute *route = is_route ? &metrics->table->routes[r] : NULL;
        for (size_t s = 0; s < SU_METRIC_STATUSES; s++) {
            if (metrics->requests[r][s] == 0) continue;
            snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\",status=\"%d\"",
                     route ? route->method : "", route ? route->pattern : "", su_status_at(s));
            sample(body, name, labels, (double)metrics->requests[r][s]);
        }
    }
    one(body, "sutra_requests_abandoned_total", "counter",
        "Requests whose client left before their answer.", (double)metrics->gone);
}

static void write_lengths(SuReplyText *body, const SuMetrics *metrics)
{
    one(body, "sutra_texts_total", "counter", "Texts of requests that were answered with vectors.",
        (double)metrics->texts);
    one(body, "sutra_tokens_total", "counter", "Tokens of those texts that went through a model.",
        (double)metrics->tokens);
    one(body, "sutra_truncated_texts_total", "counter", "Texts that were cut to fit their model.",
        (double)metrics->truncated_texts);
    one(body, "sutra_cancelled_texts_total", "counter",
        "Texts that were not computed because their client had left.",
        (double)metrics->cancelled_texts);
    histogram(body, "sutra_request_duration_seconds", "From a request's first byte to its answer.",
              &metrics->duration);
    histogram(body, "sutra_request_queue_seconds",
              "Until a thread took up the last text of a request.", &metrics->queue);
    histogram(body, "sutra_request_tokenize_seconds", "Tokenisation of all texts of a request.",
              &metrics->tokenize);
    histogram(body, "sutra_request_compute_seconds",
              "The encoder's longest run with a text of a request.", &metrics->compute);
    histogram(body, "sutra_request_texts", "Texts of a request.", &metrics->request_texts);
    histogram(body, "sutra_request_tokens", "Tokens of a request.", &metrics->request_tokens);
    one(body, "sutra_tokens_per_second", "gauge",
        "Pace of late while there was work; 0: not known yet.", metrics->tokens_per_second);
}

static void write_connections(SuReplyText *body, const SuConnectionOwner *owner)
{
    one(body, "sutra_open_connections", "gauge", "Connections that are open.",
        (double)owner->num_open);
    one(body, "sutra_connections_total", "counter", "Connections that were accepted.",
        (double)owner->num_accepted);
    one(body, "sutra_connections_refused_total", "counter",
        "Connections that were turned away: there were too many.", (double)owner->num_refused);
    one(body, "sutra_requests_in_flight", "gauge",
        "Requests from their first byte until their answer is out; this one too.",
        (double)owner->num_busy);
    one(body, "sutra_received_bytes_total", "counter", "Bytes that came from clients.",
        (double)owner->bytes_in);
    one(body, "sutra_sent_bytes_total", "counter", "Bytes that went to clients.",
        (double)owner->bytes_out);
    one(body, "sutra_held_request_bytes", "gauge", "Bodies of requests in memory.",
        (double)owner->received);
    one(body, "sutra_held_answer_bytes", "gauge",
        "Answers that are being made, by estimate, or that clients have not read yet.",
        (double)owner->room.used);
}

static void write_models(SuReplyText *body, const SuModelTable *table)
{
    one(body, "sutra_model_reloads_total", "counter",
        "Models whose files were opened anew, and took the place of the model before.",
        (double)table->num_reloads);
    one(body, "sutra_model_reload_failures_total", "counter",
        "Models that could not be opened anew: the one before stayed.",
        (double)table->num_failed_reloads);
}

/* ---- what the engine says ---- */

static void write_engine(SuReplyText *body, const json_t *counts)
{
    static const struct {
        const char *name, *type, *help, *group, *count;
    } rows[] = {
        {"sutra_engine_threads", "gauge", "Threads of the engine.", NULL, "threads"},
        {"sutra_engine_waiting_requests", "gauge",
         "Requests with texts that no thread has taken up.", "waiting", "requests"},
        {"sutra_engine_waiting_texts", "gauge", "Texts that no thread has taken up.", "waiting",
         "texts"},
        {"sutra_engine_waiting_tokens", "gauge", "Their tokens, by estimate.", "waiting", "tokens"},
        {"sutra_engine_failed_texts_total", "counter", "Texts that have no vector.", NULL,
         "failed"},
        {"sutra_cache_bytes", "gauge", "Memory of the vector cache.", "cache", "bytes"},
        {"sutra_cache_hits_total", "counter", "Texts whose vector was in the cache.", "cache",
         "hits"},
        {"sutra_cache_misses_total", "counter", "Texts whose vector was not.", "cache", "misses"},
    };
    static const char *const kinds[] = {"wide", "team"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        one(body, rows[i].name, rows[i].type, rows[i].help,
            su_engine_count(counts, rows[i].group, rows[i].count));
    begin(body, "sutra_engine_runs_total", "counter",
          "Batches that went through an encoder, by one thread each (wide) or all (team).");
    for (int i = 0; i < 2; i++)
        sample(body, "sutra_engine_runs_total", i ? "kind=\"team\"" : "kind=\"wide\"",
               su_engine_count(counts, kinds[i], "runs"));
    begin(body, "sutra_engine_run_tokens_total", "counter", "Tokens of those batches.");
    for (int i = 0; i < 2; i++)
        sample(body, "sutra_engine_run_tokens_total", i ? "kind=\"team\"" : "kind=\"wide\"",
               su_engine_count(counts, kinds[i], "tokens"));
}

/* A sample's name and the label `device`, then the value. */
static void device_sample(SuReplyText *body, const char *name, const json_t *device, double value)
{
    const json_t *id = json_object_get(device, "name");
    su_reply_string(body, name);
    su_reply_string(body, "{device=");
    su_reply_json(body, (SuText){json_string_value(id), json_string_length(id)});
    su_reply_string(body, "} ");
    number(body, value);
    su_reply_string(body, "\n");
}

static void write_devices(SuReplyText *body, const json_t *devices)
{
    static const struct {
        const char *name, *type, *help, *count;
    } rows[] = {
        {"sutra_device_runs_total", "counter", "Batches that went through a device.", "runs"},
        {"sutra_device_texts_total", "counter", "Their texts.", "texts"},
        {"sutra_device_tokens_total", "counter", "Their tokens.", "tokens"},
        {"sutra_device_failed_runs_total", "counter", "Batches that a device failed at.",
         "failed_runs"},
        {"sutra_device_late_runs_total", "counter", "Batches whose device came back too late.",
         "late_runs"},
        {"sutra_device_retried_texts_total", "counter", "Texts that went to another device.",
         "retried_texts"},
        {"sutra_device_lanes", "gauge", "Batches that a device takes at a time.", "lanes"},
        {"sutra_device_busy", "gauge", "Batches that it is at.", "busy"},
        {"sutra_device_hung", "gauge", "Calls that have not come back.", "hung"},
        {"sutra_device_nanoseconds_per_token", "gauge", "Its pace of late.", "ns_per_token"},
    };
    if (json_array_size(devices) == 0) return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(body, rows[i].name, rows[i].type, rows[i].help);
        for (size_t d = 0; d < json_array_size(devices); d++) {
            const json_t *device = json_array_get(devices, d);
            device_sample(body, rows[i].name, device, su_engine_count(device, NULL, rows[i].count));
        }
    }
}

/* ---- the process ---- */

static double resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%lu %lu", &size, &resident) != 2) resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void write_process(SuReplyText *body, int64_t started)
{
    struct rusage usage = {0};
    char labels[64];
    getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    begin(body, "sutra_build_info", "gauge", "1; what runs is in the labels.");
    snprintf(labels, sizeof labels, "version=\"%.40s\"", sutra_version());
    sample(body, "sutra_build_info", labels, 1);
    one(body, "process_resident_memory_bytes", "gauge", "Resident memory; 0: not known.",
        resident_bytes());
    one(body, "process_cpu_seconds_total", "counter", "Processor time.", seconds);
    one(body, "process_start_time_seconds", "gauge", "Start of the server, since 1970.",
        (double)started);
}

void su_metrics_page(SuExchange *exchange)
{
    static const SuHttpProblem no_memory = {
        .status = 503, .code = "out_of_memory", .message = "The server is out of memory."};
    const SuServerContext *context = exchange->context;
    SuReplyText *body = &exchange->response.body;
    json_t *counts = su_engine_counts(context->engine);
    if (!counts) {
        su_exchange_fail(exchange, &no_memory);
        return;
    }
    exchange->response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    write_requests(body, &context->metrics);
    write_lengths(body, &context->metrics);
    write_connections(body, &context->http.owner);
    one(body, "sutra_open_streams", "gauge", "WebSocket streams that are open.",
        context->num_streams);
    write_models(body, &context->models);
    write_engine(body, counts);
    write_devices(body, json_object_get(counts, "devices"));
    write_process(body, context->started);
    json_decref(counts);
    su_exchange_answer(exchange);
}
