#include "model_session.h"

#include "atomic_file.h"
#include "console.h"
#include "engine_plan.h"
#include "sutra_tools.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const CliOption cli_model_options[2] = {
    {"model", 'm', CLI_OPTION_TEXT, "MODEL", offsetof(CliModelArgs, model),
     "a name that sutra list shows, a hub repository in the cache, a model's folder, or a .sutra "
     "file (default: "
     "$SUTRA_MODEL, else " CLI_DEFAULT_MODEL ")",
     0, 0},
    {"revision", 0, CLI_OPTION_TEXT, "REVISION", offsetof(CliModelArgs, revision),
     "of a name in the cache: the branch, tag or commit that was pulled (default: main)", 0, 0},
};

const CliOption cli_cache_options[1] = {
    {"no-cache", 0, CLI_OPTION_FLAG, NULL, offsetof(CliModelArgs, no_cache),
     "neither use nor write a packed copy of the model in the cache ($SUTRA_CACHE, else "
     "~/.cache/sutra)",
     0, 0},
};

const CliOption cli_engine_options[9] = {
    {"profile", 0, CLI_OPTION_CHOICE, CLI_PROFILE_WORDS, offsetof(CliModelArgs, profile),
     "choose model, precision, and size and type of the vectors for this machine and --threads; "
     "--compute, --dim and --output-dtype beside it win, -m may not stand beside it (sutra info "
     "--profile shows it)",
     0, 0},
    {"compute", 0, CLI_OPTION_CHOICE, CLI_COMPUTE_WORDS, offsetof(CliModelArgs, compute),
     "arithmetic of the encoder (default: that of a .sutra file, else fp32, which is exact)", 0, 0},
    {"min-quality", 0, CLI_OPTION_TEXT, "PERCENT", offsetof(CliModelArgs, min_quality),
     "with --compute auto: the least mean cosine to fp32, in percent (default: 99.5)", 0, 0},
    {"strict", 0, CLI_OPTION_FLAG, NULL, offsetof(CliModelArgs, strict),
     "fail where another precision or device would be taken than was asked for", 0, 0},
    {"threads", 0, CLI_OPTION_NUMBER, "N", offsetof(CliModelArgs, threads),
     "threads (default: $SUTRA_THREADS, else every core this process may run on)", 1, 1024},
    {"device", 0, CLI_OPTION_TEXT, "DEVICES", offsetof(CliModelArgs, device),
     "cpu (default), cuda:0, auto (whichever is faster here), or several with commas between them: "
     "cuda:0,cuda:1 or cpu@0-7,cpu@8-15 (cores); what one of them fails at, another does",
     0, 0},
    {"plugins", 0, CLI_OPTION_TEXT, "FOLDER", offsetof(CliModelArgs, plugins),
     "backends of devices, sutra_*.so (default: $SUTRA_PLUGINS, else those beside the program)", 0,
     0},
    {"policy", 0, CLI_OPTION_CHOICE, "fastest|least-loaded|round-robin|random",
     offsetof(CliModelArgs, policy), "which of several devices comes next (default: fastest)", 0,
     0},
    {"allow-mixed", 0, CLI_OPTION_FLAG, NULL, offsetof(CliModelArgs, allow_mixed),
     "let devices be unlike: vectors of one text may differ in rounding", 0, 0},
};

