#include "websocket.h"

#include "reply_text.h"

#include <openssl/evp.h>
#include <string.h>
#include <wslay/wslay.h>

enum {
    MOST_UNSENT = 1 << 18, /* bytes, before the client is not read from */
    MOST_KEPT = 1 << 16    /* bytes of a message's room for the next one */
};

/* ---- handshake ---- */

/* Base64 of 16 bytes. */
static bool is_key(SuText key)
{
    if (key.size != 24 || memcmp(key.data + 22, "==", 2) != 0) return false;
    for (size_t i = 0; i < 22; i++) {
        char c = key.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return true;
}

static bool write_accept(SuHttpResponse *response, SuText key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    char text[24 + sizeof guid];
    memcpy(text, key.data, 24);
    memcpy(text + 24, guid, sizeof guid);
    if (EVP_Digest(text, 24 + sizeof guid - 1, digest, &size, EVP_sha1(), NULL) != 1) return false;
    su_reply_string(&response->headers, "Sec-WebSocket-Accept: ");
    su_reply_base64(&response->headers, digest, size);
    su_reply_string(&response->headers, "\r\n");
    return true;
}

bool su_websocket_accept(SuExchange *exchange, SuHttpProblem *problem)
{
    const SuHttpHead *head = &exchange->head;
    SuText key = su_http_header(head, "sec-websocket-key");
    SuText version = su_http_header(head, "sec-websocket-version");
    bool asks = su_text_is(head->method, "GET") && !head->is_old &&
                su_http_header_has(head, "upgrade", "websocket") &&
                su_http_header_has(head, "connection", "upgrade");
    *problem = (SuHttpProblem){.status = 400, .code = "bad_handshake"};
    if (!asks) {
        su_response_header(&exchange->response, "Upgrade", "websocket");
        problem->status = 426;
        problem->code = "upgrade_required";
        problem->message = "This path speaks WebSocket: the request has to ask for the upgrade.";
    } else if (!su_text_is(version, "13")) {
        su_response_header(&exchange->response, "Sec-WebSocket-Version", "13");
        problem->status = 426;
        problem->message = "The version of WebSocket has to be 13.";
    } else if (!is_key(key) || head->is_chunked || head->content_length) {
        problem->message = "Sec-WebSocket-Key has to be 16 bytes in base64, and there is no body.";
    } else if (!write_accept(&exchange->response, key)) {
        problem->status = 500;
        problem->code = "internal_error";
        problem->message = "No digest could be made.";
    } else {
        su_response_header(&exchange->response, "Upgrade", "websocket");
        su_response_header(&exchange->response, "Connection", "Upgrade");
        exchange->response.status = 101;
        return true;
    }
    return false;
}

/* ---- frames ---- */

/* What wslay has to send, into the tunnel; the connection ends with its closing handshake. */
static void send_out(SuWebSocket *ws)
{
    bool is_whole = wslay_event_send(ws->wslay) == 0;
    bool is_over = !wslay_event_want_read(ws->wslay) && !wslay_event_want_write(ws->wslay);
    if (is_over || !is_whole) su_tunnel_end(&ws->tunnel);
}

/* Bytes of the frame that `in` begins with; 0: its head is not there as a whole. */
static uint64_t frame_size(struct evbuffer *in)
{
    enum { MASK = 4 };
    unsigned char head[10];
    ev_ssize_t there = evbuffer_copyout(in, head, sizeof head);
    if (there < 2) return 0;
    uint64_t size = head[1] & 0x7f;
    size_t more = size == 127 ? 8 : size == 126 ? 2 : 0;
    size_t whole = 2 + more + (head[1] & 0x80 ? MASK : 0);
    if (evbuffer_get_length(in) < whole) return 0;
    if (more) size = 0;
    for (size_t i = 0; i < more; i++) size = size << 8 | head[2 + i];
    return size > UINT64_MAX - whole ? UINT64_MAX : size + whole;
}

/* wslay gets the rest of a frame at most, so that it has nothing in hand when a message pauses it.
 * A client that does not read what it is sent, pongs too, is not read from. */
static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    SuWebSocket *ws = user;
    int got = 0;
    (void)flags;
    if (!ws->is_paused && ws->in && su_websocket_unsent(ws) <= MOST_UNSENT) {
        if (ws->frame_left == 0) ws->frame_left = frame_size(ws->in);
        got = evbuffer_remove(ws->in, bytes, size < ws->frame_left ? size : ws->frame_left);
    }
    if (got > 0) {
        ws->frame_left -= (uint64_t)got;
        return got;
    }
    wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    SuWebSocket *ws = user;
    (void)flags;
    if (su_tunnel_send(&ws->tunnel, bytes, size)) return (ssize_t)size;
    wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* wslay itself would keep an allocation for each frame of a message. */
static void on_piece(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_chunk_arg *arg, void *user)
{
    SuWebSocket *ws = user;
    if (ws->is_control) return;
    if (arg->data_length <= ws->max_message - ws->text.size) {
        su_reply_bytes(&ws->text, arg->data, arg->data_length);
        if (!ws->text.failed) return;
    }
    wslay_event_queue_close(wslay, ws->text.failed ? SU_CLOSE_FAILED : SU_CLOSE_TOO_BIG, NULL, 0);
    wslay_event_shutdown_read(wslay);
}

static void on_frame(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_start_arg *arg, void *user)
{
    SuWebSocket *ws = user;
    (void)wslay;
    ws->is_control = wslay_is_ctrl_frame(arg->opcode);
}

static void on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    SuWebSocket *ws = user;
    if (arg->opcode != WSLAY_TEXT_FRAME && arg->opcode != WSLAY_BINARY_FRAME) return;
    if (wslay_event_get_read_enabled(wslay))
        ws->message(ws, arg->opcode == WSLAY_TEXT_FRAME, (SuText){ws->text.data, ws->text.size});
    ws->text.size = 0;
    if (ws->text.capacity > MOST_KEPT) su_reply_free(&ws->text);
}

