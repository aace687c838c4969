#include "health.h"

#include "server_context.h"

void su_health(SuExchange *exchange)
{
    su_reply_string(&exchange->response.body, "{\"status\":\"ok\"}");
    su_exchange_answer(exchange);
}

void su_ready(SuExchange *exchange)
{
    static const SuHttpProblem stopping = {503, "stopping", NULL, "The server is stopping.", 0};
    const SuServerContext *context = exchange->context;
    if (su_http_server_is_stopping(&context->http)) {
        su_exchange_fail(exchange, &stopping);
        return;
    }
    su_reply_string(&exchange->response.body, "{\"status\":\"ready\"}");
    su_exchange_answer(exchange);
}
