/* embed_serve.h - one request for vectors, whatever dialect it came in.
 *
 *   body ─ read ─► SuEmbedRequest ─► model ─ fit ─┬─► sutra_submit ─► result ─ write ─┬─► body
 *                                                 └─► work ─────────────────────────┘
 *
 * The exchange is parked from the first to the last. Reading a large body, opening a model and
 * writing a large answer happen on the worker, all else on the loop's thread, the arithmetic on the
 * engine's. When the client leaves, its job is cancelled. */
#ifndef SU_EMBED_SERVE_H
#define SU_EMBED_SERVE_H

#include "engine_problem.h"
#include "server_context.h"

#include <jansson.h>

typedef struct SuEmbedRequest {
    SuText model;       /* data NULL: none is named */
    SutraInput *inputs; /* [num_inputs] of su_alloc; texts and prompt lie in `document` */
    size_t num_inputs;  /* 0: the model is opened, that is all */
    SutraEmbedOptions options;
    uint32_t most_tokens; /* of a text, where the model takes more; 0: as many as the model takes */
    uint32_t encoding;    /* of vectors; what it means is the dialect's */
    uint64_t keep_ns;     /* for su_model_entry_done; for ever unless the dialect says otherwise */
    uint32_t most_rows;   /* of an answer that ranks; 0: all */
    uint64_t work_bytes;  /* of an answer that dialect.work makes, about */
    void *own;            /* of the dialect, of su_alloc; freed with the request */
    json_t *document;
} SuEmbedRequest;

/* What a dialect makes an answer of. */
typedef struct SuEmbedAnswer {
    const SuEmbedRequest *request;
    const SuModelEntry *model;
    const char *id;              /* of the exchange */
    const SutraResultView *view; /* [num_inputs, dim] */
    uint64_t tokens;             /* that went through the encoder */
    uint64_t truncated;          /* texts that were cut */
    uint64_t load_ns;            /* until the model was open */
    uint64_t total_ns;           /* since the request's first byte */
} SuEmbedAnswer;

/* read, write and work are called on any thread, find and fit on the loop's. */
typedef struct SuEmbedDialect {
    /* Fills *request, whose options are as `limits` say; false: *problem says why not. */
    bool (*read)(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                 SuProblem *problem);
    /* The model that a request is for; NULL: *problem says that there is none of that name. */
    SuModelEntry *(*find)(const SuModelTable *models, const SuEmbedRequest *request,
                          SuProblem *problem);
    void (*write)(const SuEmbedAnswer *answer, SuHttpResponse *response);
    /* What depends on the model, which is open; false: *problem says why not. NULL: nothing does.
     */
    bool (*fit)(const SuModelEntry *model, SuEmbedRequest *request, SuProblem *problem);
    /* The answer of what needs the model but no engine: instead of `write`, with the view of
     * nothing. NULL: texts go through the engine. */
    bool (*work)(const SuEmbedAnswer *answer, SuHttpResponse *response, SuProblem *problem);
} SuEmbedDialect;

/* Answers the exchange in time. */
void su_embed_serve(SuExchange *exchange, const SuEmbedDialect *dialect);

#endif
