#include "hub/http_client.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_REDIRECTS 10
#define MAX_ERROR_BODY ((uint64_t)1 << 16)
#define PROGRESS_BYTES ((uint64_t)1 << 20) /* this much more held: the attempts count anew */

/* One transfer: what the callbacks share. */
typedef struct Transfer {
    SuHttp *http;
    SuHttpSink *sink;
    SuHttpAnswer *answer;
    SutraStatus status; /* of sink or limits; stops the transfer */
    SutraError *err;
    uint64_t asked_from;    /* first byte asked for */
    uint64_t content_begin; /* of Content-Range */
    uint64_t ignored;       /* bytes of a body that is no file: an error page */
    bool ranged, started;
    uint32_t retry_after_s;
} Transfer;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;
static void initialise_curl(void) { curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT); }

/* libcurl's own reading of proxy variables and .netrc is off: the caller's options decide. */
static void set_options(CURL *curl, const SutraHubOptions *options)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, options->proxy);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, options->no_proxy);
    if (options->ca_file) curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)options->stall_timeout_s);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 1L << 18);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

SutraStatus su_http_open(SuHttp *http, SuHubContext *hub, SutraError *err)
{
    char agent[64];
    *http = (SuHttp){.hub = hub};
    pthread_once(&curl_once, initialise_curl);
    if (curl_ready == CURLE_OK) http->curl = curl_easy_init();
    if (!http->curl) SU_RAISE(err, SUTRA_E_MEMORY, "libcurl: cannot be initialised");
    snprintf(agent, sizeof agent, "sutra/%s", sutra_version());
    curl_easy_setopt(http->curl, CURLOPT_USERAGENT, agent);
    set_options(http->curl, &hub->options);
    return SUTRA_OK;
}

void su_http_close(SuHttp *http)
{
    curl_easy_cleanup(http->curl);
    http->curl = NULL;
}

/* ---- callbacks ---- */

/* The value of header `name` in line, or NULL. Value ends at the line's end. */
static const char *header_value(const char *line, size_t size, const char *name, size_t *value_size)
{
    size_t head = strlen(name);
    if (size <= head || strncasecmp(line, name, head) != 0 || line[head] != ':') return NULL;
    const char *value = line + head + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (unsigned char)end[-1] <= ' ') end--;
    *value_size = (size_t)(end - value);
    return value;
}

static bool copy_header(const char *line, size_t size, const char *name, char *out, size_t capacity)
{
    size_t value_size;
    const char *value = header_value(line, size, name, &value_size);
    if (!value || value_size >= capacity) return false;
    memcpy(out, value, value_size);
    out[value_size] = '\0';
    return true;
}

static size_t on_header(char *line, size_t unit, size_t count, void *user)
{
    Transfer *transfer = user;
    size_t size = unit * count;
    char value[64];
    if (copy_header(line, size, "Retry-After", value, sizeof value))
        transfer->retry_after_s = (uint32_t)strtoul(value, NULL, 10);
    if (copy_header(line, size, "Content-Range", value, sizeof value))
        transfer->ranged = sscanf(value, "bytes %" SCNu64 "-", &transfer->content_begin) == 1;
    copy_header(line, size, "X-Error-Code", transfer->answer->error_code,
                sizeof transfer->answer->error_code);
    return size;
}

/* The first bytes of a good answer: does it go on where we stopped, or start again? */
static SutraStatus start_body(Transfer *transfer, long code)
{
    SuHttpSink *sink = transfer->sink;
    transfer->started = true;
    if (code == 206 && transfer->asked_from > 0 && transfer->ranged &&
        transfer->content_begin == transfer->asked_from)
        return SUTRA_OK;
    if (code == 206)
        SU_RAISE(transfer->err, SUTRA_E_FORMAT,
                 "the server sends another part of the file than was asked for");
    sink->held = 0;
    return sink->restart(sink->user, transfer->err);
}

static SutraStatus take_body(Transfer *transfer, const void *data, size_t size, long code)
{
    SuHttpSink *sink = transfer->sink;
    if (!transfer->started) SU_TRY(start_body(transfer, code));
    if (size > sink->limit - sink->held)
        SU_RAISE(transfer->err, SUTRA_E_FORMAT, "the server sends more than %llu bytes",
                 (unsigned long long)sink->limit);
    SU_TRY(sink->write(sink->user, data, size, transfer->err));
    sink->held += size;
    return SUTRA_OK;
}

