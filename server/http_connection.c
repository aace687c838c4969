#include "http_connection.h"

#include "base/memory.h"
#include "http_body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD, BODY, PARKED, SENDING, LINGERING, TUNNEL };
enum { LINGER_MS = 2000, READ_SIZE = 65536, COPIED_BODY = 8192 };

static void enter(SuConnection *c) { c->depth++; }

static void free_connection(SuConnection *c)
{
    if (c->readable) event_free(c->readable);
    if (c->writable) event_free(c->writable);
    if (c->deadline) event_free(c->deadline);
    if (c->hung_up) event_free(c->hung_up);
    if (c->in) evbuffer_free(c->in);
    if (c->out) evbuffer_free(c->out);
    if (c->fd >= 0) close(c->fd);
    su_free(c);
}

static void leave(SuConnection *c)
{
    if (--c->depth == 0 && c->is_dead) free_connection(c);
}

static void set_busy(SuConnection *c, bool busy)
{
    if (c->is_busy == busy) return;
    c->is_busy = busy;
    c->owner->num_busy += busy ? 1 : (size_t)-1;
    if (!busy) c->owner->freed(c->owner);
}

static void free_room(SuConnection *c)
{
    c->owner->room.used -= c->unsent;
    c->unsent = 0;
}

static void tell_closed(SuPost *post)
{
    SuTunnel *tunnel = (SuTunnel *)(void *)((char *)post - offsetof(SuTunnel, post));
    tunnel->closed(tunnel);
}

/* Out of the owner's list; the exchange that is parked loses its client. */
static void end_connection(SuConnection *c)
{
    if (c->is_dead) return;
    SuConnectionOwner *owner = c->owner;
    SuExchange *exchange = c->exchange;
    SuTunnel *tunnel = c->tunnel;
    c->is_dead = true;
    c->exchange = NULL;
    c->tunnel = NULL;
    if (exchange && c->state == PARKED) {
        exchange->connection = NULL;
        if (exchange->gone) exchange->gone(exchange);
    } else {
        su_exchange_free(exchange);
    }
    free_room(c);
    event_del(c->readable);
    event_del(c->writable);
    event_del(c->deadline);
    event_del(c->hung_up);
    close(c->fd);
    c->fd = -1;
    if (c->previous)
        c->previous->next = c->next;
    else
        owner->first = c->next;
    if (c->next) c->next->previous = c->previous;
    owner->num_open--;
    set_busy(c, false);
    if (tunnel) {
        tunnel->connection = NULL;
        tunnel->post.run = tell_closed;
        su_loop_post(owner->loop, &tunnel->post);
    }
    owner->freed(owner);
}

void su_connection_close(SuConnection *c)
{
    enter(c);
    end_connection(c);
    leave(c);
}

static void set_reading(SuConnection *c, bool reads)
{
    if (c->reads == reads || c->is_dead) return;
    c->reads = reads;
    struct event *wanted = reads ? c->readable : c->hung_up;
    if (event_del(reads ? c->hung_up : c->readable) != 0 || event_add(wanted, NULL) != 0)
        end_connection(c);
}

static void set_deadline(SuConnection *c, uint64_t milliseconds)
{
    if (!c->is_dead && !su_loop_after(c->deadline, milliseconds)) end_connection(c);
}

/* ---- answers ---- */

static void linger(SuConnection *c)
{
    c->state = LINGERING;
    shutdown(c->fd, SHUT_WR);
    evbuffer_drain(c->in, evbuffer_get_length(c->in));
    set_reading(c, true);
    set_deadline(c, LINGER_MS);
}

/* What is in `out` goes to the kernel; the rest when there is room. */
static void send_out(SuConnection *c)
{
    while (evbuffer_get_length(c->out) > 0) {
        int written = evbuffer_write(c->out, c->fd);
        if (written > 0) {
            c->owner->bytes_out += (uint64_t)written;
            /* a tunnel's client need not keep up, but has to read */
            if (c->state == TUNNEL) set_deadline(c, c->owner->limits.send_ms);
            if (c->is_dead) return;
            continue;
        }
        if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (event_add(c->writable, NULL) != 0) end_connection(c);
            return;
        }
        end_connection(c);
        return;
    }
    if (c->state == TUNNEL) set_deadline(c, c->owner->limits.idle_ms);
    if (c->state != SENDING && c->state != TUNNEL) return;
    free_room(c);
    if (c->closes) {
        linger(c);
        return;
    }
    if (c->state == TUNNEL) return;
    c->state = HEAD;
    c->searched = 0;
    set_busy(c, false);
    set_deadline(c, c->owner->limits.idle_ms);
}

