/* sutra.h - text embeddings on CPUs and GPUs: the core API of libsutra.
 *
 * How to use it, in order: sutra_model_open, sutra_engine_create, sutra_embed (or sutra_embed_into,
 * sutra_submit), sutra_result_view, then the *_free functions in any order. examples/embed.c shows
 * it in 30 lines. With this header come sutra_tokens.h (texts to token ids and back),
 * sutra_chunks.h (chunks of long texts, streams of text) and sutra_models.h (models by name).
 *
 *   Versioning    Every options, info and view struct starts with struct_size, set by the caller:
 *                 `SutraEngineOptions o = {sizeof o};`. Fields are only ever appended; zero always
 *                 means "the model's or the engine's default". Structs passed in arrays
 *                 (SutraInput, SutraItem, SutraError) never grow; their reserved words are zero.
 *
 *   Errors        Fallible functions return a SutraStatus and fill *err when err is not NULL: one
 *                 line that names the file, tensor, field or item. There is no thread-local and no
 *                 per-handle error.
 *
 *   Threads       SutraModel, SutraResult, SutraTokens are immutable: any thread.
 *                 SutraEngine: any thread.
 *                 SutraJob: wait and cancel from any thread, free from one.
 *                 SutraStream: one thread that pushes, one that takes.
 *                 Callbacks run on a thread of the engine's, one at a time, must not block, and may
 *                 call sutra_submit and sutra_job_cancel only.
 *                 Threads of the engine's have signals blocked, but SIGPROF and those of faults:
 *                 handlers run on threads of the program's.
 *                 After fork() a child may free what its parent made, which of an engine gives
 *                 nothing back, and use models. Calls on such an engine fail with ARGUMENT: a
 *                 child makes its own.
 *
 *   Ownership     Inputs are borrowed until return by blocking calls and copied by sutra_submit.
 *                 A call, a job and a result hold what they need: freeing the user's handle earlier
 *                 is legal. *_free(NULL) is legal.
 *
 *   Determinism   Equal bytes for equal (text, options, model digest, backend, ISA, precision).
 *                 Batch composition, order and the number of threads do not matter.
 */
#ifndef SUTRA_H
#define SUTRA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SUTRA_API __attribute__((visibility("default")))
#else
#define SUTRA_API
#endif

#define SUTRA_VERSION_MAJOR 0
#define SUTRA_VERSION_MINOR 1
#define SUTRA_VERSION_PATCH 0

typedef struct SutraModel SutraModel;   /* weights, tokenizer, configuration; immutable, counted */
typedef struct SutraEngine SutraEngine; /* devices, one thread pool, one queue */
typedef struct SutraJob SutraJob;       /* one asynchronous request */
typedef struct SutraResult SutraResult; /* vectors and per-item facts of one request */

typedef enum SutraStatus {
    SUTRA_OK = 0,
    SUTRA_E_ARGUMENT,    /* the caller's argument or text is not valid */
    SUTRA_E_MEMORY,      /* an allocation failed */
    SUTRA_E_IO,          /* a file or socket could not be read or written */
    SUTRA_E_FORMAT,      /* a file is damaged or contradicts itself */
    SUTRA_E_UNSUPPORTED, /* valid, but not something this build, model or device can do */
    SUTRA_E_LIMIT,       /* over a limit: text too long with truncation = error, file too large */
    SUTRA_E_NUMERIC,     /* NaN or infinity where a vector should be */
    SUTRA_E_DEVICE,      /* a device failed */
    SUTRA_E_BUSY,        /* the queue is full, and when_full = fail or a callback submits */
    SUTRA_E_TIMEOUT,
    SUTRA_E_CANCELLED,
    SUTRA_E_ABI, /* struct_size or plugin ABI does not fit this library */
    SUTRA_E_END  /* no failure: nothing comes after the last chunk of a stream */
} SutraStatus;

/* Filled by the callee, owned by the caller. 512 bytes for ever. */
typedef struct SutraError {
    SutraStatus status;
    char message[500]; /* one line without a newline */
    uint16_t has_item; /* 1: one input of the call is to blame; 0: the call as a whole failed */
    uint16_t reason;   /* message + reason: without the "item N: " that may come first */
    uint32_t item;     /* index of that input */
} SutraError;

