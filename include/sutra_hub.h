/* sutra_hub.h - models by name: the registry, the shared Hugging Face cache, and downloading.
 *
 * Two libraries implement it:
 *
 *   libsutra_registry.a   sutra_registry_*, sutra_config_*, sutra_cache_*, sutra_hub_environment:
 *                         tables and file names; no network, no TLS
 *   libsutra-hub.so       the other sutra_hub_*: libcurl and libcrypto. Meant to be opened with
 *                         dlopen by who downloads, since TLS costs milliseconds at start
 *
 * How to use it, in order: sutra_cache_directory, sutra_cache_find (the model's folder if it is
 * there), else sutra_hub_pull (or sutra_hub_import from a local folder), then sutra_model_open on
 * the path.
 *
 * Neither library reads the environment, prints or exits; paths, endpoint, token and proxy are
 * options, and two helpers take a getter with getenv's signature. Versioning, errors and ownership
 * are those of sutra.h. All functions may be called from any thread; several processes and threads
 * may pull the same model at once.
 *
 *   cache_dir/
 *     models--org--name/
 *       blobs/<etag>                      the bytes; etag: SHA-256 (large files) or git blob id
 *       blobs/<etag>.incomplete           a download to resume
 *       snapshots/<commit>/<file>         relative symbolic links into blobs/
 *       snapshots/<commit>/sutra.json     manifest: SHA-256 and size of every file
 *       refs/<revision>                   the commit; written last
 *     .locks/models--org--name/<etag>.lock
 */
#ifndef SUTRA_HUB_H
#define SUTRA_HUB_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SUTRA_HUB_PATH_MAX 4096

/* ---- registry ---- */

typedef struct SutraRegistryPrompt {
    const char *name; /* "query" */
    const char *text; /* put before the text: "query: " */
} SutraRegistryPrompt;

/* A model's facts; static, never freed. Fields keep their places; new ones go to the end, or into a
 * gap. */
typedef struct SutraRegistryModel {
    const char *name;           /* short name: "all-MiniLM-L6-v2" */
    const char *repo;           /* hub repository: "sentence-transformers/all-MiniLM-L6-v2" */
    const char *family;         /* model_type of config.json: "bert" */
    const char *licence;        /* SPDX identifier: "Apache-2.0" */
    const char *languages;      /* "en", "multilingual" */
    uint32_t dimensions;        /* elements of a vector; of a reranker 1: the score */
    uint32_t max_tokens;        /* special tokens included */
    SutraPooling pooling;       /* never SUTRA_POOL_MODEL */
    uint32_t num_matryoshka;    /* 0: not trained for shorter vectors */
    const uint32_t *matryoshka; /* [num_matryoshka] lengths, longest first */
    uint32_t num_prompts;       /* prompts its authors say belong before a text */
    uint32_t is_reranker;       /* 1: it gives scores of pairs of texts, and no vectors */
    const SutraRegistryPrompt *prompts; /* [num_prompts] */
    uint64_t weights_size;              /* bytes of model.safetensors; 0: not pinned */
    const char *weights_sha256; /* 64 hex digits; NULL: not pinned, the hub's digest holds */
    uint32_t needs_prompt;      /* 1: every text needs one of prompts, queries and others alike */
} SutraRegistryModel;

SUTRA_API size_t sutra_registry_count(void);
SUTRA_API const SutraRegistryModel *sutra_registry_at(size_t index); /* NULL past the end */

/* By short name or repository, whatever the case. NULL: not in the registry. */
SUTRA_API const SutraRegistryModel *sutra_registry_find(const char *name);

/* Did you mean: at most `capacity` short names that resemble `name`, closest first. Returns how
 * many; 0 when none is close. The names are static. */
SUTRA_API size_t sutra_registry_suggest(const char *name, const char **names, size_t capacity);

/* The repository that `name` stands for: the registry's, or `name` itself if it has the form
 * org/name. Errors: ARGUMENT (neither; names the closest registry names); LIMIT. */
SUTRA_API SutraStatus sutra_registry_resolve(const char *name, char *repo, size_t capacity,
                                             SutraError *err);

/* ---- profiles ---- */

/* A model, and how to use it. The caller sets struct_size and num_threads; everything else is
 * filled in, and static. */
typedef struct SutraConfig {
    uint32_t struct_size;
    uint32_t num_threads; /* of the engine that it is for; 0: every core this process may run on */
    const char *profile;  /* which it is; of "auto", which it came to */
    const SutraRegistryModel *model; /* what to find in the cache, or to pull */
    SutraCompute compute;            /* of SutraModelOptions; this processor has it */
    uint32_t dim;                    /* of SutraEmbedOptions, like dtype */
    SutraDtype dtype;
    uint32_t is_cut;  /* 1: dim is less than the model has */
    char reason[512]; /* one line: why these */
} SutraConfig;