static void free_body(const void *data, size_t size, void *user)
{
    (void)size;
    (void)user;
    su_free((void *)data);
}

/* The answer's bytes into `out`; false: out of memory. */
static bool put_answer(SuConnection *c, const SuExchange *exchange, SuHttpResponse *response)
{
    SuReplyText *body = &response->body;
    bool has_body = response->status != 304 && !su_text_is(exchange->head.method, "HEAD");
    if (response->status == 101)
        return evbuffer_add_printf(c->out, "HTTP/1.1 101 %s\r\nX-Request-Id: %s\r\n%.*s\r\n",
                                   su_http_reason(101), exchange->id, (int)response->headers.size,
                                   response->headers.data) >= 0;
    const char *connection = c->closes               ? "Connection: close\r\n"
                             : exchange->head.is_old ? "Connection: keep-alive\r\n"
                                                     : "";
    if (evbuffer_add_printf(c->out,
                            "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
                            "Content-Length: %zu\r\nX-Request-Id: %s\r\n%s%.*s\r\n",
                            response->status, su_http_reason(response->status),
                            su_http_date(&c->owner->date), response->content_type, body->size,
                            exchange->id, connection, (int)response->headers.size,
                            response->headers.data ? response->headers.data : "") < 0)
        return false;
    if (!has_body || body->size == 0) return true;
    if (body->size <= COPIED_BODY) return evbuffer_add(c->out, body->data, body->size) == 0;
    if (evbuffer_add_reference(c->out, body->data, body->size, free_body, NULL) != 0) return false;
    c->unsent = body->size;
    c->owner->room.used += c->unsent;
    *body = (SuReplyText){0};
    return true;
}

static void advance(SuConnection *c);

static void respond(void *connection, SuExchange *exchange)
{
    SuConnection *c = connection;
    SuHttpResponse *response = &exchange->response;
    enter(c);
    c->exchange = NULL;
    c->state = SENDING;
    c->closes |= !exchange->head.keep_alive || c->owner->is_draining;
    if (response->headers.failed || response->body.failed) {
        su_reply_free(&response->headers);
        su_reply_free(&response->body);
        response->status = 503;
    }
    set_deadline(c, c->owner->limits.send_ms);
    if (c->is_dead) {
        leave(c);
        return;
    }
    bool is_put = put_answer(c, exchange, response);
    if (is_put && response->status == 101) {
        c->state = TUNNEL;
        c->closes = false;
        c->tunnel = exchange->tunnel;
        c->tunnel->connection = c;
        c->tunnel->was_open = true;
    }
    if (is_put)
        send_out(c);
    else
        end_connection(c);
    if (c->depth == 1) advance(c); /* else the caller goes on */
    leave(c);
}

/* ---- requests ---- */

static void refuse(SuConnection *c, int status, const char *reason)
{
    SuExchange *exchange = c->exchange;
    c->closes = true;
    c->state = PARKED;
    c->owner->refuse(c->owner, exchange, status, reason);
}

static void hand_over(SuConnection *c)
{
    set_deadline(c, 0);
    c->state = PARKED;
    c->owner->handle(c->owner, c->exchange);
}

/* False: more bytes are needed, or the connection is over. */
static bool take_body(SuConnection *c)
{
    SuBodyRefusal refusal;
    const SuHttpLimits *limits = &c->owner->limits;
    SuBodyStep step = su_body_take(c->exchange, &c->chunked, c->in, limits->max_body,
                                   limits->max_received, &refusal);
    if (step == SU_BODY_WHOLE) hand_over(c);
    if (step == SU_BODY_REFUSED) refuse(c, refusal.status, refusal.reason);
    if (step == SU_BODY_LOST) end_connection(c);
    return step == SU_BODY_WHOLE || step == SU_BODY_REFUSED;
}

/* An exchange of the first `size` bytes of `in`. */
static bool begin_exchange(SuConnection *c, size_t size)
{
    SuExchange *exchange = su_exchange_create();
    c->exchange = exchange;
    if (exchange) exchange->head_text = su_alloc(size ? size : 1, 1);
    if (!exchange || !exchange->head_text) {
        end_connection(c);
        return false;
    }
    exchange->connection = c;
    exchange->received = &c->owner->received;
    exchange->room = &c->owner->room;
    exchange->respond = respond;
    exchange->head.keep_alive = true;
    if (size) evbuffer_remove(c->in, exchange->head_text, size);
    c->chunked = (SuChunked){0};
    return true;
}

