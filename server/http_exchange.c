#include "http_exchange.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

SuExchange *su_exchange_create(void)
{
    SuExchange *exchange = su_calloc(1, sizeof *exchange);
    if (exchange) exchange->begin_ns = su_clock_ns();
    return exchange;
}

void su_exchange_free(SuExchange *exchange)
{
    if (!exchange) return;
    if (exchange->room) exchange->room->used -= exchange->expected;
    if (exchange->received) *exchange->received -= exchange->body_capacity;
    su_reply_free(&exchange->response.headers);
    su_reply_free(&exchange->response.body);
    su_free(exchange->head_text);
    su_free(exchange->body_text);
    su_free(exchange);
}

bool su_exchange_expect(SuExchange *exchange, uint64_t bytes)
{
    SuAnswerRoom *room = exchange->room;
    if (!room) return true;
    bool is_alone = room->used == 0 || room->most == 0;
    if (!is_alone && (room->used >= room->most || bytes > room->most - room->used)) return false;
    room->used += bytes;
    exchange->expected += bytes;
    return true;
}

void su_exchange_answer(SuExchange *exchange)
{
    if (exchange->response.status == 0) exchange->response.status = 200;
    if (!exchange->response.content_type) exchange->response.content_type = "application/json";
    if (exchange->finished) exchange->finished(exchange);
    if (exchange->connection) exchange->respond(exchange->connection, exchange);
    su_exchange_free(exchange);
}

static void write_retry_after(SuHttpResponse *response, uint32_t seconds)
{
    char number[16];
    snprintf(number, sizeof number, "%u", seconds ? seconds : 1);
    su_response_header(response, "Retry-After", number);
}

void su_exchange_fail(SuExchange *exchange, const SuHttpProblem *problem)
{
    SuHttpResponse *response = &exchange->response;
    response->body.size = 0;
    response->status = problem->status;
    if (problem->status == 429 || problem->status == 503)
        write_retry_after(response, problem->retry_after);
    if (problem->status == 401) su_response_header(response, "WWW-Authenticate", "Bearer");
    exchange->write_problem(response, problem);
    su_exchange_answer(exchange);
}

void su_response_header(SuHttpResponse *response, const char *name, const char *value)
{
    su_reply_string(&response->headers, name);
    su_reply_string(&response->headers, ": ");
    su_reply_string(&response->headers, value);
    su_reply_string(&response->headers, "\r\n");
}

static bool is_id(SuText id)
{
    if (id.size == 0 || id.size > SU_REQUEST_ID_MAX) return false;
    for (size_t i = 0; i < id.size; i++) {
        char c = id.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '-' && c != '_' && c != '.') return false;
    }
    return true;
}

void su_exchange_set_id(SuExchange *exchange)
{
    static _Atomic uint64_t start, count;
    SuText given = su_http_header(&exchange->head, "x-request-id");
    if (is_id(given)) {
        memcpy(exchange->id, given.data, given.size);
        exchange->id[given.size] = '\0';
        return;
    }
    uint64_t number = count++;
    if (number == 0) {
        uint64_t random = 0;
        if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0) random = su_clock_ns();
        start = random;
    }
    snprintf(exchange->id, sizeof exchange->id, "req_%016llx%06llx", (unsigned long long)start,
             (unsigned long long)number);
}

const char *su_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {424, "Failed Dependency"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "Status";
}
