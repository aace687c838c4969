#include "http_server.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPT_AGAIN_MS = 100 };
enum { ACCEPTED_AT_ONCE = 64 }; /* then those that are there have their turn */

/* ---- requests ---- */

static void fail(SuExchange *exchange, int status, const char *code, const char *message)
{
    SuHttpProblem problem = {.status = status, .code = code, .message = message};
    su_exchange_fail(exchange, &problem);
}

static void no_route(SuExchange *exchange, const char *allow)
{
    char message[200];
    if (!*allow) {
        fail(exchange, 404, "unknown_url", "There is nothing at this path.");
        return;
    }
    su_response_header(&exchange->response, "Allow", allow);
    snprintf(message, sizeof message, "This path takes %s.", allow);
    fail(exchange, 405, "method_not_supported", message);
}

/* What lets a page of another origin read the answer. True: there is such a page, which may. */
static bool share(const SuHttpServer *server, SuExchange *exchange)
{
    SuReplyText *headers = &exchange->response.headers;
    SuText origin = su_access_shared_origin(&server->access, &exchange->head);
    if (server->access.origins) su_reply_string(headers, "Vary: Origin\r\n");
    if (!origin.data) return false;
    su_reply_string(headers, "Access-Control-Allow-Origin: ");
    su_reply_bytes(headers, origin.data, origin.size);
    su_reply_string(headers, "\r\nAccess-Control-Expose-Headers: Retry-After, X-Request-Id, "
                             "X-Sutra-Truncated\r\n");
    return true;
}

/* A browser asks before it sends a page's request. */
static bool is_preflight(const SuHttpHead *head)
{
    return su_text_is(head->method, "OPTIONS") &&
           su_http_header(head, "access-control-request-method").data;
}

static void answer_preflight(SuExchange *exchange)
{
    SuHttpResponse *response = &exchange->response;
    SuText wanted = su_http_header(&exchange->head, "access-control-request-headers");
    su_response_header(response, "Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE");
    su_response_header(response, "Access-Control-Max-Age", "600");
    if (su_http_header(&exchange->head, "access-control-request-private-network").data)
        su_response_header(response, "Access-Control-Allow-Private-Network", "true");
    if (wanted.size) {
        su_reply_string(&response->headers, "Access-Control-Allow-Headers: ");
        su_reply_bytes(&response->headers, wanted.data, wanted.size);
        su_reply_string(&response->headers, "\r\n");
    }
    su_exchange_answer(exchange);
}

static void handle(SuConnectionOwner *owner, SuExchange *exchange)
{
    SuHttpServer *server = (SuHttpServer *)owner;
    char allow[SU_ALLOW_MAX];
    const SuHttpHead *head = &exchange->head;
    exchange->context = server->context;
    exchange->write_problem = su_route_problem_writer(&server->table, head->path);
    exchange->finished = server->finished;
    const SuRoute *route = exchange->route =
        su_route_find(&server->table, head->method, head->path, &exchange->rest, allow);
    bool is_shared = share(server, exchange);
    if (!su_access_allows_host(&server->access, head))
        fail(exchange, 403, "host_not_allowed",
             "This server is reached as localhost or by its address: the Host header names another "
             "one.");
    else if (!su_access_allows_origin(&server->access, head))
        fail(exchange, 403, "origin_not_allowed",
             "Pages of other origins may not ask this server.");
    else if (is_shared && is_preflight(head))
        answer_preflight(exchange);
    else if (!(route && route->is_open) && !su_access_has_key(&server->access, head))
        fail(exchange, 401, "invalid_api_key",
             "Incorrect API key provided: send it as Authorization: Bearer KEY.");
    else if (!route)
        no_route(exchange, allow);
    else
        route->handle(exchange);
}

static void refuse(SuConnectionOwner *owner, SuExchange *exchange, int status, const char *reason)
{
    SuHttpServer *server = (SuHttpServer *)owner;
    exchange->context = server->context;
    exchange->finished = server->finished;
    exchange->write_problem = su_route_problem_writer(&server->table, exchange->head.path);
    share(server, exchange);
    fail(exchange, status, NULL, reason);
}