static void read_head(SuConnection *c, size_t size)
{
    const char *reason = NULL;
    if (!begin_exchange(c, size)) return;
    SuHttpHead *head = &c->exchange->head;
    int status = su_http_head_read(c->exchange->head_text, size, head, &reason);
    su_exchange_set_id(c->exchange);
    if (status == 0 && !head->is_chunked && head->content_length > c->owner->limits.max_body) {
        status = 413;
        reason = "The body is larger than this server takes.";
    }
    if (status) {
        refuse(c, status, reason);
        return;
    }
    c->state = BODY;
    if (head->expects_continue && evbuffer_get_length(c->in) == 0 &&
        (head->is_chunked || head->content_length > 0)) {
        if (evbuffer_add_printf(c->out, "HTTP/1.1 100 Continue\r\n\r\n") < 0)
            end_connection(c);
        else
            send_out(c);
    }
}

/* Whether what has arrived can still become a head. Who speaks TLS, or ends lines with LF alone,
 * would wait for an answer until the deadline; false: it is refused at once. */
static bool can_become_head(SuConnection *c, const struct evbuffer_ptr *from)
{
    unsigned char first = 0;
    struct evbuffer_ptr place = *from;
    evbuffer_copyout(c->in, &first, 1);
    if (first == '\r' || (first > ' ' && first < 0x7f)) {
        if (evbuffer_search(c->in, "\n\n", 2, &place).pos < 0) return true;
    }
    if (begin_exchange(c, 0)) {
        su_exchange_set_id(c->exchange);
        refuse(c, 400,
               first == 0x16 ? "This is TLS; the server speaks plain HTTP."
                             : "This is not an HTTP request whose lines end with CR and LF.");
    }
    return false;
}

/* Looks for the end of a head. False: more bytes are needed. */
static bool take_head(SuConnection *c)
{
    struct evbuffer_ptr from, found;
    char front[2];
    while (c->searched == 0 && evbuffer_copyout(c->in, front, 2) == 2 && front[0] == '\r' &&
           front[1] == '\n')
        evbuffer_drain(c->in, 2); /* empty lines before a request are passed over */
    size_t there = evbuffer_get_length(c->in);
    if (there == 0) return false;
    if (!c->is_busy) {
        set_busy(c, true);
        set_deadline(c, c->owner->limits.receive_ms);
        if (c->is_dead) return false;
    }
    evbuffer_ptr_set(c->in, &from, c->searched, EVBUFFER_PTR_SET);
    found = evbuffer_search(c->in, "\r\n\r\n", 4, &from);
    size_t size = found.pos < 0 ? there : (size_t)found.pos + 4;
    if (size > c->owner->limits.max_head) {
        if (begin_exchange(c, 0)) {
            su_exchange_set_id(c->exchange);
            refuse(c, 431, "The request's head is larger than this server takes.");
        }
        return true;
    }
    if (found.pos < 0 && !can_become_head(c, &from)) return true;
    c->searched = there > 3 ? there - 3 : 0;
    if (found.pos < 0) return false;
    read_head(c, size);
    return true;
}

static void advance_tunnel(SuConnection *c)
{
    if (evbuffer_get_length(c->in) > 0) c->tunnel->received(c->tunnel, c->in);
    if (c->has_ended && c->state == TUNNEL && c->tunnel) c->tunnel->ended(c->tunnel);
}

/* As far as it goes with the bytes that are there. */
static void advance(SuConnection *c)
{
    bool goes_on = true;
    while (goes_on && !c->is_dead) {
        if (c->state == HEAD) {
            goes_on = take_head(c);
        } else if (c->state == BODY) {
            goes_on = take_body(c);
        } else {
            if (c->state == TUNNEL) advance_tunnel(c);
            goes_on = false;
        }
    }
    if (c->is_dead) return;
    bool waits = c->state == PARKED || c->state == SENDING || c->state == TUNNEL;
    bool has_room = !waits || evbuffer_get_length(c->in) < SU_READ_AHEAD;
    set_reading(c, has_room && !(c->state == TUNNEL && c->has_ended));
}

/* ---- events ---- */

/* False: the connection is over. */
static bool read_in(SuConnection *c)
{
    int got = evbuffer_read(c->in, c->fd, READ_SIZE);
    if (got > 0) c->owner->bytes_in += (uint64_t)got;
    if (got > 0) return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return true;
    if (got == 0 && c->state == TUNNEL) {
        c->has_ended = true;
        return true;
    }
    /* who has sent all it has to say may still read an answer that is on its way */
    if (got == 0 && c->state == SENDING) {
        c->closes = true;
        set_reading(c, false);
        return true;
    }
    end_connection(c);
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
    SuConnection *c = user;
    (void)fd;
    (void)what;
    enter(c);
    if (read_in(c)) {
        c->is_quiet = false;
        if (c->state == TUNNEL && evbuffer_get_length(c->out) == 0)
            set_deadline(c, c->owner->limits.idle_ms);
        if (c->state == LINGERING)
            evbuffer_drain(c->in, evbuffer_get_length(c->in));
        else if (c->reads)
            advance(c);
    }
    leave(c);
}