const CliOption cli_embed_options[12] = {
    {"dim", 0, CLI_OPTION_NUMBER, "N", offsetof(CliEmbedArgs, dim),
     "keep the first N elements of a vector, then normalise", 1, 1u << 20},
    {"output-dtype", 0, CLI_OPTION_CHOICE,
     "float32|float16|int8|uint8|binary|ubinary|int8-fixed|uint8-fixed",
     offsetof(CliEmbedArgs, dtype),
     "element type of the vectors (default: float32); int8 and uint8 with --ranges or --calibrate "
     "have the codes of sentence-transformers, else those of int8-fixed and uint8-fixed: "
     "round(127 x), uint8 plus 128",
     0, 0},
    {"ranges", 0, CLI_OPTION_TEXT, "FILE", offsetof(CliEmbedArgs, ranges),
     "int8 and uint8: the smallest and largest value of each element, a .npy file of float32 "
     "[2, dim]",
     0, 0},
    {"calibrate", 0, CLI_OPTION_TEXT, "FILE", offsetof(CliEmbedArgs, calibrate),
     "int8 and uint8: take these values from the vectors of FILE's texts, one a line, embedded "
     "first (twice, if they are the input too)",
     0, 0},
    {"save-ranges", 0, CLI_OPTION_TEXT, "FILE", offsetof(CliEmbedArgs, save_ranges),
     "with --calibrate: keep them in FILE, for --ranges; it stays if embedding then fails", 0, 0},
    {"pooling", 0, CLI_OPTION_CHOICE, "cls|mean|max|mean-sqrt|weighted-mean|last",
     offsetof(CliEmbedArgs, pooling), "how token vectors become one (default: the model's)", 0, 0},
    {"no-normalize", 0, CLI_OPTION_FLAG, NULL, offsetof(CliEmbedArgs, no_normalize),
     "leave the vectors' lengths as they are", 0, 0},
    {"max-tokens", 0, CLI_OPTION_NUMBER, "N", offsetof(CliEmbedArgs, max_tokens),
     "longest text in tokens, special tokens included (default: the model's)", 1, UINT32_MAX},
    {"long-text", 0, CLI_OPTION_CHOICE, "truncate|error|window", offsetof(CliEmbedArgs, long_text),
     "what becomes of longer texts (default: truncate); window: overlapping windows of "
     "--max-tokens "
     "tokens, whose vectors become one",
     0, 0},
    {"window-overlap", 0, CLI_OPTION_TEXT, "N", offsetof(CliEmbedArgs, window_overlap),
     "with --long-text window: tokens of text that neighbours share (default: an eighth of a "
     "window's)",
     0, 0},
    {"aggregate", 0, CLI_OPTION_CHOICE, CLI_AGGREGATE_WORDS, offsetof(CliEmbedArgs, aggregate),
     "with --long-text window: the windows' vectors become their mean (default), their "
     "element-wise "
     "maximum, their mean weighted by length or towards the text's middle, or the last one; with "
     "--stream: those of the chunks, in a line at the end, not center",
     0, 0},
    {"prompt-name", 0, CLI_OPTION_TEXT, "NAME", offsetof(CliEmbedArgs, prompt_name),
     "put the model's prompt of that name before every text; an empty name: none", 0, 0},
};

enum { COMPUTE_FP32 = 1, COMPUTE_BF16 = 2, COMPUTE_FP16 = 3, COMPUTE_INT8 = 4, COMPUTE_AUTO = 5 };
enum { LONG_TEXT_ERROR = 2, LONG_TEXT_WINDOW = 3 };
enum { DTYPE_FIXED = 7 }; /* int8-fixed and what follows it in --output-dtype */

SutraStatus cli_find_model(const char *name, const char *revision, char *path, size_t capacity,
                           SutraError *err)
{
    struct stat facts;
    if (!name) name = getenv("SUTRA_MODEL");
    bool given = name && *name;
    if (!given) name = CLI_DEFAULT_MODEL;
    if (given && stat(name, &facts) == 0) {
        if (revision)
            return cli_raise(err, SUTRA_E_ARGUMENT,
                             "--revision goes with a model's name, and %s is a path", name);
        int size = snprintf(path, capacity, "%s", name);
        if ((size_t)size < capacity) return SUTRA_OK;
        return cli_raise(err, SUTRA_E_LIMIT, "%.60s…: path too long", name);
    }
    bool path_like = name[0] == '/' || name[0] == '.' || name[0] == '~';
    if (path_like)
        return cli_raise(err, SUTRA_E_IO,
                         "%s: no such model folder; sutra list shows the names of models", name);
    char cache[PATH_MAX];
    SutraStatus status = sutra_cache_directory(getenv, cache, sizeof cache, err);
    if (status != SUTRA_OK) return status;
    return sutra_cache_find(cache, name, revision, path, capacity, err);
}