/* ---- connections ---- */

static void turn_away(SuHttpServer *server, int fd)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                                 "Content-Length: 0\r\nConnection: close\r\n\r\n";
    ssize_t sent = send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    close(fd);
    server->owner.num_refused++;
}

/* Takes what has come, `most` at most; false: not now, the process has no more descriptors. */
static bool accept_some(SuHttpServer *server, int most)
{
    static const int on = 1;
    while (most-- > 0) {
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            if (server->owner.num_open >= server->owner.limits.max_connections)
                turn_away(server, fd);
            else
                su_connection_open(&server->owner, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return true;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return false;
        }
    }
    return true;
}

static void on_accept(evutil_socket_t fd, short what, void *user)
{
    SuHttpServer *server = user;
    (void)fd;
    (void)what;
    if (accept_some(server, ACCEPTED_AT_ONCE)) return;
    event_del(server->listener);
    su_loop_after(server->accepts_again, ACCEPT_AGAIN_MS);
}

static void on_accept_again(evutil_socket_t fd, short what, void *user)
{
    SuHttpServer *server = user;
    (void)fd;
    (void)what;
    if (server->listener) event_add(server->listener, NULL);
}

/* ---- stopping ---- */

static void close_all(SuHttpServer *server)
{
    while (server->owner.first) su_connection_close(server->owner.first);
}

static void stop_tunnels(SuHttpServer *server)
{
    for (struct SuConnection *c = server->owner.first, *next; c; c = next) {
        next = c->next;
        su_connection_stop(c);
    }
}

/* When no request is at hand, or time is up. */
static void on_drained(evutil_socket_t fd, short what, void *user)
{
    SuHttpServer *server = user;
    struct SuConnection *connection = server->owner.first;
    (void)fd;
    if (!(what & EV_TIMEOUT)) {
        while (connection && server->owner.num_busy == 0) {
            struct SuConnection *next = connection->next;
            su_connection_drain(connection);
            connection = next;
        }
        if (server->owner.num_open) return;
    }
    close_all(server);
    su_loop_end(&server->loop);
}

static void on_freed(SuConnectionOwner *owner)
{
    SuHttpServer *server = (SuHttpServer *)owner;
    if (owner->is_draining && owner->num_busy == 0) event_active(server->drained, EV_WRITE, 0);
}

static void stop_listening(SuHttpServer *server)
{
    if (!server->listener) return;
    event_free(server->listener);
    server->listener = NULL;
    close(server->listen_fd);
    server->listen_fd = -1;
}

static void on_woken(void *user)
{
    SuHttpServer *server = user;
    int stops = server->stops;
    if (server->woken) server->woken(server->context);
    if (stops == 0) return;
    if (!server->owner.is_draining) {
        if (server->listener) accept_some(server, 2 * BACKLOG);
        stop_listening(server);
        server->owner.is_draining = true;
        server->end_ns = su_clock_ns() + server->owner.limits.drain_ms * UINT64_C(1000000);
        stop_tunnels(server);
        su_loop_after(server->drained, server->owner.limits.drain_ms);
        on_freed(&server->owner);
    }
    if (stops > 1) event_active(server->drained, EV_TIMEOUT, 0);
}

void su_http_server_stop(SuHttpServer *server)
{
    server->stops++;
    su_loop_wake(&server->loop);
}

bool su_http_server_is_stopping(const SuHttpServer *server) { return server->stops > 0; }

/* ---- from open to close ---- */