static size_t on_body(char *data, size_t unit, size_t count, void *user)
{
    Transfer *transfer = user;
    size_t size = unit * count;
    long code = 0;
    curl_easy_getinfo(transfer->http->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code < 200 || code > 299) {
        transfer->ignored += size;
        return transfer->ignored <= MAX_ERROR_BODY ? size : 0;
    }
    transfer->status = take_body(transfer, data, size, code);
    return transfer->status == SUTRA_OK ? size : 0;
}

static int on_tick(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return su_hub_is_cancelled(((Transfer *)user)->http->hub);
}

/* ---- origins and redirects ---- */

static bool url_part(const char *url, CURLUPart part, char *out, size_t capacity)
{
    CURLU *parsed = curl_url();
    char *text = NULL;
    bool ok = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parsed, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              strlen(text) < capacity;
    if (ok) strcpy(out, text);
    curl_free(text);
    curl_url_cleanup(parsed);
    return ok;
}

static bool same_origin(const char *first, const char *second)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char a[256], b[256];
        if (!url_part(first, parts[i], a, sizeof a) || !url_part(second, parts[i], b, sizeof b) ||
            strcasecmp(a, b) != 0)
            return false;
    }
    return true;
}

/* The address that the last answer points to, in *url. */
static SutraStatus redirect(SuHttp *http, char *url, size_t capacity, SutraError *err)
{
    const char *target = NULL;
    char scheme[16] = "", before[16] = "";
    curl_easy_getinfo(http->curl, CURLINFO_REDIRECT_URL, &target);
    if (!target || strlen(target) >= capacity || !url_part(target, CURLUPART_SCHEME, scheme, 16) ||
        !url_part(url, CURLUPART_SCHEME, before, 16))
        SU_RAISE(err, SUTRA_E_IO, "%.200s: redirects to no valid address", url);
    if (strcasecmp(scheme, before) != 0 && strcasecmp(scheme, "https") != 0)
        SU_RAISE(err, SUTRA_E_IO, "%.200s: redirects from https to %s, which is refused", url,
                 scheme);
    memmove(url, target, strlen(target) + 1);
    return SUTRA_OK;
}

/* ---- one request ---- */

static struct curl_slist *authorization(const SuHttp *http, const char *url, bool *ok)
{
    const SutraHubOptions *options = &http->hub->options;
    char line[1100];
    *ok = true;
    if (!options->token || !same_origin(url, options->endpoint)) return NULL;
    int size = snprintf(line, sizeof line, "Authorization: Bearer %s", options->token);
    struct curl_slist *list = size < (int)sizeof line ? curl_slist_append(NULL, line) : NULL;
    *ok = list != NULL;
    return list;
}

/* One answer of one server; a redirect is an answer. */
static CURLcode perform(Transfer *transfer, const char *url, char message[CURL_ERROR_SIZE])
{
    SuHttp *http = transfer->http;
    CURL *curl = http->curl;
    char range[32];
    bool ok;
    struct curl_slist *headers = authorization(http, url, &ok);
    if (!ok) return CURLE_OUT_OF_MEMORY;
    transfer->asked_from = transfer->sink->held;
    transfer->started = transfer->ranged = false;
    transfer->retry_after_s = 0;
    transfer->ignored = 0;
    snprintf(range, sizeof range, "%llu-", (unsigned long long)transfer->asked_from);
    message[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_RANGE, transfer->asked_from ? range : NULL);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_tick);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    transfer->answer->code = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer->answer->code);
    if (!message[0]) snprintf(message, CURL_ERROR_SIZE, "%s", curl_easy_strerror(code));
    return code;
}

typedef enum Outcome { DONE, FAILED, TRY_AGAIN } Outcome;

/* Nothing was ever received: most likely there is no network, which a second try won't change. */
static bool is_unreachable(const SuHttp *http, CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return true;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
        return !http->reached;
    default:
        return false;
    }
}

static bool is_transient(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

static Outcome judge_failure(Transfer *transfer, CURLcode code, const char *message)
{
    const SuHttp *http = transfer->http;
    if (transfer->status != SUTRA_OK) return FAILED;
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        transfer->status = su_hub_check_cancelled(http->hub, transfer->err);
        return FAILED;
    }
    if (is_unreachable(http, code)) {
        transfer->status = su_error_set(
            transfer->err, SUTRA_E_IO,
            "the hub at %.120s can't be reached (%.150s); check the network, HF_ENDPOINT and the "
            "proxy, or take the model from a folder: sutra pull %.100s --from DIR",
            http->hub->options.endpoint, message, http->hub->name);
        return FAILED;
    }
    transfer->status = su_error_set(transfer->err, SUTRA_E_IO, "%s: download failed: %.200s",
                                    http->hub->repo, message);
    return is_transient(code) ? TRY_AGAIN : FAILED;
}