SutraStatus cli_settle_threads(uint32_t *threads, SutraError *err)
{
    const char *text = getenv("SUTRA_THREADS");
    if (*threads || !text || !*text) return SUTRA_OK;
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*end || number < 1 || number > 1024)
        return cli_raise(err, SUTRA_E_ARGUMENT,
                         "SUTRA_THREADS=%s is not a whole number from 1 to 1024", text);
    *threads = (uint32_t)number;
    return SUTRA_OK;
}

SutraStatus cli_profile_config(uint32_t profile, uint32_t threads, SutraConfig *config,
                               SutraError *err)
{
    static const char *const names[] = {"", "ultra-efficient", "efficient", "high-quality", "auto"};
    *config = (SutraConfig){.struct_size = sizeof *config, .num_threads = threads};
    SutraStatus status = cli_settle_threads(&config->num_threads, err);
    if (status == SUTRA_OK) status = sutra_config_from_name(names[profile], config, err);
    if (status != SUTRA_OK) return status;
    const char *other = getenv("SUTRA_MODEL");
    if (other && *other && sutra_registry_find(other) != config->model)
        cli_message("--profile %s takes %s, not %s of SUTRA_MODEL", names[profile],
                    config->model->name, other);
    return SUTRA_OK;
}

const char *cli_dtype_name(SutraDtype dtype)
{
    static const char *const names[] = {"float32", "float16", "int8", "uint8", "binary", "ubinary"};
    return names[dtype];
}

/* --profile stands for the options that are not given. */
static SutraStatus apply_profile(CliSession *session, CliModelArgs *args, SutraError *err)
{
    static const uint32_t places[] = {[SUTRA_COMPUTE_FP32] = COMPUTE_FP32,
                                      [SUTRA_COMPUTE_BF16] = COMPUTE_BF16,
                                      [SUTRA_COMPUTE_FP16] = COMPUTE_FP16,
                                      [SUTRA_COMPUTE_INT8] = COMPUTE_INT8};
    SutraConfig *config = &session->config;
    if (!args->profile) return SUTRA_OK;
    if (args->model)
        return cli_raise(err, SUTRA_E_ARGUMENT, "--profile chooses the model: give it without -m");
    SutraStatus status = cli_profile_config(args->profile, args->threads, config, err);
    if (status != SUTRA_OK) return status;
    args->model = config->model->name;
    if (!args->compute) args->compute = places[config->compute];
    return SUTRA_OK;
}

/* What --profile came to, with the options that win beside it. */
static void report_profile(const CliSession *session, const SutraEmbedOptions *options)
{
    const SutraConfig *config = &session->config;
    uint32_t dim = options->dim ? options->dim : session->info.dim;
    bool own = session->info.compute == config->compute && options->dtype == config->dtype &&
               (!config->is_cut || dim == config->dim);
    cli_message("--profile %s%s: %s in %s, %u dimensions of %s (%s)", config->profile,
                own ? "" : " with other options", config->model->name,
                sutra_compute_name(session->info.compute), dim, cli_dtype_name(options->dtype),
                config->reason);
}

static SutraCompute compute_of(uint32_t place)
{
    static const SutraCompute computes[] = {SUTRA_COMPUTE_DEFAULT, SUTRA_COMPUTE_FP32,
                                            SUTRA_COMPUTE_BF16, SUTRA_COMPUTE_FP16,
                                            SUTRA_COMPUTE_INT8};
    return computes[place];
}

