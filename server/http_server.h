/* http_server.h - the listener and its connections: accepts, asks access.h, finds the route, stops.
 *
 * Stopping (su_http_server_stop): the socket no longer listens, after what had come to it was
 * accepted; requests that have begun are received and answered, each answer closes its connection;
 * idle connections are kept until the last of them, and closed then. After drain_ms, or when asked
 * to stop a second time, what is left is closed at once. */
#ifndef SU_HTTP_SERVER_H
#define SU_HTTP_SERVER_H

#include "access.h"
#include "http_connection.h"
#include "http_route.h"

#include <stdatomic.h>

typedef struct SuHttpServer {
    SuConnectionOwner owner; /* first: owner's functions are given it */
    SuLoop loop;
    SuRouteTable table;
    SuAccess access;
    void *context; /* of every exchange */
    void (*finished)(SuExchange *exchange);
    void (*woken)(void *context); /* as SuHttpOptions */
    int listen_fd;
    struct event *listener, *accepts_again, *drained;
    _Atomic int stops; /* times that it was asked to stop */
    uint64_t end_ns;   /* clock when it ends at the latest, once it is to stop */
    char url[300];
} SuHttpServer;

typedef struct SuHttpOptions {
    const char *host;     /* a name or an address */
    uint16_t port;        /* 0: a free one */
    const char *key;      /* NULL: none; borrowed */
    const char *origins;  /* as SuAccess; borrowed */
    uint64_t max_answers; /* bytes of answers that are expected or not read yet; 0: no limit */
    bool no_auth;         /* elsewhere than on a loopback address without a key too */
    SuHttpLimits limits;
    SuRouteTable table;
    void *context;
    void (*finished)(SuExchange *exchange); /* as SuExchange has it */
    void (*woken)(void *context);           /* after each su_loop_wake; NULL: nothing */
} SuHttpOptions;

/* Makes the loop; listens to nothing yet. *server stays where it is. */
SutraStatus su_http_server_open(SuHttpServer *server, const SuHttpOptions *options,
                                SutraError *err);
/* Fewer connections than there may be, when the process may not have as many descriptors: returns
 * how many. Before it runs. */
uint32_t su_http_server_fit(SuHttpServer *server);
/* Binds to the address. Errors: IO, which says why; ARGUMENT (the host has become an address that
 * others reach, and there is no key). */
SutraStatus su_http_server_bind(SuHttpServer *server, const SuHttpOptions *options,
                                SutraError *err);
/* Whether a host names an address of this machine that no other one reaches. Errors: IO. */
SutraStatus su_http_is_loopback(const char *host, bool *is_loopback, SutraError *err);

/* Until it has stopped. Exchanges that are parked then are told that their client is gone. */
SutraStatus su_http_server_run(SuHttpServer *server, SutraError *err);
/* Any thread, and signal handlers. */
void su_http_server_stop(SuHttpServer *server);
bool su_http_server_is_stopping(const SuHttpServer *server);

void su_http_server_close(SuHttpServer *server);

#endif