/* Arithmetic of the encoder. DEFAULT is FP32: exact to rounding against the reference. */
typedef enum SutraCompute {
    SUTRA_COMPUTE_DEFAULT = 0,
    SUTRA_COMPUTE_FP32,
    SUTRA_COMPUTE_BF16,
    SUTRA_COMPUTE_FP16,
    SUTRA_COMPUTE_INT8,
    SUTRA_COMPUTE_INT4W,
    SUTRA_COMPUTE_FP8
} SutraCompute;

/* Element type of output vectors. Each is made from the final float vector x (truncated to dim,
 * then normalised):
 *
 *   type      element                               bytes
 *   F32       x                                     4
 *   F16       x, rounded to nearest even            2
 *   I8        round(127 x), clamped to [-127, 127]  1     meant for normalised vectors
 *   U8        I8 + 128                              1
 *   U8        with ranges: clamp(floor(             1     min, max: those of the element;
 *             (x - min) / ((max - min) / 255)),           the quotient is x - min where
 *             0, 255)                                     (max - min) / 255 is 0
 *   I8        with ranges: U8 - 128                 1
 *   UBINARY   a bit: x > 0, most significant first  1/8   the last byte is filled up with zeros
 *   BINARY    UBINARY - 128, as int8                1/8   the same
 *
 * UBINARY, BINARY, and I8 and U8 with ranges have the bytes of sentence-transformers'
 * quantize_embeddings, computed in float32 as it does. */
typedef enum SutraDtype {
    SUTRA_F32 = 0,
    SUTRA_F16,
    SUTRA_I8,
    SUTRA_U8,
    SUTRA_BINARY,
    SUTRA_UBINARY
} SutraDtype;

typedef enum SutraOutput {
    SUTRA_OUT_POOLED = 0, /* one vector an input */
    SUTRA_OUT_TOKENS,     /* one vector a token */
    SUTRA_OUT_SPARSE,     /* weights over the vocabulary (SPLADE) */
    SUTRA_OUT_SCORES      /* one score a pair (rerankers) */
} SutraOutput;

typedef enum SutraPooling {
    SUTRA_POOL_MODEL = 0,     /* what the model's 1_Pooling says */
    SUTRA_POOL_CLS,           /* first token */
    SUTRA_POOL_MEAN,          /* sum / n */
    SUTRA_POOL_MAX,           /* element-wise maximum */
    SUTRA_POOL_MEAN_SQRT,     /* sum / sqrt(n) */
    SUTRA_POOL_WEIGHTED_MEAN, /* token i (from 1) weighted by i */
    SUTRA_POOL_LAST           /* last token */
} SutraPooling;

/* SutraEmbedOptions.truncation */
enum {
    SUTRA_TRUNCATE_MODEL = 0, /* as the model's tokenizer does */
    SUTRA_TRUNCATE_RIGHT,     /* keep the start */
    SUTRA_TRUNCATE_LEFT,      /* keep the end */
    SUTRA_TRUNCATE_ERROR,     /* a text that is too long fails with LIMIT */
    SUTRA_TRUNCATE_WINDOW     /* a text that is too long becomes windows; see SutraAggregate */
};

/* SutraEmbedOptions.window_overlap: neighbours share nothing. */
#define SUTRA_WINDOW_NO_OVERLAP UINT32_MAX

/* How the vectors of a long text's windows become one (truncation = SUTRA_TRUNCATE_WINDOW, pooled
 * vectors only).
 *
 *   text      c p p t0 t1 t2 t3 t4 t5 t6 s    c, s: special tokens, p: the prompt's
 *   window 0  c p p t0 t1 t2 t3 s
 *   window 1  c p p t3 t4 t5 t6 s             the windows overlap by one token of text
 *
 * A window has the special tokens and the prompt of the text, and as many of the text's other
 * tokens as max_tokens leaves room for. The next one begins window_overlap tokens before the end of
 * this one; the last one is where the text ends, and may be short. Without a prompt these are the
 * windows of Hugging Face `tokenizers` with truncation and stride = window_overlap.
 *
 * Vector x_i of window i is that of a text with these tokens, as a float, cut and normalised as the
 * options say; only where the model's own Normalize runs before the cut is x_i whole. In float, for
 * windows 0, 1, …, n - 1 in this order, with window i holding tokens b_i … e_i - 1 of the text's T
 * without prompt and special tokens:
 *
 *   x = (w_0 x_0 + w_1 x_1 + …) / (w_0 + w_1 + …)
 *
 * x is then cut, normalised and converted like the vector of any text. */
