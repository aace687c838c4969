/* http_tunnel.h - a connection that has left HTTP behind (101): bytes in and out.
 *
 * A handler answers 101 with exchange->tunnel set. If the connection is still there, the tunnel has
 * it from then on, until `closed`. All of it on the loop's thread. */
#ifndef SU_HTTP_TUNNEL_H
#define SU_HTTP_TUNNEL_H

#include "event_loop.h"

#include <event2/buffer.h>
#include <stdbool.h>

typedef struct SuTunnel {
    struct SuConnection *connection; /* NULL: not yet, or no more */
    bool was_open;                   /* it had a connection, so that `closed` comes */
    SuPost post;
    /* Bytes have come; takes out of `in` what it wants now. When much is left there, no more is
     * read until su_tunnel_resume. */
    void (*received)(struct SuTunnel *tunnel, struct evbuffer *in);
    void (*sent)(struct SuTunnel *tunnel); /* all that was given has left */
    /* The client sends no more, but may read; after each `received` from then on. */
    void (*ended)(struct SuTunnel *tunnel);
    /* Nothing came for idle_ms. After as long again it is closed. */
    void (*quiet)(struct SuTunnel *tunnel);
    void (*stops)(struct SuTunnel *tunnel); /* the server is to end */
    /* Once, when it has no connection any more; by the loop, from within no other call. */
    void (*closed)(struct SuTunnel *tunnel);
} SuTunnel;

/* A client that reads none of it for send_ms is dropped. False: there is no connection, or no
 * memory, and it is being closed. */
bool su_tunnel_send(SuTunnel *tunnel, const void *bytes, size_t size);
/* Bytes that have not left. */
size_t su_tunnel_unsent(const SuTunnel *tunnel);
/* `received` is called for what is there, and for what comes. */
void su_tunnel_resume(SuTunnel *tunnel);
/* Closes the connection once all has left. */
void su_tunnel_end(SuTunnel *tunnel);

#endif
