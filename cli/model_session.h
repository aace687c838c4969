/* model_session.h - from options to an open model and an engine. */
#ifndef CLI_MODEL_SESSION_H
#define CLI_MODEL_SESSION_H

#include "option_table.h"
#include "sutra.h"
#include "sutra_hub.h"

/* What every command on a model takes. */
typedef struct CliModelArgs {
    const char *model, *revision;
    uint32_t profile; /* place in CLI_PROFILE_WORDS */
    uint32_t compute; /* place in CLI_COMPUTE_WORDS */
    const char *min_quality;
    bool strict;
    uint32_t threads;
    const char *device, *plugins;
    uint32_t policy; /* place in the option's words */
    bool allow_mixed;
    bool no_cache;
    size_t num_texts; /* that are to be embedded, where the command knows it before; else 0 */
} CliModelArgs;

#define CLI_DEFAULT_MODEL "all-MiniLM-L6-v2"
#define CLI_DEFAULT_RERANKER "ms-marco-MiniLM-L6-v2"
#define CLI_PROFILE_WORDS "ultra-efficient|efficient|high-quality|auto"
#define CLI_COMPUTE_WORDS "fp32|bf16|fp16|int8|auto"
#define CLI_AGGREGATE_WORDS "mean|max|length|center|last"

/* -m and --revision; what commands that use the cache of packed models take; the options of
 * commands that embed. */
extern const CliOption cli_model_options[2], cli_cache_options[1], cli_engine_options[9];

/* What every command that embeds takes. */
typedef struct CliEmbedArgs {
    uint32_t dim, dtype, pooling, max_tokens, long_text;
    uint32_t aggregate; /* place in CLI_AGGREGATE_WORDS */
    bool no_normalize;
    const char *prompt_name, *window_overlap;
    const char *ranges, *calibrate, *save_ranges; /* see ranges_option.h */
} CliEmbedArgs;

extern const CliOption cli_embed_options[12];

typedef struct CliSession {
    SutraModel *model;
    SutraEngine *engine; /* NULL when opened without */
    SutraModelInfo info;
    SutraConfig config;   /* of --profile; its profile is NULL without */
    uint32_t num_threads; /* of the engine */
    const char *device;   /* its devices; NULL: the processor */
    SutraDeviceChoice choice;
} CliSession;

/* The folder of the model called `name`: a path that exists, else a name looked up in the cache;
 * NULL: SUTRA_MODEL of the environment, else CLI_DEFAULT_MODEL. revision: branch, tag or commit of
 * a name; NULL: main. Errors: IO, ARGUMENT, saying what to do. */
SutraStatus cli_find_model(const char *name, const char *revision, char *path, size_t capacity,
                           SutraError *err);

/* What a place in CLI_PROFILE_WORDS means on this machine, for so many threads; 0: those of
 * SUTRA_THREADS, else every core. Says on standard error when SUTRA_MODEL names another model.
 * Errors: ARGUMENT (SUTRA_THREADS is no number), those of sutra_config_from_name. */
SutraStatus cli_profile_config(uint32_t profile, uint32_t threads, SutraConfig *config,
                               SutraError *err);

/* "float32"; static */
const char *cli_dtype_name(SutraDtype dtype);

/* Folder of the cache of packed models, as SUTRA_CACHE, XDG_CACHE_HOME and HOME say; false: none.
 */
bool cli_cache_folder(char *path, size_t capacity);

/* Threads that are not given (0) become those of SUTRA_THREADS, if it is set. Errors: ARGUMENT (it
 * is no number). */
SutraStatus cli_settle_threads(uint32_t *threads, SutraError *err);

/* What they say of opening the model at `path`; options->cache_dir may point to `cache`. Errors:
 * ARGUMENT, UNSUPPORTED, those of sutra_compute_choose. */
SutraStatus cli_model_plan(const CliModelArgs *args, const char *path, char *cache, size_t capacity,
                           SutraModelOptions *options, SutraError *err);

/* Opens the model, by way of the cache unless args->no_cache. A cache that cannot be used is a
 * warning. */
SutraStatus cli_session_open(CliSession *session, const CliModelArgs *args, bool with_engine,
                             SutraError *err);
void cli_session_close(CliSession *session);

/* Checks what can be checked before any text is read: prompt name, dimension, lengths. */
SutraStatus cli_embed_plan(const CliSession *session, const CliEmbedArgs *args,
                           SutraEmbedOptions *options, SutraError *err);

/* Is `name` NULL, "" or one of the model's prompts? Errors: ARGUMENT, listing them. */
SutraStatus cli_check_prompt(const CliSession *session, const char *name, SutraError *err);

#endif