/* What the engine says of itself in JSON: its threads, and whether it has the processor alone. */
static uint32_t count_threads(const SutraEngine *engine, bool *processor_alone)
{
    static const char key[] = "\"threads\": ";
    size_t size = 0;
    sutra_engine_stats(engine, NULL, 0, &size, NULL);
    char *facts = cli_alloc(size + 1, 1);
    SutraStatus status = sutra_engine_stats(engine, facts, size + 1, NULL, NULL);
    const char *found = status == SUTRA_OK ? strstr(facts, key) : NULL;
    uint32_t threads = found ? (uint32_t)strtoul(found + strlen(key), NULL, 10) : 1;
    *processor_alone = found && strstr(found, "\"devices\": []");
    free(facts);
    return threads;
}

/* Threads of the engine leave signals to this one. */
static SutraStatus create_engine(CliSession *session, const CliModelArgs *args, SutraError *err)
{
    SutraEngineOptions options;
    SutraDeviceChoice *choice = &session->choice;
    SutraStatus status = cli_engine_plan(args, &options, err);
    if (status == SUTRA_OK) status = cli_settle_device(args, session->model, &options, choice, err);
    if (status != SUTRA_OK) return status;
    session->device = options.devices;
    cli_hold_signals(true);
    status = sutra_engine_create(&options, &session->engine, err);
    cli_hold_signals(false);
    if (status != SUTRA_OK) return status;
    if (choice->reason[0]) cli_message("%s", choice->reason);
    bool processor_alone;
    session->num_threads = count_threads(session->engine, &processor_alone);
    if (args->plugins && options.plugins && processor_alone && !choice->reason[0])
        cli_message("--plugins %s: none is opened, the processor is the only device",
                    options.plugins);
    return SUTRA_OK;
}

bool cli_cache_folder(char *path, size_t capacity)
{
    const char *own = getenv("SUTRA_CACHE"), *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME"), *below = "";
    if (own) {
        base = own;
    } else if (base && base[0] == '/') { /* the XDG specification: relative ones are ignored */
        below = "/sutra";
    } else {
        base = home;
        below = "/.cache/sutra";
    }
    if (!base || !*base) return false;
    int size = snprintf(path, capacity, "%s%s", base, below);
    return size > 0 && (size_t)size < capacity;
}

static SutraStatus choose_compute(const CliModelArgs *args, const char *path,
                                  SutraModelOptions *options, SutraError *err)
{
    double least = 99.5;
    if (args->min_quality) {
        char *end;
        least = strtod(args->min_quality, &end);
        if (*end || end == args->min_quality || !(least >= 0 && least <= 100))
            return cli_raise(err, SUTRA_E_ARGUMENT,
                             "--min-quality %s is not a number from 0 to 100", args->min_quality);
    }
    SutraComputeChoice choice = {.struct_size = sizeof choice};
    SutraStatus status = sutra_compute_choose(path, options, least, &choice, err);
    if (status != SUTRA_OK) return status;
    options->compute = choice.compute;
    cli_message("--compute auto takes %s (%s)", sutra_compute_name(choice.compute), choice.reason);
    return SUTRA_OK;
}

/* The precision to open a model in: as asked, or said what instead. A .sutra file has its own. */
static SutraStatus settle_compute(const CliModelArgs *args, const char *path,
                                  SutraModelOptions *options, SutraError *err)
{
    struct stat facts;
    bool folder = stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
    if (args->min_quality && args->compute != COMPUTE_AUTO)
        return cli_raise(err, SUTRA_E_ARGUMENT, "--min-quality goes with --compute auto");
    if (args->compute == COMPUTE_AUTO)
        return folder ? choose_compute(args, path, options, err) : SUTRA_OK;
    options->compute = compute_of(args->compute);
    if (args->compute <= COMPUTE_FP32 || !folder || sutra_compute_is_native(options->compute))
        return SUTRA_OK;
    if (cli_leaves_processor(args) && strcmp(args->device, "auto") != 0) return SUTRA_OK;
    const char *word = sutra_compute_name(options->compute);
    if (args->strict)
        return cli_raise(
            err, SUTRA_E_UNSUPPORTED,
            "--compute %s: this processor has no instructions for it; fp32 runs on all", word);
    cli_message("warning: this processor has no instructions for %s: computing in fp32 (--strict "
                "makes this an error)",
                word);
    options->compute = SUTRA_COMPUTE_FP32;
    return SUTRA_OK;
}

