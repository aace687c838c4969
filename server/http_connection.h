/* http_connection.h - one client's connection: requests in, one after the other, answers out in the
 * same order.
 *
 *            ┌───────────── answer is out, keep-alive ──────────────┐
 *            ▼                                                      │
 *   HEAD ──► BODY ──► PARKED (the handler has the exchange) ──► SENDING ──► LINGERING ──► closed
 *
 * Each state has a deadline of its own, which bytes that trickle in or out do not move: HEAD and
 * BODY together receive_ms from the first byte on (408), SENDING send_ms; a connection without a
 * request is closed after idle_ms. PARKED has none: the handler sees to that. LINGERING reads what
 * the client still sends, so that it gets to read the answer before the connection is reset.
 *
 * An answer of 101 makes it a tunnel's, which counts as a request until it is closed:
 *
 *   PARKED ──► TUNNEL ──► closed
 *
 * A tunnel whose client has closed its sending half is told so, and may still send.
 *
 * While an exchange is parked its client is listened to: when it closes, also its sending half
 * alone, the exchange is told (gone). Requests that it has sent ahead wait in a buffer of at most
 * SU_READ_AHEAD bytes, then in the kernel, and the client's end is still
 * seen. */
#ifndef SU_HTTP_CONNECTION_H
#define SU_HTTP_CONNECTION_H

#include "event_loop.h"
#include "http_date.h"
#include "http_exchange.h"
#include "http_tunnel.h"

enum { SU_READ_AHEAD = 65536 };

typedef struct SuHttpLimits {
    uint64_t max_body;     /* bytes */
    uint64_t max_received; /* bytes of the bodies of all requests, until they are answered */
    uint32_t max_head;     /* bytes of request line and headers */
    uint32_t max_connections;
    uint32_t receive_ms, send_ms, idle_ms, drain_ms;
} SuHttpLimits;

struct SuConnection;

/* Who has connections: filled in before the first one, and called by them. */
typedef struct SuConnectionOwner {
    SuLoop *loop;
    SuHttpLimits limits;
    bool is_draining;          /* answers close their connection */
    size_t num_open, num_busy; /* busy: from a request's first byte until its answer is out */
    uint64_t received;         /* see max_received */
    uint64_t bytes_in, bytes_out, num_accepted, num_refused; /* since it began */
    SuAnswerRoom room;
    struct SuConnection *first;
    /* A whole request, to be answered once. */
    void (*handle)(struct SuConnectionOwner *owner, SuExchange *exchange);
    /* One that has to be refused with a status; what is known of its head is there. Answers. */
    void (*refuse)(struct SuConnectionOwner *owner, SuExchange *exchange, int status,
                   const char *reason);
    /* num_open or num_busy is less than it was. */
    void (*freed)(struct SuConnectionOwner *owner);
    SuHttpDate date;
} SuConnectionOwner;

typedef struct SuConnection {
    struct SuConnection *next, *previous;
    SuConnectionOwner *owner;
    int fd, state,
        depth; /* depth: of calls on the connection, the last of which frees a dead one */
    bool is_dead, is_busy, closes, reads;
    bool is_quiet, has_ended; /* of a tunnel: it was told that nothing comes; nothing will come */
    struct event *readable, *writable, *deadline, *hung_up;
    struct evbuffer *in, *out;
    SuExchange *exchange; /* being received, or parked */
    SuTunnel *tunnel;     /* NULL: it is HTTP's */
    SuChunked chunked;
    uint64_t unsent;   /* bytes of the answer in `out`, which take room */
    uint64_t searched; /* bytes of `in` that hold no end of a head */
} SuConnection;

/* Takes fd over, whatever comes of it. False: out of memory. */
bool su_connection_open(SuConnectionOwner *owner, int fd);
/* At once; a parked exchange is told. */
void su_connection_close(SuConnection *connection);
/* Tells its tunnel that the server is to end. */
void su_connection_stop(SuConnection *connection);
/* Takes what has arrived; closes the connection unless a request has begun. */
void su_connection_drain(SuConnection *connection);

#endif