static Outcome judge_status(Transfer *transfer)
{
    SuHttpSink *sink = transfer->sink;
    long code = transfer->answer->code;
    const char *repo = transfer->http->hub->repo;
    if (code == 200 || code == 206) {
        if (!transfer->started) /* an empty body */
            transfer->status = start_body(transfer, code);
        if (transfer->status != SUTRA_OK) return FAILED;
        if (!sink->exact || sink->held == sink->limit) return DONE;
        transfer->status =
            su_error_set(transfer->err, SUTRA_E_IO, "%s: download was cut off", repo);
        return TRY_AGAIN;
    }
    transfer->status =
        su_error_set(transfer->err, SUTRA_E_IO, "%s: the hub answered %ld", repo, code);
    if (code == 416 && sink->held > 0) { /* what we hold is no part of the file */
        sink->held = 0;
        return TRY_AGAIN;
    }
    return code == 408 || code == 429 || code >= 500 ? TRY_AGAIN : FAILED;
}

/* One try: the address and what it redirects to. */
static Outcome attempt(Transfer *transfer, const char *first_url)
{
    char url[8192], message[CURL_ERROR_SIZE];
    if (strlen(first_url) >= sizeof url) {
        transfer->status = su_error_set(transfer->err, SUTRA_E_LIMIT, "address too long");
        return FAILED;
    }
    strcpy(url, first_url);
    for (int i = 0; i <= MAX_REDIRECTS; i++) {
        transfer->status = SUTRA_OK;
        transfer->answer->error_code[0] = '\0';
        CURLcode code = perform(transfer, url, message);
        if (code == CURLE_OK || transfer->answer->code) transfer->http->reached = true;
        long answer = transfer->answer->code;
        bool error_page = code == CURLE_WRITE_ERROR && (answer < 200 || answer > 299);
        if (code != CURLE_OK && !error_page) return judge_failure(transfer, code, message);
        if (answer < 300 || answer > 399) return judge_status(transfer);
        transfer->status = redirect(transfer->http, url, sizeof url, transfer->err);
        if (transfer->status != SUTRA_OK) return FAILED;
    }
    transfer->status =
        su_error_set(transfer->err, SUTRA_E_IO, "%.200s: redirects too often", first_url);
    return FAILED;
}

static uint32_t pause_ms(const SutraHubOptions *options, uint32_t tries, uint32_t retry_after_s)
{
    uint64_t pause = (uint64_t)options->backoff_ms << (tries < 16 ? tries : 16);
    uint64_t asked = (uint64_t)retry_after_s * 1000;
    if (asked > pause) pause = asked;
    return pause < options->max_backoff_ms ? (uint32_t)pause : options->max_backoff_ms;
}

SutraStatus su_http_get(SuHttp *http, const char *url, SuHttpSink *sink, SuHttpAnswer *answer,
                        SutraError *err)
{
    SutraError reason = {0};
    Transfer transfer = {.http = http, .sink = sink, .answer = answer, .err = &reason};
    SuHubContext *hub = http->hub;
    SutraHubPhase phase = hub->progress.phase;
    uint64_t held = sink->held;
    for (uint32_t tries = 0;; tries++) {
        Outcome outcome = attempt(&transfer, url);
        if (outcome == DONE) return SUTRA_OK;
        if (sink->held >= held + PROGRESS_BYTES) tries = 0;
        held = sink->held;
        if (outcome == FAILED || tries + 1 >= hub->options.attempts) break;
        uint32_t pause = pause_ms(&hub->options, tries, transfer.retry_after_s);
        char note[sizeof reason.message + 64];
        snprintf(note, sizeof note, "%s; trying again in %u.%u s", reason.message, pause / 1000,
                 pause / 100 % 10);
        su_hub_phase(hub, SUTRA_HUB_RETRYING, note);
        SU_TRY(su_hub_pause(hub, pause, err));
        su_hub_phase(hub, phase, NULL);
    }
    return su_error_set(err, transfer.status, "%s", reason.message);
}