typedef enum SutraAggregate {
    SUTRA_AGGREGATE_MEAN = 0, /* w_i = 1 */
    SUTRA_AGGREGATE_MAX,      /* x = the element-wise maximum */
    SUTRA_AGGREGATE_LENGTH,   /* w_i = e_i - b_i */
    SUTRA_AGGREGATE_CENTER,   /* w_i = T - |T - (b_i + e_i)|: most in the middle of the text */
    SUTRA_AGGREGATE_LAST      /* x = x_(n - 1) */
} SutraAggregate;

/* SutraEmbedOptions.normalize
 *   MODEL   where the model has a Normalize, also after a cut that the caller asks for
 *   YES     always, after the cut
 *   NO      not after the cut; the model's own Normalize is part of the model and runs before it */
enum { SUTRA_NORMALIZE_MODEL = 0, SUTRA_NORMALIZE_YES, SUTRA_NORMALIZE_NO };

/* SutraEmbedOptions.when_full */
enum { SUTRA_WHEN_FULL_BLOCK = 0, SUTRA_WHEN_FULL_FAIL };

/* SutraItem.flags */
enum { SUTRA_ITEM_TRUNCATED = 1u << 0, SUTRA_ITEM_CACHED = 1u << 1 };

/* One text: either text or token_ids is set, not both. A size without its pointer is ARGUMENT; all
 * zero is the empty text. */
typedef struct SutraInput {
    const char *text;         /* UTF-8; may hold NUL bytes, need not end with one */
    size_t text_size;         /* bytes */
    const char *pair;         /* second text of SUTRA_OUT_SCORES, else NULL */
    size_t pair_size;         /* bytes */
    const int32_t *token_ids; /* taken as they are, special tokens included; not for scores */
    size_t num_token_ids;
    const char *prompt_name; /* a prompt of the model, put before the text; "": none; NULL: the
                                model's default prompt. With token_ids: NULL or "" */
    uint64_t reserved[2];
} SutraInput;

/* What became of one input; always filled. */
typedef struct SutraItem {
    SutraStatus status;   /* SUTRA_OK, or why this input has no vector (its row is zero) */
    uint32_t tokens_seen; /* tokens of the whole text, special tokens included */
    uint32_t tokens_used; /* tokens that went through the encoder */
    uint32_t flags;       /* SUTRA_ITEM_… */
    uint64_t queue_ns;    /* until a thread took it up */
    uint64_t tokenize_ns; /* this text's tokenisation */
    uint64_t compute_ns;  /* its batch's encoder time; that of all its windows' batches */
    uint32_t windows;     /* that its vector was made of; 0: the text went through whole, or cut */
    uint32_t reserved32;
    uint64_t reserved[1];
} SutraItem;

typedef struct SutraModelOptions {
    uint32_t struct_size;
    SutraCompute compute;
    const char *cache_dir; /* where packed bundles are kept; NULL: none are written */
    uint64_t memory_limit; /* bytes the weights may take; 0: no limit */
} SutraModelOptions;

/* A module between pooling and normalisation; its texts are static. */
typedef struct SutraModuleInfo {
    const char *type;       /* "Dense", "LayerNorm" */
    uint32_t in, out;       /* features */
    const char *activation; /* of a Dense one: "tanh", "identity"; else "" */
} SutraModuleInfo;