SutraStatus su_http_server_open(SuHttpServer *server, const SuHttpOptions *options, SutraError *err)
{
    *server = (SuHttpServer){
        .table = options->table,
        .context = options->context,
        .finished = options->finished,
        .woken = options->woken,
        .listen_fd = -1,
        .access = {.key = options->key, .host = options->host, .origins = options->origins}};
    server->owner = (SuConnectionOwner){.loop = &server->loop,
                                        .limits = options->limits,
                                        .room = {.most = options->max_answers},
                                        .handle = handle,
                                        .refuse = refuse,
                                        .freed = on_freed};
    SU_TRY(su_loop_open(&server->loop, err));
    server->loop.woken = on_woken;
    server->loop.user = server;
    server->accepts_again = evtimer_new(server->loop.base, on_accept_again, server);
    server->drained = evtimer_new(server->loop.base, on_drained, server);
    if (server->accepts_again && server->drained) return SUTRA_OK;
    su_http_server_close(server);
    SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the server");
}

uint32_t su_http_server_fit(SuHttpServer *server)
{
    enum { OTHER_FILES = 64 }; /* models, the loop, what the program has */
    uint32_t *most = &server->owner.limits.max_connections;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < *most + (rlim_t)OTHER_FILES)
        *most = (uint32_t)(limit.rlim_cur > 2 * OTHER_FILES ? limit.rlim_cur - OTHER_FILES
                                                            : limit.rlim_cur / 2);
    return *most;
}

static SutraStatus resolve(const char *host, uint16_t port, struct addrinfo **list, SutraError *err)
{
    char service[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    snprintf(service, sizeof service, "%u", port);
    int code = getaddrinfo(host, service, &hints, list);
    if (code == 0) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_IO, "host %s: %s", host, gai_strerror(code));
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)address;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *six = (const void *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

SutraStatus su_http_is_loopback(const char *host, bool *result, SutraError *err)
{
    struct addrinfo *list;
    SU_TRY(resolve(host, 0, &list, err));
    *result = is_loopback(list->ai_addr);
    freeaddrinfo(list);
    return SUTRA_OK;
}

static SutraStatus listen_at(SuHttpServer *server, const struct addrinfo *address,
                             const SuHttpOptions *options, SutraError *err)
{
    static const int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(fd, BACKLOG) != 0) {
        int reason = errno;
        if (fd >= 0) close(fd);
        SU_RAISE(err, SUTRA_E_IO, "%s, port %u: %s", options->host, options->port,
                 strerror(reason));
    }
    server->listen_fd = fd;
    server->listener = event_new(server->loop.base, fd, EV_READ | EV_PERSIST, on_accept, server);
    if (server->listener && event_add(server->listener, NULL) == 0) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the server");
}

static void write_url(SuHttpServer *server, const char *host)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char port[8] = "0";
    if (getsockname(server->listen_fd, (struct sockaddr *)&address, &size) == 0)
        getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    bool six = strchr(host, ':') != NULL;
    snprintf(server->url, sizeof server->url, "http://%s%.250s%s:%s", six ? "[" : "", host,
             six ? "]" : "", port);
}

SutraStatus su_http_server_bind(SuHttpServer *server, const SuHttpOptions *options, SutraError *err)
{
    struct addrinfo *list;
    SU_TRY(resolve(options->host, options->port, &list, err));
    server->access.is_loopback = is_loopback(list->ai_addr);
    SutraStatus status;
    if (server->access.is_loopback || options->key || options->no_auth)
        status = listen_at(server, list, options, err);
    else
        status = su_error_set(err, SUTRA_E_ARGUMENT,
                              "host %s: others reach this address, and there is no API key",
                              options->host);
    freeaddrinfo(list);
    if (status == SUTRA_OK) write_url(server, options->host);
    return status;
}

SutraStatus su_http_server_run(SuHttpServer *server, SutraError *err)
{
    su_loop_wake(&server->loop); /* it may have been asked to stop already */
    SutraStatus status = su_loop_run(&server->loop, err);
    close_all(server);
    return status;
}

void su_http_server_close(SuHttpServer *server)
{
    if (!server->loop.base) return;
    close_all(server);
    stop_listening(server);
    if (server->accepts_again) event_free(server->accepts_again);
    if (server->drained) event_free(server->drained);
    su_loop_close(&server->loop);
}
