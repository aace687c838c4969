/* http_exchange.h - one request and its answer.
 *
 * A handler gets an exchange when its request is there as a whole, and answers it exactly once, at
 * once or later: su_exchange_answer or su_exchange_fail, which free it. Until then the request's
 * views are valid. All of it on the loop's thread; other threads may read the request and fill the
 * response of a parked exchange, one at a time.
 *
 *   handle ──► answer                  at once
 *   handle ──► (parked) ──► answer     `gone` is called when the client leaves meanwhile; the answer
 *                                      is then thrown away, but still has to be given */
#ifndef SU_HTTP_EXCHANGE_H
#define SU_HTTP_EXCHANGE_H

#include "reply_text.h"

enum { SU_REQUEST_ID_MAX = 128 };

typedef struct SuHttpResponse {
    int status;               /* 304: the body is not sent, but its size is, as of HEAD */
    const char *content_type; /* static */
    SuReplyText headers;      /* "Name: value\r\n" … besides those that every answer has */
    SuReplyText body;
} SuHttpResponse;

/* What a dialect makes an error of. */
typedef struct SuHttpProblem {
    int status;
    const char *code;     /* "model_not_found"; NULL: none */
    const char *param;    /* the field; NULL: none */
    const char *message;  /* a sentence */
    uint32_t retry_after; /* seconds, of 429 and 503; 0: 1 */
} SuHttpProblem;

typedef void (*SuProblemWriter)(SuHttpResponse *response, const SuHttpProblem *problem);

/* What a request came to; of the handler, zero where it has nothing to say. */
typedef struct SuRequestFacts {
    uint64_t texts, tokens, truncated_texts; /* of an answer with vectors */
    uint64_t cancelled_texts;                /* that were not computed: the client had left */
    uint64_t queue_ns, tokenize_ns, compute_ns;
} SuRequestFacts;

/* Memory for answers: what is expected of those to come, and what clients have not read yet. */
typedef struct SuAnswerRoom {
    uint64_t used, most; /* bytes; most 0: no limit */
} SuAnswerRoom;

typedef struct SuExchange {
    SuHttpHead head;
    SuText body;
    SuText rest; /* of the path, where the route's pattern has {…} */
    char id[SU_REQUEST_ID_MAX + 1];
    uint64_t begin_ns; /* clock when its first bytes were there */
    void *context;     /* of whoever made the server */
    SuProblemWriter write_problem;
    SuHttpResponse response;
    SuRequestFacts facts;
    const struct SuRoute *route;                   /* NULL: none */
    void (*finished)(struct SuExchange *exchange); /* before the answer goes; NULL: nobody counts */
    void (*gone)(struct SuExchange *exchange);     /* NULL: nobody wants to know */
    void *work;                                    /* of the handler */
    struct SuTunnel *tunnel; /* with status 101: has the connection after the answer */
    /* Of the connection; NULL: the client went away. */
    void (*respond)(void *connection, struct SuExchange *exchange);
    void *connection;
    char *head_text; /* [head_size], what head's views lie in */
    char *body_text; /* [body_capacity] */
    size_t body_capacity;
    SuAnswerRoom *room; /* of all exchanges; NULL: without a limit */
    uint64_t expected;  /* bytes of room that its answer is to take */
    uint64_t *received; /* of all exchanges: bytes that their bodies take; NULL: not counted */
} SuExchange;

/* NULL: out of memory. Its head and body are empty. */
SuExchange *su_exchange_create(void);
void su_exchange_free(SuExchange *exchange);

/* Room for an answer of about so many bytes; false: there is none, so that it is to fail. While
 * nobody else has any, there is room for each. */
bool su_exchange_expect(SuExchange *exchange, uint64_t bytes);
/* Sends exchange->response; status 0 is 200. */
void su_exchange_answer(SuExchange *exchange);
/* Sends the problem as the dialect of the path writes it. */
void su_exchange_fail(SuExchange *exchange, const SuHttpProblem *problem);

void su_response_header(SuHttpResponse *response, const char *name, const char *value);
/* Takes over an id that the client gave, or makes one. */
void su_exchange_set_id(SuExchange *exchange);
const char *su_http_reason(int status); /* "Not Found"; static */

#endif