/* Borrowed from the model. */
typedef struct SutraModelInfo {
    uint32_t struct_size;
    uint32_t hidden_size; /* elements of a pooled vector before it is cut to `dim` */
    uint32_t max_tokens;  /* default truncation, special tokens included; UINT32_MAX: none */
    uint32_t outputs;     /* bit mask: 1u << SutraOutput */
    const char *name;     /* registry name or folder name */
    const char *family;   /* "bert" */
    const char *digest;   /* "sha256:…" of the weights if recorded with the model, else "" */
    const char *pooling;  /* "mean" */
    const char *revision; /* hub commit if recorded with the model, else "" */
    uint32_t num_layers, num_heads, vocab_size, max_positions; /* 0 layers: a static model */
    uint32_t normalize; /* 1 if the model's chain ends with Normalize */
    uint32_t num_prompts;
    const char *const *prompt_names; /* [num_prompts] */
    const char *const *prompts;      /* [num_prompts] */
    const char *default_prompt;      /* name, or NULL */
    uint64_t num_parameters;
    SutraCompute compute;
    const char *dtype;         /* of the stored weights: "float32" */
    const char *bundle;        /* the .sutra file in use, of cache_dir too; "": none */
    const char *bundle_digest; /* "xxh3:…" of its content; "": none */
    const char *cache_problem; /* why cache_dir could not be used; "": it was, or was not given */
    uint32_t dim; /* elements of a pooled vector: hidden_size, or the model's truncate_dim; of a
                     reranker 1: the score */
    /* Of a reranker, what makes a score of its logit: "sigmoid", "identity"; "": the model gives
     * embeddings. outputs says the same. */
    const char *score_activation;
    const char *tokenizer_class; /* "BertTokenizer" */
    uint32_t truncate_left;      /* 1: of too long a text the end is kept, else the start */
    uint32_t include_prompt;     /* 1: a prompt's tokens are pooled too */
    uint32_t truncate_dim; /* as the model's config says, before `dim` was made of it; 0: no */
    uint32_t num_modules;
    SutraModuleInfo modules[8]; /* [num_modules], in the order that vectors go through them */
    uint64_t weight_bytes;      /* what the weights take in memory, as memory_limit counts them */
} SutraModelInfo;

/* SutraEngineOptions.policy: which of several devices takes the next batch
 *   FASTEST       the one that by its measured time will have done it first
 *   LEAST_LOADED  the one with the fewest tokens at hand
 *   ROUND_ROBIN   one after the other
 *   RANDOM        any */
enum {
    SUTRA_POLICY_FASTEST = 0,
    SUTRA_POLICY_LEAST_LOADED,
    SUTRA_POLICY_ROUND_ROBIN,
    SUTRA_POLICY_RANDOM
};

typedef struct SutraEngineOptions {
    uint32_t struct_size;
    uint32_t num_threads; /* 0: every core this process may run on */
    /* Names with commas between them: "cpu" (default), "cuda:0,cuda:1", "cpu@0-7,cpu@8-15" (cores).
     * Batches go to one of several, and where one fails or hangs, to another. */
    const char *devices;
    uint32_t policy; /* SUTRA_POLICY_… */
    /* How long a text may wait for others to join its batch, with `devices` that are at work on
     * other batches; an idle device, and the processor alone, never wait. 0: not at all, but while
     * no device is free a batch takes in what comes. */
    uint32_t max_wait_us;
    uint64_t max_batch_tokens;  /* tokens of one encoder run; 0: chosen for the device */
    uint64_t max_queued_tokens; /* back-pressure bound of sutra_submit; 0: 4 Mi tokens;
                                   UINT64_MAX: none */
    /* Memory for vectors and scores of texts seen before, the oldest of which give way; 0: none,
     * else at least 64 KiB. A row of it is the same bytes: of the same model object, text, prompt
     * and options; not of token vectors, nor where ranges are given. Its item says
     * SUTRA_ITEM_CACHED, and no tokenize_ns and compute_ns. */
    uint64_t cache_bytes;
    /* Told what no error says, a line without a newline at a time: level 0 error, 1 warning, 2 info
     * (a model was made ready, buffers grew). On the thread of the call, which holds locks: it must
     * not call the library. NULL: nobody is told. */
    void (*log)(void *user, int level, const char *line);
    void *log_user;
    /* A folder of backends as plugins, sutra_*.so; NULL: none. IO: it can't be read. A plugin that
     * can't be used is a warning. They stay in the process. For the processor as the only device
     * none is opened, which is info. */
    const char *plugins;
    uint32_t allow_mixed; /* 1: devices may be unlike, and give vectors that differ in rounding */
    uint32_t device_timeout_ms; /* a run that takes longer hangs: it goes to another device; 0:
                                   30,000. Loading a model may take four times as long, what a
                                   device is asked about itself as long as a run. Not of the
                                   processor as the only device */
} SutraEngineOptions;

