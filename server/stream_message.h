/* stream_message.h - the messages of /v1/stream as JSON; see stream_socket.h. */
#ifndef SU_STREAM_MESSAGE_H
#define SU_STREAM_MESSAGE_H

#include "engine_problem.h"
#include "http_exchange.h"
#include "sutra_chunks.h"

#include <jansson.h>

typedef enum SuStreamVerb {
    SU_STREAM_START,
    SU_STREAM_TEXT,
    SU_STREAM_FLUSH,
    SU_STREAM_FINISH
} SuStreamVerb;

/* What "start" says; texts lie in `document`. */
typedef struct SuStreamWish {
    SuText model, prompt_name; /* data NULL: none is named */
    uint32_t max_tokens, overlap, dim;
    uint32_t by;        /* SutraChunkBy */
    uint32_t aggregate; /* SutraAggregate, and 1; 0: none is wanted */
    uint32_t is_base64, normalize, returns_text;
    json_t *document; /* NULL: all is as it is by default */
} SuStreamWish;

#define SU_STREAM_WISH_DEFAULT ((SuStreamWish){.normalize = 1, .returns_text = 1})

/* *document is the caller's (json_decref). False: *problem says why not. */
bool su_stream_message_read(SuText message, SuStreamVerb *verb, json_t **document,
                            SuProblem *problem);
/* Of a "start", into a default one; takes the document over, whatever comes of it. */
bool su_stream_wish_read(json_t *document, SuStreamWish *wish, SuProblem *problem);

/* A line each. */
void su_stream_write_started(SuReplyText *line, const char *model, uint32_t dim,
                             uint32_t max_tokens);
void su_stream_write_chunk(SuReplyText *line, const SuStreamWish *wish,
                           const SutraStreamChunk *chunk, uint32_t dim, const SutraError *err);
/* row: the aggregate; NULL: none. err: why there is none although one was asked for, else NULL. */
void su_stream_write_end(SuReplyText *line, const SuStreamWish *wish, const SutraStreamStats *stats,
                         const float *row, uint32_t dim, const SutraError *err);
void su_stream_write_error(SuReplyText *line, const SuHttpProblem *problem);

#endif
