#!/usr/bin/env bash
# wslay 1.1.1 (WebSocket frames): a server queues two text messages, then the closing frame with wslay_event_queue_close, then
# calls wslay_event_send once. Guess: the three leave in the order in which they were queued. Seen: the closing frame leaves
# alone. The call succeeds, both messages stay in the queue for good, and wslay_event_want_write says 0. Sent before the closing
# frame is queued, they leave.
# usage: findings/queued_close_overtakes_messages.sh     needs Debian 12 (amd64) with cc and apt-get; makes a temporary folder
# and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download libwslay1=1.1.1-3+b1 libwslay-dev=1.1.1-3+b1 >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
for package in ./*.deb; do dpkg -x "$package" root; done
cat >order.c <<'END'
#include <stdio.h>
#include <string.h>
#include <wslay/wslay.h>

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *bytes, size_t size, int flags, void *user)
{
    static int payload; /* frames come as head and payload */
    (void)ctx;
    (void)flags;
    (void)user;
    int skipped = payload == 2 ? 2 : 0; /* the status code */
    if (payload) printf(" (%.*s)", (int)size - skipped, bytes + skipped);
    else printf(" %s", (bytes[0] & 15) == WSLAY_CONNECTION_CLOSE ? "close" : "text");
    payload = payload ? 0 : (bytes[0] & 15) == WSLAY_CONNECTION_CLOSE ? 2 : 1;
    return (ssize_t)size;
}

static void run(const char *name, int sends_between)
{
    const struct wslay_event_callbacks callbacks = {.send_callback = on_send};
    wslay_event_context_ptr ctx;
    wslay_event_context_server_init(&ctx, &callbacks, NULL);
    printf("%s:", name);
    for (int i = 0; i < 2; i++) {
        const char *text = i ? "two" : "one";
        struct wslay_event_msg message = {WSLAY_TEXT_FRAME, (const uint8_t *)text, 3};
        if (wslay_event_queue_msg(ctx, &message) != 0) printf(" not queued");
    }
    if (sends_between) wslay_event_send(ctx);
    if (wslay_event_queue_close(ctx, 1000, (const uint8_t *)"bye", 3) != 0) printf(" not queued");
    int status = wslay_event_send(ctx);
    printf(" -> %d, %zu left, wants to write: %d\n", status, wslay_event_get_queued_msg_count(ctx), wslay_event_want_write(ctx));
    wslay_event_context_free(ctx);
}

int main(void)
{
    run("queued together", 0);
    run("sent before", 1);
    return 0;
}
END
cc -Iroot/usr/include order.c -o order -Lroot/usr/lib/x86_64-linux-gnu -l:libwslay.so.1
seen=$(LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu ./order)
expected=$(cat <<'END'
queued together: close (bye) -> 0, 2 left, wants to write: 0
sent before: text (one) text (two) close (bye) -> 0, 0 left, wants to write: 0
END
)
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