typedef struct SutraEmbedOptions {
    uint32_t struct_size;
    SutraOutput output;
    SutraDtype dtype;
    uint32_t dim; /* Matryoshka: keep the first dim elements, then normalise; 0: the model's */
    uint32_t max_tokens; /* 0: the model's; larger than the model's positions is an error */
    uint8_t normalize;   /* SUTRA_NORMALIZE_… (L2); what the model's own Normalize does stays */
    uint8_t truncation;  /* SUTRA_TRUNCATE_… */
    uint8_t when_full;   /* SUTRA_WHEN_FULL_…, sutra_submit only */
    uint8_t priority;    /* 0 normal … 255 first, sutra_submit only */
    uint64_t
        timeout_ns; /* give up if not started within, and waiting for room in the queue as long;
                            0: never. sutra_submit only */
    SutraPooling pooling;
    /* [2, dim], I8 and U8 only: the smallest (row 0) and largest (row 1) value of each element of
     * the final vector, finite, as sutra_ranges finds them (SutraDtype). NULL: the fixed range
     * -1 … 1. Borrowed as inputs are: until return by blocking calls, copied by sutra_submit. */
    const float *ranges;
    /* Of SUTRA_TRUNCATE_WINDOW only: tokens of text that neighbours share, fewer than a window has
     * room for; 0: an eighth of that room, rounded down; SUTRA_WINDOW_NO_OVERLAP: none. A text
     * fails with LIMIT when its windows, their vectors included, need more than 256 MiB and more
     * than eight times what they would need without overlap. */
    uint32_t window_overlap;
    SutraAggregate aggregate;
    uint32_t raw_scores; /* SUTRA_OUT_SCORES only, 1: logits, whatever the model makes of them */
    /* sutra_submit only, 1: done is called by the engine's thread that ended the job, soonest, and
     * holds that up: it must return at once and call nothing of the engine. */
    uint32_t quick_done;
} SutraEmbedOptions;

/* With SUTRA_TRUNCATE_WINDOW token_ids that are too long fail with LIMIT: windows are made of
 * texts. A text fails with ARGUMENT when its prompt leaves a window no room. */

/* Scores (SUTRA_OUT_SCORES) are of pairs, by a reranker: a model for sequence classification with
 * one label, "cross-encoder". An input is a text, usually the query, and its pair, which may be
 * empty but not NULL; the prompt goes before the text. What is too long loses tokens of the longer
 * of the two first, then of both, as the reference does (longest_first); SutraItem counts those of
 * both. A score is one float: dtype F32, dim 0 or 1, and as the model's configuration says a logit
 * or its sigmoid, unless raw_scores asks for the logit. Embedding models refuse this output,
 * rerankers all others (UNSUPPORTED). */

/* Borrowed from the result.
 *
 *   output           data                           input i owns
 *   POOLED, SCORES   [num_items, dim]               row i; offsets and indices are NULL
 *   TOKENS           [offsets[num_items], dim]      rows offsets[i] … offsets[i+1]
 *   SPARSE           [offsets[num_items]] weights   offsets[i] … offsets[i+1], at vocabulary
 *                                                   indices[…] */
typedef struct SutraResultView {
    uint32_t struct_size;
    SutraOutput output;
    SutraDtype dtype;
    uint32_t dim;
    size_t num_items, row_bytes;
    const void *data;
    const size_t *offsets;
    const int32_t *indices;
    const SutraItem *items; /* [num_items] */
} SutraResultView;

/* Called once a job, on an engine thread.
 *
 *   result   belongs to the callee, who frees it whatever err->status is: when some inputs failed,
 *            it is set (see sutra_embed), and err holds the first failure. NULL when the job failed
 *            as a whole: it was cancelled, timed out, ran out of memory, or could not be started
 *   err      never NULL, says SUTRA_OK on success, and is valid until done returns */
typedef void (*SutraDone)(void *user, SutraResult *result, const SutraError *err);

/* ---- library ---- */

SUTRA_API const char *sutra_version(void);                   /* "0.1.0"; static */
SUTRA_API const char *sutra_status_name(SutraStatus status); /* "SUTRA_E_IO"; static; never NULL */
SUTRA_API const char *sutra_compute_name(SutraCompute compute); /* "int8"; static; never NULL */