/* While nothing is read. */
static void on_hung_up(evutil_socket_t fd, short what, void *user)
{
    SuConnection *c = user;
    (void)fd;
    (void)what;
    enter(c);
    if (c->state == SENDING)
        c->closes = true;
    else if (c->state != TUNNEL) /* that one reads what is left, or fails when it sends */
        end_connection(c);
    leave(c);
}

static void on_writable(evutil_socket_t fd, short what, void *user)
{
    SuConnection *c = user;
    (void)fd;
    (void)what;
    enter(c);
    send_out(c);
    if (c->tunnel && c->state == TUNNEL && evbuffer_get_length(c->out) == 0)
        c->tunnel->sent(c->tunnel);
    if (!c->is_dead) advance(c);
    leave(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *user)
{
    SuConnection *c = user;
    (void)fd;
    (void)what;
    enter(c);
    /* who is not read from cannot answer */
    bool may_ask = c->state == TUNNEL && (!c->is_quiet || !c->reads);
    if (may_ask && evbuffer_get_length(c->out) == 0) {
        c->is_quiet = true;
        set_deadline(c, c->owner->limits.idle_ms);
        if (c->tunnel) c->tunnel->quiet(c->tunnel);
    } else if (c->is_busy && (c->state == HEAD || c->state == BODY)) {
        if (c->state == BODY || begin_exchange(c, 0)) {
            if (!*c->exchange->id) su_exchange_set_id(c->exchange);
            refuse(c, 408, "The request took too long to arrive.");
        }
    } else {
        end_connection(c);
    }
    leave(c);
}

bool su_connection_open(SuConnectionOwner *owner, int fd)
{
    struct event_base *base = owner->loop->base;
    SuConnection *c = su_calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return false;
    }
    c->owner = owner;
    c->fd = fd;
    c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
    c->deadline = evtimer_new(base, on_deadline, c);
    c->hung_up = event_new(base, fd, EV_CLOSED, on_hung_up, c);
    c->in = evbuffer_new();
    c->out = evbuffer_new();
    if (!c->readable || !c->writable || !c->deadline || !c->hung_up || !c->in || !c->out ||
        event_add(c->readable, NULL) != 0) {
        free_connection(c);
        return false;
    }
    c->reads = true;
    c->next = owner->first;
    if (c->next) c->next->previous = c;
    owner->first = c;
    owner->num_open++;
    owner->num_accepted++;
    enter(c);
    set_deadline(c, owner->limits.receive_ms);
    leave(c);
    return true;
}

void su_connection_drain(SuConnection *c)
{
    enter(c);
    if (c->state == HEAD && read_in(c)) advance(c);
    if (!c->is_dead && !c->is_busy) end_connection(c);
    leave(c);
}

/* ---- tunnels ---- */

void su_connection_stop(SuConnection *c)
{
    enter(c);
    if (c->tunnel) c->tunnel->stops(c->tunnel);
    leave(c);
}

bool su_tunnel_send(SuTunnel *tunnel, const void *bytes, size_t size)
{
    SuConnection *c = tunnel->connection;
    if (!c || c->state != TUNNEL) return false;
    enter(c);
    bool is_first = evbuffer_get_length(c->out) == 0;
    if (evbuffer_add(c->out, bytes, size) != 0) {
        end_connection(c);
    } else if (is_first) {
        set_deadline(c, c->owner->limits.send_ms);
        if (!c->is_dead) send_out(c);
    }
    bool is_open = !c->is_dead;
    leave(c);
    return is_open;
}

size_t su_tunnel_unsent(const SuTunnel *tunnel)
{
    return tunnel->connection ? evbuffer_get_length(tunnel->connection->out) : 0;
}

void su_tunnel_resume(SuTunnel *tunnel)
{
    SuConnection *c = tunnel->connection;
    if (!c || c->depth > 0) return; /* whoever is at work with it goes on */
    enter(c);
    advance(c);
    leave(c);
}

void su_tunnel_end(SuTunnel *tunnel)
{
    SuConnection *c = tunnel->connection;
    if (!c || c->state != TUNNEL) return;
    enter(c);
    c->closes = true;
    if (evbuffer_get_length(c->out) == 0) linger(c);
    leave(c);
}
