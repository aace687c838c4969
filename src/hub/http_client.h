/* http_client.h - GET with retry, resumption and bounded bodies, by libcurl.
 *
 * Redirects are followed here, not by libcurl: the token goes only to the endpoint's own scheme,
 * host and port, and an https address never leads to an http one. */
#ifndef SU_HTTP_CLIENT_H
#define SU_HTTP_CLIENT_H

#include "hub/hub_context.h"

#include <curl/curl.h>

typedef struct SuHttp {
    CURL *curl;
    SuHubContext *hub;
    bool reached; /* the hub has answered before: a failing connection is worth another try */
} SuHttp;

/* Where a body goes. */
typedef struct SuHttpSink {
    uint64_t held;  /* bytes received so far; > 0 on entry: ask for the rest */
    uint64_t limit; /* longest body */
    bool exact;     /* the body must have `limit` bytes: a shorter one was cut off */
    /* The body starts again from byte 0. */
    SutraStatus (*restart)(void *user, SutraError *err);
    SutraStatus (*write)(void *user, const void *data, size_t size, SutraError *err);
    void *user;
} SuHttpSink;

/* What the server said when it did not send the body. */
typedef struct SuHttpAnswer {
    long code;           /* last HTTP status; 0: none */
    char error_code[64]; /* X-Error-Code: "GatedRepo" */
} SuHttpAnswer;

SutraStatus su_http_open(SuHttp *http, SuHubContext *hub, SutraError *err);
void su_http_close(SuHttp *http);

/* Returns after the whole body is written. IO with answer->code set for a status other than 2xx:
 * the caller knows better what that means. */
SutraStatus su_http_get(SuHttp *http, const char *url, SuHttpSink *sink, SuHttpAnswer *answer,
                        SutraError *err);

#endif
