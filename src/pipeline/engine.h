/* engine.h - what SutraEngine is, and how a request runs through it.
 *
 *   SutraEngine
 *   ├── pool                 one thread pool
 *   ├── workers[threads]     per thread: tokenizer scratch, a batch under construction
 *   ├── sessions             per model in use: the resident weights, a backend context per thread
 *   ├── devices              instead of these contexts: several devices, or one of a plugin's
 *   ├── scheduler            requests, and the threads' turns (scheduler.h)
 *   └── queue                asynchronous jobs (job_queue.h)
 *
 * A request goes one of two ways; the recipes of the kernels make both give the same bytes:
 *
 *   wide   each thread claims a few texts at a time, of any requests, tokenises them and takes them
 *          through all layers alone: no barrier, tokenisation of one thread overlaps the encoder of
 *          another, results are written straight to their rows
 *   team   the texts of small requests are tokenised by one thread, and every layer is shared out
 *          among all threads
 *
 * With devices every request goes wide: threads tokenise, and wait while a device has their batch.
 *
 * Everything a call needs is allocated when a session is prepared. */
#ifndef SU_ENGINE_H
#define SU_ENGINE_H

#include "backend/device_pool.h"
#include "base/thread_pool.h"
#include "batch/ragged_batch.h"
#include "model/model.h"
#include "pipeline/vector_cache.h"

typedef struct SuRequest SuRequest;
typedef struct SuSession SuSession;
typedef struct SuScheduler SuScheduler;
typedef struct SuJobQueue SuJobQueue;

/* What the texts of a batch have in common. */
typedef struct SuBatchKind {
    SuSession *session;
    SutraOutput output;
    SutraDtype dtype;
    SutraPooling pooling;
    uint32_t dim, normalize, raw_scores;
    size_t row_bytes;
    const float *ranges;
} SuBatchKind;

/* Whose text is in a batch. */
typedef struct SuOwner {
    SuRequest *request;
    uint32_t tokens_seen;
} SuOwner;

typedef struct SuWorker {
    SuTokenizerScratch *scratch;
    SuRaggedBatch batch;
    SuBatchKind kind;      /* of batch */
    void *context;         /* of kind.session, for batch */
    SuOwner *owners;       /* [batch.max_seqs] */
    unsigned char *memory; /* of batch and owners */
    const char *prompt;    /* counted last in this request; NULL: none */
    uint32_t prompt_tokens;
    SuRequest *windows; /* of texts just tokenised, a chain by next: not yet listed */
    bool has_room;      /* waits with a batch that takes in more; guarded by the scheduler */
} SuWorker;

/* A model prepared for this engine. It lies in a list of both; the last reference to the model
 * frees it, from any thread, and so does the end of the engine. Requests hold a reference to their
 * model. */
struct SuSession {
    SuModelLink link; /* first */
    SutraEngine *engine;
    SutraModel *model;
    const SutraBackend *backend;
    void *resident;
    SuDeviceModel on_devices; /* of an engine with devices, which has no contexts of its own */
    uint64_t serial;          /* of all of its engine's */
    uint32_t outputs;         /* bit mask of those that the backend said it supports */
    uint32_t max_tokens;      /* of a context */
    uint32_t team_tokens;     /* of contexts[0], when it serves a team; at least max_tokens */
    void **contexts;          /* [num_threads] */
    /* What is longer goes through one context, with a team, or with none and its lock held; NULL:
     * nothing is. */
    void *long_context;
    uint32_t long_tokens; /* of it, else max_tokens */
    pthread_mutex_t long_lock;
    SuSession *next;
};

/* Batches that went through an encoder, and their tokens. */
typedef struct SuRunCounts {
    _Atomic uint64_t runs, tokens;
} SuRunCounts;

/* Tokens a thread of the engine has, below which a team takes what there is. */
enum { SU_TEAM_TOKENS = 192 };

struct SutraEngine {
    const SutraBackend *backend; /* of its sessions */
    SuDevicePool *devices;       /* instead of it, or NULL */
    SuThreadPool *pool;
    uint32_t num_threads;
    uint32_t num_lanes; /* runs at a time: threads, or those of the devices it was made with */
    _Atomic uint32_t batch_tokens; /* that a thread takes through the layers at a time */
    bool fixed_batches;            /* as the caller said, whatever devices come */
    uint32_t worker_tokens;        /* capacity of each worker's batch: of the largest context */
    uint64_t max_wait_ns;          /* of a batch for company, while devices are at work */
    SuWorker *workers;
    SuVectorCache *cache;   /* or NULL */
    uint64_t sessions_made; /* changed by who has the engine alone */
    SuSession *sessions;    /* guarded by su_model_links_lock; latest first */
    SuScheduler *scheduler;
    SuJobQueue *queue;
    pthread_mutex_t counter_lock;
    SuWorker counter; /* counts tokens outside the scheduler; guarded by counter_lock */
    void (*log)(void *user, int level, const char *line);
    void *log_user;
    _Atomic uint64_t requests, texts, tokens, failed;
    SuRunCounts wide, team;
    int64_t process; /* that made it, and alone may use it */
};