SutraStatus cli_model_plan(const CliModelArgs *args, const char *path, char *cache, size_t capacity,
                           SutraModelOptions *options, SutraError *err)
{
    *options = (SutraModelOptions){.struct_size = sizeof *options};
    bool packed = !args->no_cache && !cli_leaves_processor(args); /* packed for the processor */
    if (packed && cli_cache_folder(cache, capacity)) options->cache_dir = cache;
    return settle_compute(args, path, options, err);
}

static SutraStatus open_model(CliSession *session, const CliModelArgs *args, const char *path,
                              SutraError *err)
{
    char cache[PATH_MAX];
    SutraModelOptions options;
    SutraStatus status = cli_model_plan(args, path, cache, sizeof cache, &options, err);
    if (status == SUTRA_OK) status = sutra_model_open(path, &options, &session->model, err);
    if (status == SUTRA_OK) status = sutra_model_info(session->model, &session->info, err);
    if (status == SUTRA_OK && *session->info.cache_problem)
        cli_message("warning: the packed model was not kept: %s (SUTRA_CACHE names the folder)",
                    session->info.cache_problem);
    return status;
}

SutraStatus cli_session_open(CliSession *session, const CliModelArgs *args, bool with_engine,
                             SutraError *err)
{
    char path[PATH_MAX];
    CliModelArgs settled = *args;
    *session = (CliSession){.info = {.struct_size = sizeof session->info}};
    SutraStatus status = apply_profile(session, &settled, err);
    if (status == SUTRA_OK)
        status = cli_find_model(settled.model, settled.revision, path, sizeof path, err);
    if (status == SUTRA_OK) status = open_model(session, &settled, path, err);
    if (status == SUTRA_OK && with_engine) status = create_engine(session, &settled, err);
    if (status != SUTRA_OK) cli_session_close(session);
    return status;
}

void cli_session_close(CliSession *session)
{
    sutra_engine_free(session->engine);
    sutra_model_free(session->model);
    *session = (CliSession){0};
}

SutraStatus cli_check_prompt(const CliSession *session, const char *name, SutraError *err)
{
    if (!name || !*name) return SUTRA_OK;
    /* every model has these two; empty where it does not say otherwise */
    if (strcmp(name, "query") == 0 || strcmp(name, "document") == 0) return SUTRA_OK;
    char known[256] = "none";
    size_t used = 0;
    for (uint32_t i = 0; i < session->info.num_prompts; i++) {
        const char *prompt = session->info.prompt_names[i];
        if (strcmp(prompt, name) == 0) return SUTRA_OK;
        int size = snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", prompt);
        if ((size_t)size < sizeof known - used) used += (size_t)size;
    }
    return cli_raise(err, SUTRA_E_ARGUMENT,
                     "--prompt-name %s: model %s has no such prompt; it has: %s", name,
                     session->info.name, known);
}