/* ---- the tunnel's ---- */

static void on_received(SuTunnel *tunnel, struct evbuffer *in)
{
    SuWebSocket *ws = (SuWebSocket *)tunnel;
    size_t there;
    do { /* until it is paused, or nothing is left */
        there = evbuffer_get_length(in);
        ws->in = in;
        int status = wslay_event_recv(ws->wslay);
        ws->in = NULL;
        if (!tunnel->connection) return;
        if (!wslay_event_want_read(ws->wslay)) evbuffer_drain(in, evbuffer_get_length(in));
        if (status != 0) su_tunnel_end(tunnel);
        if (status != 0) return;
    } while (evbuffer_get_length(in) > 0 && evbuffer_get_length(in) < there && !ws->is_paused);
    send_out(ws);
}

static void on_sent(SuTunnel *tunnel)
{
    SuWebSocket *ws = (SuWebSocket *)tunnel;
    ws->sent(ws);
}

static void on_ended(SuTunnel *tunnel)
{
    SuWebSocket *ws = (SuWebSocket *)tunnel;
    if (ws->has_ended || ws->is_paused || su_websocket_unsent(ws) > MOST_UNSENT) return;
    ws->has_ended = true;
    ws->ended(ws);
}

static void on_quiet(SuTunnel *tunnel)
{
    SuWebSocket *ws = (SuWebSocket *)tunnel;
    const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
    if (wslay_event_queue_msg(ws->wslay, &ping) == 0) send_out(ws);
}

static void on_stops(SuTunnel *tunnel)
{
    SuWebSocket *ws = (SuWebSocket *)tunnel;
    ws->stops(ws);
}

static void on_closed(SuTunnel *tunnel)
{
    SuWebSocket *ws = (SuWebSocket *)tunnel;
    ws->closed(ws);
}

bool su_websocket_open(SuWebSocket *ws, uint64_t max_message)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                           .send_callback = on_send,
                                                           .on_frame_recv_start_callback = on_frame,
                                                           .on_frame_recv_chunk_callback = on_piece,
                                                           .on_msg_recv_callback = on_message};
    ws->tunnel = (SuTunnel){.received = on_received,
                            .sent = on_sent,
                            .ended = on_ended,
                            .quiet = on_quiet,
                            .stops = on_stops,
                            .closed = on_closed};
    if (wslay_event_context_server_init(&ws->wslay, &callbacks, ws) != 0) return false;
    wslay_event_config_set_max_recv_msg_length(ws->wslay, max_message);
    wslay_event_config_set_no_buffering(ws->wslay, 1);
    ws->max_message = max_message;
    return true;
}

void su_websocket_free(SuWebSocket *ws)
{
    wslay_event_context_free(ws->wslay);
    su_reply_free(&ws->text);
}

bool su_websocket_is_open(const SuWebSocket *ws)
{
    return ws->tunnel.connection && wslay_event_get_write_enabled(ws->wslay);
}

void su_websocket_send(SuWebSocket *ws, SuText text)
{
    const struct wslay_event_msg message = {
        .opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text.data, .msg_length = text.size};
    if (!ws->tunnel.connection) return;
    int status = wslay_event_queue_msg(ws->wslay, &message);
    if (status == WSLAY_ERR_NOMEM) {
        wslay_event_shutdown_write(ws->wslay); /* nothing follows what is missing */
        su_tunnel_end(&ws->tunnel);
    } else if (status == 0 && !ws->in) { /* else it is closing, or on_received goes on */
        send_out(ws);
    }
}

size_t su_websocket_unsent(const SuWebSocket *ws) { return su_tunnel_unsent(&ws->tunnel); }

void su_websocket_pause(SuWebSocket *ws, bool is_paused)
{
    bool resumes = ws->is_paused && !is_paused;
    ws->is_paused = is_paused;
    if (resumes && !ws->in) su_tunnel_resume(&ws->tunnel);
}

void su_websocket_close(SuWebSocket *ws, uint16_t code, const char *reason)
{
    if (!ws->tunnel.connection) return;
    wslay_event_send(ws->wslay); /* messages, which a closing frame would overtake */
    if (!ws->tunnel.connection) return;
    wslay_event_queue_close(ws->wslay, code, (const uint8_t *)reason, strlen(reason));
    wslay_event_send(ws->wslay);
    su_tunnel_end(&ws->tunnel); /* which takes in the client's answer */
}
