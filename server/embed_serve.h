/* embed_serve.h - one request for vectors, whatever dialect it came in.
 *
 *   body ─ dialect.read ─► SuEmbedRequest ─► model ─► sutra_submit ─► result ─ dialect.write ─► body
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
    json_t *document;
} SuEmbedRequest;

/* What a dialect makes an answer of. */
typedef struct SuEmbedAnswer {
    const SuEmbedRequest *request;
    const SuModelEntry *model;
    const SutraResultView *view; /* [num_inputs, dim] */
    uint64_t tokens;             /* that went through the encoder */
    uint64_t truncated;          /* texts that were cut */
    uint64_t load_ns;            /* until the model was open */
    uint64_t total_ns;           /* since the request's first byte */
} SuEmbedAnswer;

/* read and write are called on any thread, find on the loop's. */
typedef struct SuEmbedDialect {
    /* Fills *request, whose options are as `limits` say; false: *problem says why not. */
    bool (*read)(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                 SuProblem *problem);
    /* NULL: *problem says that there is none of that name (data NULL: none was given). */
    SuModelEntry *(*find)(const SuModelTable *models, SuText name, SuProblem *problem);
    void (*write)(const SuEmbedAnswer *answer, SuHttpResponse *response);
} SuEmbedDialect;

/* Answers the exchange in time. */
void su_embed_serve(SuExchange *exchange, const SuEmbedDialect *dialect);

#endif