/* Options of a request with every default filled in from the model. */
typedef struct SuEmbedPlan {
    SutraOutput output;
    SutraDtype dtype;
    SutraPooling pooling;
    uint32_t dim, max_tokens, normalize, raw_scores;
    uint8_t truncation;      /* SUTRA_TRUNCATE_…, never _MODEL */
    uint32_t window_overlap; /* as in SutraEmbedOptions, like aggregate: of windows, else 0 */
    SutraAggregate aggregate;
    size_t row_bytes;
    const float *ranges; /* [2, dim] of the caller, or NULL */
} SuEmbedPlan;

/* Where results go: row i at data + i * row_bytes, or data + offsets[i] * row_bytes for token
 * vectors. */
typedef struct SuEmbedTarget {
    unsigned char *data;
    const size_t *offsets; /* [n + 1] or NULL */
    SutraItem *items;      /* [n] or NULL */
} SuEmbedTarget;

/* Errors: ARGUMENT (the input contradicts itself). */
SutraStatus su_input_check(const SutraInput *input, SutraError *err);

/* Errors: ABI (names the item): an input of a caller that is newer than this library. */
SutraStatus su_inputs_check_reserved(const SutraInput *inputs, size_t n, SutraError *err);

/* options may be NULL. Errors: ARGUMENT, UNSUPPORTED, ABI. */
SutraStatus su_embed_plan(const SutraModel *model, const SutraEmbedOptions *options,
                          SuEmbedPlan *plan, SutraError *err);

/* Prepares model and engine for an output and texts of up to max_tokens; allocates nothing if that
 * has been done. No thread of the engine is at work, and a reference to the model is held. */
SutraStatus su_session_prepare(SutraEngine *engine, const SutraModel *model, SutraOutput output,
                               uint32_t max_tokens, SuSession **session, SutraError *err);
/* The session that su_session_prepare would give if it has nothing to do, or NULL. No thread
 * prepares one meanwhile. */
SuSession *su_session_ready(SutraEngine *engine, const SutraModel *model, SutraOutput output,
                            uint32_t max_tokens);
void su_session_free_all(SutraEngine *engine);

/* Runs one request to its end. n 0 only prepares. */
SutraStatus su_embed_call(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs,
                          size_t n, const SuEmbedPlan *plan, const SuEmbedTarget *target,
                          SutraError *err);

/* offsets [n + 1]: rows of each text in a token-vector result. Errors: MEMORY. */
SutraStatus su_embed_count_tokens(SutraEngine *engine, const SutraModel *model,
                                  const SutraInput *inputs, size_t n, const SuEmbedPlan *plan,
                                  size_t *offsets, SutraError *err);

/* A result in one block: header, items, offsets, data. */
struct SutraResult {
    SutraResultView view;
};
void su_result_free(SutraResult *result);

/* Memory for the result of a request: items, offsets and rows, not yet written. */
SutraStatus su_result_create(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs,
                             size_t n, const SuEmbedPlan *plan, SutraResult **result,
                             SutraError *err);
SuEmbedTarget su_result_target(SutraResult *result);
/* The result of a request that ended with status; NULL, and freed, if it failed as a whole. */
SutraResult *su_result_of(SutraResult *result, SutraStatus status);

SutraStatus su_embed_to_result(SutraEngine *engine, const SutraModel *model,
                               const SutraInput *inputs, size_t n, const SutraEmbedOptions *options,
                               SutraResult **result, SutraError *err);

SutraStatus su_job_queue_create(SutraEngine *engine, uint64_t max_queued_tokens, SuJobQueue **queue,
                                SutraError *err);
void su_job_queue_free(SuJobQueue *queue); /* runs what is queued first */

/* Copies the caller's options over defaults of zero. Errors: ABI ("struct_size is N, this library
 * knows up to M"). */
SutraStatus su_options_read(void *options, uint32_t known, const void *given, const char *name,
                            SutraError *err);

#endif