/* The configuration of a profile on this machine:
 *
 *   ultra-efficient   256 dimensions, ubinary: 32 bytes a vector; int8, else bf16
 *   efficient         384 dimensions, float32; int8, else bf16
 *   high-quality      768 dimensions, float32; bf16
 *   auto              efficient or high-quality, by cores (as many as num_threads can take),
 *                     instructions and memory
 *
 * Precisions that the processor has no instructions for give way to fp32. Models are those of the
 * registry whose family this build opens. Errors: ARGUMENT (no such profile; names them), ABI,
 * UNSUPPORTED; ARGUMENT or UNSUPPORTED from SUTRA_ISA. */
SUTRA_API SutraStatus sutra_config_from_name(const char *profile, SutraConfig *config,
                                             SutraError *err);

/* The same with vectors of `dim` elements: the smallest model that has so many, else one that was
 * trained for such a length, else the smallest one that has more. The profile says precision and
 * type. Errors: as above; ARGUMENT (no model has so many; names the sizes). */
SUTRA_API SutraStatus sutra_config_for_dimension(uint32_t dim, const char *profile,
                                                 SutraConfig *config, SutraError *err);

/* ---- cache ---- */

/* getenv fits. */
typedef char *(*SutraGetEnv)(const char *variable);

/* The cache folder as other tools find it: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
 * XDG_CACHE_HOME/huggingface/hub, HOME/.cache/huggingface/hub. It need not exist yet. Errors:
 * ARGUMENT (none is set); LIMIT. */
SUTRA_API SutraStatus sutra_cache_directory(SutraGetEnv get, char *path, size_t capacity,
                                            SutraError *err);

/* The folder of a complete model in the cache, for sutra_model_open. `name` as for
 * sutra_registry_resolve; revision: branch, tag or commit, NULL: "main". Models put there by other
 * tools are found too. A model is complete when every file of its manifest has the stated size, or,
 * without a manifest, when config.json, a tokenizer, the weights and the modules are there.
 * Errors: ARGUMENT (unknown name), IO (not in the cache: names the revisions that are; or
 * incomplete: names what is missing). */
SUTRA_API SutraStatus sutra_cache_find(const char *cache_dir, const char *name,
                                       const char *revision, char *path, size_t capacity,
                                       SutraError *err);

typedef struct SutraCacheList SutraCacheList;

/* Borrowed from the list. */
typedef struct SutraCacheModel {
    uint32_t struct_size;
    const char *repo;               /* "sentence-transformers/all-MiniLM-L6-v2" */
    const char *revision;           /* commit, or "imported-…" */
    const char *path;               /* snapshot folder */
    uint64_t size;                  /* bytes of the model's files */
    uint32_t has_manifest;          /* 1: pulled or imported by Sutra, digests recorded */
    const SutraRegistryModel *info; /* NULL: not in the registry */
} SutraCacheModel;

/* Complete models that refs/main points to, sorted by repo. A folder that does not exist gives an
 * empty list. Errors: IO, MEMORY. */
SUTRA_API SutraStatus sutra_cache_list(const char *cache_dir, SutraCacheList **list,
                                       SutraError *err);
SUTRA_API size_t sutra_cache_list_count(const SutraCacheList *list);
SUTRA_API SutraStatus sutra_cache_list_at(const SutraCacheList *list, size_t index,
                                          SutraCacheModel *model, SutraError *err);
SUTRA_API void sutra_cache_list_free(SutraCacheList *list);

/* ---- download: libsutra-hub ---- */

#define SUTRA_HUB_ENDPOINT "https://huggingface.co"
#define SUTRA_HUB_LIBRARY "libsutra-hub.so.0"

typedef enum SutraHubPhase {
    SUTRA_HUB_LISTING = 0, /* asking the hub for the file list */
    SUTRA_HUB_WAITING,     /* another process is downloading this file */
    SUTRA_HUB_VERIFYING,   /* hashing what is already on disk */
    SUTRA_HUB_DOWNLOADING, /* or copying, by sutra_hub_import */
    SUTRA_HUB_RETRYING,    /* note says why and how long the pause is */
    SUTRA_HUB_DONE
} SutraHubPhase;

typedef struct SutraHubProgress {
    uint32_t struct_size;
    SutraHubPhase phase;
    const char *file;                /* "model.safetensors"; "" when not about one file */
    const char *note;                /* one line for the user, or NULL */
    uint32_t file_index, num_files;  /* 0-based */
    uint64_t file_done, file_size;   /* bytes */
    uint64_t total_done, total_size; /* bytes over all files */
} SutraHubProgress;