static SutraStatus check_ranges(const CliEmbedArgs *args, SutraDtype dtype, SutraError *err)
{
    const char *given = args->ranges        ? "--ranges"
                        : args->calibrate   ? "--calibrate"
                        : args->save_ranges ? "--save-ranges"
                                            : NULL;
    if (!given) return SUTRA_OK;
    if (args->ranges && args->calibrate)
        return cli_raise(err, SUTRA_E_ARGUMENT, "--ranges contradicts --calibrate; give either");
    if (args->save_ranges && !args->calibrate)
        return cli_raise(err, SUTRA_E_ARGUMENT, "--save-ranges needs --calibrate FILE");
    if (args->dtype >= DTYPE_FIXED || (dtype != SUTRA_I8 && dtype != SUTRA_U8))
        return cli_raise(err, SUTRA_E_ARGUMENT, "%s goes with --output-dtype int8 and uint8 only",
                         given);
    if (args->calibrate && strcmp(args->calibrate, "-") == 0)
        return cli_raise(err, SUTRA_E_ARGUMENT, "--calibrate takes a file, not standard input");
    return SUTRA_OK;
}

static SutraStatus settle_windows(const CliEmbedArgs *args, SutraEmbedOptions *options,
                                  SutraError *err)
{
    const char *overlap = args->window_overlap;
    if (args->long_text != LONG_TEXT_WINDOW) {
        if (!overlap && !args->aggregate) return SUTRA_OK;
        return cli_raise(err, SUTRA_E_ARGUMENT, "%s goes with --long-text window",
                         overlap ? "--window-overlap" : "--aggregate");
    }
    options->truncation = SUTRA_TRUNCATE_WINDOW;
    if (args->aggregate) options->aggregate = (SutraAggregate)(args->aggregate - 1);
    if (!overlap) return SUTRA_OK;
    char *end;
    errno = 0;
    unsigned long long tokens = strtoull(overlap, &end, 10);
    if (*overlap < '0' || *overlap > '9' || *end || errno || tokens >= SUTRA_WINDOW_NO_OVERLAP)
        return cli_raise(err, SUTRA_E_ARGUMENT, "--window-overlap %s is not a number of tokens",
                         overlap);
    options->window_overlap = tokens ? (uint32_t)tokens : SUTRA_WINDOW_NO_OVERLAP;
    return SUTRA_OK;
}

SutraStatus cli_embed_plan(const CliSession *session, const CliEmbedArgs *args,
                           SutraEmbedOptions *options, SutraError *err)
{
    static const SutraPooling poolings[] = {
        SUTRA_POOL_MODEL,     SUTRA_POOL_CLS,           SUTRA_POOL_MEAN, SUTRA_POOL_MAX,
        SUTRA_POOL_MEAN_SQRT, SUTRA_POOL_WEIGHTED_MEAN, SUTRA_POOL_LAST};
    static const SutraDtype dtypes[] = {SUTRA_F32,    SUTRA_F32,     SUTRA_F16, SUTRA_I8, SUTRA_U8,
                                        SUTRA_BINARY, SUTRA_UBINARY, SUTRA_I8,  SUTRA_U8};
    SutraStatus status = check_ranges(args, dtypes[args->dtype], err);
    if (status != SUTRA_OK) return status;
    *options = (SutraEmbedOptions){.struct_size = sizeof *options,
                                   .dtype = dtypes[args->dtype],
                                   .dim = args->dim,
                                   .max_tokens = args->max_tokens,
                                   .pooling = poolings[args->pooling]};
    if (session->config.profile) {
        if (!args->dtype) options->dtype = session->config.dtype;
        if (!args->dim && session->config.is_cut) options->dim = session->config.dim;
        report_profile(session, options);
    }
    if (args->no_normalize) options->normalize = SUTRA_NORMALIZE_NO;
    if (args->long_text == LONG_TEXT_ERROR) options->truncation = SUTRA_TRUNCATE_ERROR;
    status = settle_windows(args, options, err);
    if (status != SUTRA_OK) return status;
    status = cli_check_prompt(session, args->prompt_name, err);
    if (status != SUTRA_OK) return status;
    /* A request without texts checks the options against the model. */
    SutraResult *result = NULL;
    status = sutra_embed(session->engine, session->model, NULL, 0, options, &result, err);
    sutra_result_free(result);
    return status;
}