/* JSON facts: version, isa, cores, kernels, backends. It is UTF-8: bytes of names that are not
 * become U+FFFD. Writes at most `capacity` bytes with the closing NUL, sets *size to what the whole
 * text needs without it; SUTRA_E_LIMIT when it does not fit. */
SUTRA_API SutraStatus sutra_system_describe(char *json, size_t capacity, size_t *size,
                                            SutraError *err);

/* Whether this machine's processor has instructions for a precision: 1 or 0. The cpu device
 * computes bf16, fp16 and int8 on every processor, but without them no faster than fp32. */
SUTRA_API int sutra_compute_is_native(SutraCompute compute);

/* ---- models ---- */

/* Whether this library opens models of a family, by config.json's model_type ("bert"): 1 or 0. */
SUTRA_API int sutra_family_is_known(const char *model_type);

/* Opens a folder in Hugging Face layout. A local path only: no name is looked up and nothing is
 * downloaded. The files are mapped and must not be truncated while the model is open. Errors: IO
 * (cannot be read), FORMAT (damaged), UNSUPPORTED (architecture, option or dtype; names it), LIMIT,
 * MEMORY. */
SUTRA_API SutraStatus sutra_model_open(const char *path, const SutraModelOptions *options,
                                       SutraModel **model, SutraError *err);

/* One more reference; returns model. */
SUTRA_API SutraModel *sutra_model_retain(SutraModel *model);

/* Gives one reference back. Calls and jobs that are not over hold one of their own, engines hold
 * none: with the last one goes all memory of the model, what engines made from it included. */
SUTRA_API void sutra_model_free(SutraModel *model);

/* Writes a bundle: the model packed for this machine's processor and the model's precision, to be
 * opened as PATH.sutra without copying anything. The file appears whole or not at all. Errors: IO,
 * UNSUPPORTED. */
SUTRA_API SutraStatus sutra_model_save(const SutraModel *model, const char *path, SutraError *err);

/* Reads every byte of a bundle and checks it; of another model, what opening checks. Errors: IO,
 * FORMAT (names what is damaged), UNSUPPORTED. */
SUTRA_API SutraStatus sutra_model_verify(const char *path, SutraError *err);

/* What the model says of itself. */
SUTRA_API SutraStatus sutra_model_info(const SutraModel *model, SutraModelInfo *info,
                                       SutraError *err);

/* What goes before a text by its prompt_name, as in SutraInput; borrowed from the model. Errors:
 * ARGUMENT (lists the prompts there are). */
SUTRA_API SutraStatus sutra_model_prompt(const SutraModel *model, const char *prompt_name,
                                         const char **prompt, SutraError *err);

/* ---- engine ---- */

SUTRA_API SutraStatus sutra_engine_create(const SutraEngineOptions *options, SutraEngine **engine,
                                          SutraError *err);

/* What sutra_device_choose came to. */
typedef struct SutraDeviceChoice {
    uint32_t struct_size;
    uint32_t fell_back; /* 1: the named device can't be had, and `device` is "cpu" */
    char device[64];    /* for SutraEngineOptions.devices: "cpu", "cuda:0" */
    char reason[1000];  /* one line for people: what was measured, or why there is no other device;
                           "": there was nothing to choose from */
    double tokens_per_second; /* of `device`, if it was measured; else 0 */
} SutraDeviceChoice;

/* Which device an engine with these options is to have, before it is made.
 *
 *   options->devices   device
 *   NULL, "cpu", …     that of the processor; nothing is opened
 *   "cuda:0"           the same if it can be had, else "cpu", and why: it has no plugin, its
 *                      backend has no device, or does not answer for this one. Other mistakes of a
 *                      name stay in it: sutra_engine_create tells them
 *   "auto"             "cpu" or device 0 of a plugin's backend: what embeds more tokens a second
 *                      with this model. Each gets a few texts that come with the library, for some
 *                      0.3 s once the model is ready there, less of what is slow; one that fails
 *                      loses. Without a device of a plugin nothing is measured
 *
 * Opens options->plugins if a plugin is needed; device_timeout_ms and num_threads hold as of the
 * engine, log hears nothing. model: of "auto", else it may be NULL; what a device has loaded of it
 * stays with it, for the engine. A device that others use meanwhile is measured as it then is. Any
 * thread. Errors: ABI, ARGUMENT (a name is not valid; there are several; no model), IO (the folder
 * of plugins can't be read), LIMIT, MEMORY, those of sutra_embed on the processor. */
