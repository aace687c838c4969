/* websocket.h - WebSocket messages (RFC 6455) over a connection; frames are wslay's.
 *
 *   su_websocket_accept ──► answer 101 with ws->tunnel ──► message … ──► closed
 *
 * Pings are answered, and sent to a client that is silent; text that is not UTF-8 and messages over
 * the limit close the connection with 1007 and 1009. A client that closes its sending half without a
 * closing frame may still read: `ended` says so after its last message. All of it on the loop's thread. Whatever is called
 * here, `closed` comes later, by the loop. */
#ifndef SU_WEBSOCKET_H
#define SU_WEBSOCKET_H

#include "http_exchange.h"
#include "http_tunnel.h"

#include <stdint.h>

enum {
    SU_CLOSE_NORMAL = 1000,
    SU_CLOSE_AWAY = 1001,
    SU_CLOSE_POLICY = 1008,
    SU_CLOSE_TOO_BIG = 1009,
    SU_CLOSE_FAILED = 1011
};

typedef struct SuWebSocket {
    SuTunnel tunnel; /* first */
    void (*message)(struct SuWebSocket *ws, bool is_text, SuText message);
    void (*sent)(struct SuWebSocket *ws);   /* all has left */
    void (*ended)(struct SuWebSocket *ws);  /* once; no message comes any more */
    void (*stops)(struct SuWebSocket *ws);  /* the server is to end */
    void (*closed)(struct SuWebSocket *ws); /* once; nothing is called after it */
    struct wslay_event_context *wslay;
    struct evbuffer *in; /* while it is being read */
    uint64_t frame_left; /* bytes of the frame that is being read */
    SuReplyText text;    /* of a message, as far as it has come */
    uint64_t max_message;
    bool is_control, is_paused; /* is_control: the frame is */
    bool has_ended;             /* `ended` was called */
} SuWebSocket;

/* Whether a request is a WebSocket's opening handshake; then its answer is ready but for
 * exchange->tunnel. Else *problem says why not: 400, or 426 with the header that it asks for. */
bool su_websocket_accept(SuExchange *exchange, SuHttpProblem *problem);

/* The functions are set. max_message: bytes. False: out of memory. */
bool su_websocket_open(SuWebSocket *ws, uint64_t max_message);
/* Once it has no connection. */
void su_websocket_free(SuWebSocket *ws);
/* Whether what is sent still goes out: neither side has begun to close. */
bool su_websocket_is_open(const SuWebSocket *ws);

void su_websocket_send(SuWebSocket *ws, SuText text);
/* Bytes that have not left. */
size_t su_websocket_unsent(const SuWebSocket *ws);
/* No message comes while it is paused. */
void su_websocket_pause(SuWebSocket *ws, bool is_paused);
/* reason: at most 123 bytes. What was sent before leaves first. */
void su_websocket_close(SuWebSocket *ws, uint16_t code, const char *reason);

#endif
