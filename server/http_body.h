/* http_body.h - takes in a request's body, with a known length or chunked, into room that all
 * requests share. */
#ifndef SU_HTTP_BODY_H
#define SU_HTTP_BODY_H

#include "http_exchange.h"

#include <event2/buffer.h>

typedef enum SuBodyStep {
    SU_BODY_MORE, /* bytes have to come */
    SU_BODY_WHOLE,
    SU_BODY_REFUSED, /* see SuBodyRefusal */
    SU_BODY_LOST     /* out of memory */
} SuBodyStep;

typedef struct SuBodyRefusal {
    int status;
    const char *reason; /* a sentence, static */
} SuBodyRefusal;

/* Moves what is there of exchange->body out of `in`. Bytes: max_body of this one, max_received of
 * all (*exchange->received). */
SuBodyStep su_body_take(SuExchange *exchange, SuChunked *chunked, struct evbuffer *in,
                        uint64_t max_body, uint64_t max_received, SuBodyRefusal *refusal);

#endif