SUTRA_API SutraStatus sutra_device_choose(const SutraModel *model,
                                          const SutraEngineOptions *options,
                                          SutraDeviceChoice *choice, SutraError *err);

/* JSON counts, written as by sutra_system_describe: since the engine was made, and under "waiting"
 * what no thread has taken up yet (its tokens are estimates). "wide" and "team" are batches that
 * went through an encoder, by one thread each or by all together, and their tokens. "devices", if
 * it has several, or a plugin's, are "ready", "quarantined" (they failed, and are left alone for a
 * while), on "trial" (asked whether they answer, or given a batch), "recovering" (they answer: the
 * next batch is the trial) or "leaving"; "loading" counts lanes that make a model ready. */
SUTRA_API SutraStatus sutra_engine_stats(const SutraEngine *engine, char *json, size_t capacity,
                                         size_t *size, SutraError *err);

/* Forgets the rows of cache_bytes, if there are any; hits and misses go on being counted. Rows that
 * are being computed meanwhile are kept. Any thread. Errors: ARGUMENT. */
SUTRA_API SutraStatus sutra_engine_clear_cache(SutraEngine *engine, SutraError *err);

/* Adds a device to an engine, or takes one away from it, when what it is at is done. An added one
 * loads a model when it is first used there, while others take its batches. Any
 * thread; the engine has several devices, or one that is a plugin's. Errors: ARGUMENT (no such
 * name, or there already; the last device), UNSUPPORTED (no such backend; unlike the others;
 * the engine has the processor alone), what the device says, LIMIT, MEMORY. */
SUTRA_API SutraStatus sutra_engine_add_device(SutraEngine *engine, const char *device,
                                              SutraError *err);
SUTRA_API SutraStatus sutra_engine_remove_device(SutraEngine *engine, const char *device,
                                                 SutraError *err);

/* Runs all submitted jobs to their end first, callbacks included; those that were cancelled are not
 * run. Afterwards every job is done, and can still be waited for, cancelled and freed. A callback
 * that submits meanwhile gets CANCELLED. No other thread may be in a call on this engine, but
 * threads may be in sutra_job_wait. */
SUTRA_API void sutra_engine_free(SutraEngine *engine);

/* Packs weights, maps pages and sizes every buffer for `options`, so that the first request is as
 * fast as the rest and sutra_embed_into allocates nothing from then on. */
SUTRA_API SutraStatus sutra_model_warmup(SutraEngine *engine, const SutraModel *model,
                                         const SutraEmbedOptions *options, SutraError *err);

/* Embeds n inputs; blocks. Row i of the result is input i. When some inputs fail (their item says
 * why), the other rows are valid, *result is set, and the first failing item's status is returned
 * with its message: *result is to be freed then too. When the call fails as a whole, *result is
 * NULL. */
SUTRA_API SutraStatus sutra_embed(SutraEngine *engine, const SutraModel *model,
                                  const SutraInput *inputs, size_t n,
                                  const SutraEmbedOptions *options, SutraResult **result,
                                  SutraError *err);

/* The same for SUTRA_OUT_POOLED and SUTRA_OUT_SCORES into the caller's memory: out [n, row_bytes],
 * capacity in bytes; items [n] or NULL. Allocates nothing after sutra_model_warmup with the same
 * options. When some inputs fail, the other rows are valid; when the call fails as a whole, out is
 * not written and each item has the call's status. */
SUTRA_API SutraStatus sutra_embed_into(SutraEngine *engine, const SutraModel *model,
                                       const SutraInput *inputs, size_t n,
                                       const SutraEmbedOptions *options, void *out, size_t capacity,
                                       SutraItem *items, SutraError *err);

/* Scores each of n documents for a query by a reranker, and sorts them.
 *
 *   query       text, and prompt_name of its prompt; no pair
 *   documents   [n] text alone
 *   options     NULL, or with output SUTRA_OUT_SCORES
 *   scores      [n] in the order of the documents
 *   order       [n] or NULL: numbers of the documents, best score first, equal ones as given
 *   items       [n] or NULL
 *
 * When some documents fail, the other scores are valid, and the failed ones are last in order.
 * Errors: as sutra_embed_into; ARGUMENT (a pair, token_ids or a document's prompt_name is given),
 * MEMORY. */