/* Zero means the default. Strings are borrowed until return. */
typedef struct SutraHubOptions {
    uint32_t struct_size;
    const char *cache_dir;    /* required; made when missing */
    const char *endpoint;     /* NULL: SUTRA_HUB_ENDPOINT */
    const char *token;        /* sent to the endpoint's own scheme, host and port only */
    const char *revision;     /* branch, tag or commit; NULL: "main" */
    const char *proxy;        /* "http://host:3128"; NULL: none */
    const char *no_proxy;     /* hosts asked directly: "localhost,.example.org" */
    const char *ca_file;      /* PEM bundle; NULL: the system's */
    uint32_t offline;         /* 1: no network; succeeds only if the model is in the cache */
    uint32_t attempts;        /* of one request, without progress between them; 0: 5 */
    uint32_t backoff_ms;      /* first pause, doubled each time; 0: 500 */
    uint32_t max_backoff_ms;  /* longest pause, Retry-After included; 0: 30,000 */
    uint32_t stall_timeout_s; /* give a connection up after so long without a byte; 0: 60 */
    /* Called on the calling thread, a few times a second at most between phases. */
    void (*progress)(void *user, const SutraHubProgress *progress);
    void *user;
    const volatile int *cancel; /* set non-zero by a signal handler or thread: CANCELLED */
} SutraHubOptions;

typedef struct SutraHubResult {
    uint32_t struct_size;
    uint32_t num_files;
    uint64_t size;                 /* bytes of the model's files */
    uint64_t received;             /* bytes downloaded or copied by this call */
    uint32_t pinned;               /* 1: weights equal the registry's digest */
    char revision[72];             /* commit, or "imported-…" */
    char weights_sha256[65];       /* of model.safetensors; "" when it is in shards */
    char licence[64];              /* registry's, else the hub's, else "" */
    char path[SUTRA_HUB_PATH_MAX]; /* snapshot folder, for sutra_model_open */
} SutraHubResult;

/* Where sutra_hub_environment puts strings. */
typedef struct SutraHubStore {
    char cache_dir[SUTRA_HUB_PATH_MAX], token[1024];
} SutraHubStore;

/* Fills what the environment says about the hub into *options; strings lie in *store, which must
 * outlive options. Part of libsutra_registry.a.
 *
 *   cache_dir   as sutra_cache_directory
 *   endpoint    HF_ENDPOINT
 *   token       HF_TOKEN, else the file HF_TOKEN_PATH or HF_HOME/token
 *   offline     HF_HUB_OFFLINE
 *   proxy       https_proxy, all_proxy; http_proxy for an http endpoint
 *   no_proxy    no_proxy
 *   ca_file     SSL_CERT_FILE, CURL_CA_BUNDLE
 *
 * Errors: as sutra_cache_directory. */
SUTRA_API SutraStatus sutra_hub_environment(SutraGetEnv get, SutraHubStore *store,
                                            SutraHubOptions *options, SutraError *err);

/* Downloads what a Sutra model needs (never pickled weights), checks every byte against the
 * registry's digest, else the hub's, and publishes it in the cache. What is there already is
 * verified and kept; a broken download is resumed. result may be NULL.
 * Errors: ARGUMENT (name, option; repository or revision that the hub does not know), IO (hub can't
 * be reached, access refused, disk full), FORMAT (wrong digest, names both; an answer that makes no
 * sense), UNSUPPORTED (no safetensors weights), LIMIT, CANCELLED, MEMORY, ABI. */
SUTRA_API SutraStatus sutra_hub_pull(const char *name, const SutraHubOptions *options,
                                     SutraHubResult *result, SutraError *err);

/* Copies a model from a local folder into the cache under the repository of `name`, verified
 * against the registry's digest where there is one. Uses cache_dir, progress, user and cancel of
 * options. Errors: as above; IO also names a needed file that the folder lacks. */
SUTRA_API SutraStatus sutra_hub_import(const char *name, const char *directory,
                                       const SutraHubOptions *options, SutraHubResult *result,
                                       SutraError *err);

/* hex receives 64 digits and a NUL. cancel may be NULL. */
SUTRA_API SutraStatus sutra_hub_sha256_file(const char *path, const volatile int *cancel,
                                            char hex[65], SutraError *err);

/* For dlsym. */
typedef SutraStatus (*SutraHubPullFunction)(const char *, const SutraHubOptions *, SutraHubResult *,
                                            SutraError *);
typedef SutraStatus (*SutraHubImportFunction)(const char *, const char *, const SutraHubOptions *,
                                              SutraHubResult *, SutraError *);
typedef SutraStatus (*SutraHubSha256Function)(const char *, const volatile int *, char *,
                                              SutraError *);

#ifdef __cplusplus
}
#endif
#endif