SUTRA_API SutraStatus sutra_rerank(SutraEngine *engine, const SutraModel *model,
                                   const SutraInput *query, const SutraInput *documents, size_t n,
                                   const SutraEmbedOptions *options, float *scores, size_t *order,
                                   SutraItem *items, SutraError *err);

/* Queues a request and returns. done may be NULL when the job is waited for; job may be NULL when
 * done is given. When max_queued_tokens are queued, it waits for room or fails with BUSY, as
 * when_full says; those that wait go in the order they came, and who does not wait (when_full =
 * fail, a callback) may take room before them. A job no longer counts when its callback is called,
 * which may thus submit as much as its job took, nor does it hold its model. A callback that
 * submits to its own engine never waits: there a full queue is BUSY whatever when_full says. Texts
 * of jobs and of calls meet in one batch; jobs of a higher priority come first, else what came
 * first. Errors: ARGUMENT, BUSY, CANCELLED (the engine is being freed), LIMIT (no thread could be
 * started), MEMORY, TIMEOUT (no room within timeout_ns), and what sutra_embed says of its options;
 * inputs that are not valid fail in the job. */
SUTRA_API SutraStatus sutra_submit(SutraEngine *engine, const SutraModel *model,
                                   const SutraInput *inputs, size_t n,
                                   const SutraEmbedOptions *options, SutraDone done, void *user,
                                   SutraJob **job, SutraError *err);

/* timeout_ns UINT64_MAX waits for ever. result may be NULL. *result is set when the job ran, even
 * if some inputs failed (see sutra_embed). It is NULL when the job failed as a whole or is not done
 * yet, and when its result was handed out before, to `done` or to another call. Errors: TIMEOUT
 * (not done yet, or options.timeout_ns); CANCELLED; else as sutra_embed. */
SUTRA_API SutraStatus sutra_job_wait(SutraJob *job, uint64_t timeout_ns, SutraResult **result,
                                     SutraError *err);

/* A job that has not started ends with CANCELLED, at once unless its model is just being made
 * ready. Of one that has, the inputs that no thread has taken up fail with it, as do long texts
 * with windows that none has; the other rows are valid. */
SUTRA_API void sutra_job_cancel(SutraJob *job);
SUTRA_API void sutra_job_free(SutraJob *job);

SUTRA_API SutraStatus sutra_result_view(const SutraResult *result, SutraResultView *view,
                                        SutraError *err);
SUTRA_API void sutra_result_free(SutraResult *result);

/* ---- vectors ---- */

/* out [na, nb]: similarity of each row of a [na, dim] with each row of b [nb, dim]. F32, F16, I8,
 * U8: cosine, of the signed codes (U8: less 128). BINARY, UBINARY: 1 - 2 hamming / dim, which
 * estimates the cosine of the vectors they were made from; bits past dim do not count.
 *
 * Codes made with ranges are not proportional to x: each element has its own step and zero. Their
 * cosine compares the int8 codes as they are, as sentence-transformers and its users do; it is no
 * estimate of the vectors' cosine. */
SUTRA_API SutraStatus sutra_similarity(SutraDtype dtype, uint32_t dim, const void *a, size_t na,
                                       const void *b, size_t nb, float *out, SutraError *err);

/* ranges [2, dim] of SutraEmbedOptions: the smallest (row 0) and largest (row 1) value of each
 * element over rows [n, dim] of F32 vectors; of zeros, the sign is not specified. Errors: ARGUMENT
 * (no row, dim 0, a pointer is NULL), NUMERIC (names the row and element that is NaN or
 * infinite). */
SUTRA_API SutraStatus sutra_ranges(const float *rows, size_t n, uint32_t dim, float *ranges,
                                   SutraError *err);

/* Bytes of one vector; 0 if the pair is not valid. */
SUTRA_API size_t sutra_row_bytes(SutraDtype dtype, uint32_t dim);

#ifdef __cplusplus
}
#endif

#include "sutra_chunks.h"
#include "sutra_models.h"
#include "sutra_tokens.h"
#endif
