/* XXH3 comes from Debian's xxhash.h, compiled in: no shared object to load at run time. */
#include "corpus_options.h"

#include "console.h"
#include "same_file.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

const CliOption cli_corpus_options[8] = {
    {"field", 0, CLI_OPTION_TEXT, "NAME", offsetof(CliCorpusArgs, field),
     "the input is JSON lines, or by its ending csv or tsv: take the text from field NAME", 0, 0},
    {"input-format", 0, CLI_OPTION_CHOICE, CLI_LAYOUT_WORDS, offsetof(CliCorpusArgs, layout),
     "what the input is (default: by FILE's ending and --field)", 0, 0},
    {"id", 0, CLI_OPTION_TEXT, "NAME", offsetof(CliCorpusArgs, id),
     "with --field: the records' ids are in field NAME; they go into the rows, or, of npy and "
     "safetensors, into OUT.ids.jsonl",
     0, 0},
    {"rejects", 0, CLI_OPTION_TEXT, "FILE", offsetof(CliCorpusArgs, rejects),
     "list records without a vector, with line and reason, in FILE, and go on (default: the first "
     "one is an error)",
     0, 0},
    {"shard", 0, CLI_OPTION_TEXT, "I/N", offsetof(CliCorpusArgs, shard),
     "only every Nth record, from the Ith on: N runs, on any machines, do all", 0, 0},
    {"resume", 0, CLI_OPTION_FLAG, NULL, offsetof(CliCorpusArgs, resume),
     "with -o FILE: keep what is done in FILE.partial; the same command goes on from there", 0, 0},
    {"checkpoint", 0, CLI_OPTION_NUMBER, "N", offsetof(CliCorpusArgs, every),
     "with --resume: records after which what is done is made safe (default: every two seconds)", 1,
     UINT32_MAX},
    {"dedupe-memory", 0, CLI_OPTION_NUMBER, "MIB", offsetof(CliCorpusArgs, dedupe_memory),
     "memory to know texts again by, so that each is embedded once (default: 256, for 3 "
     "million texts)",
     1, 1 << 20},
};

const char *cli_corpus_option_of(const CliCorpusArgs *args)
{
    return args->field     ? "field"
           : args->layout  ? "input-format"
           : args->id      ? "id"
           : args->rejects ? "rejects"
           : args->shard   ? "shard"
           : args->resume  ? "resume"
                           : NULL;
}

/* "2/8" to 1 of 8. */
static bool read_shard(const char *text, CliRecordOptions *records)
{
    char *end;
    if (*text < '1' || *text > '9') return false;
    uint64_t part = strtoull(text, &end, 10);
    if (*end != '/' || end[1] < '1' || end[1] > '9') return false;
    uint64_t parts = strtoull(end + 1, &end, 10);
    if (*end || part > parts || parts > UINT32_MAX) return false;
    records->shard = part - 1;
    records->shards = parts;
    return true;
}

/* No file is written that is read, or written otherwise. */
static int check_files(const char *command, const CliCorpusArgs *args, const char *input,
                       const char *output)
{
    char ids[PATH_MAX] = "";
    if (output && args->id) snprintf(ids, sizeof ids, "%s" CLI_IDS_ENDING, output);
    if (input && output && cli_is_same_file(input, output))
        return cli_usage(command, "-o %s: that is the input; give another file", output);
    if (input && *ids && cli_is_same_file(input, ids))
        return cli_usage(command, "-o %s: the ids would go to the input; give another file",
                         output);
    const char *others[] = {input, output, *ids ? ids : NULL};
    for (size_t i = 0; args->rejects && i < sizeof others / sizeof *others; i++)
        if (others[i] && cli_is_same_file(others[i], args->rejects))
            return cli_usage(command, "--rejects %s: give a file of its own", args->rejects);
    return CLI_DONE;
}

int cli_corpus_settle(const char *command, const CliCorpusArgs *args, const char *input,
                      const char *output, CliRecordOptions *records)
{
    bool stream = !output || strcmp(output, "-") == 0;
    *records = (CliRecordOptions){.layout = args->layout,
                                  .field = args->field,
                                  .id = args->id,
                                  .rejects = args->rejects != NULL};
    if (args->layout == CLI_LAYOUT_LINES && args->field)
        return cli_usage(command, "--input-format text contradicts --field");
    if (args->layout > CLI_LAYOUT_LINES && !args->field)
        return cli_usage(command, "--input-format needs --field NAME");
    if (args->id && !args->field) return cli_usage(command, "--id goes with --field");
    if (args->id && strcmp(args->id, args->field) == 0)
        return cli_usage(command, "--id and --field name the same field");
    if (args->resume && stream) return cli_usage(command, "--resume needs -o FILE");
    if (args->every && !args->resume) return cli_usage(command, "--checkpoint goes with --resume");
    if (args->rejects && strcmp(args->rejects, "-") == 0)
        return cli_usage(command, "--rejects needs a file");
    int code = check_files(command, args, input, output);
    if (code != CLI_DONE) return code;
    if (args->shard && !read_shard(args->shard, records))
        return cli_usage(command, "--shard %s: not I/N with I from 1 to N", args->shard);
    return CLI_DONE;
}

/* ---- recipe ---- */

typedef struct Recipe {
    char *text;
    size_t used;
    bool full;
} Recipe;

static void add(Recipe *recipe, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds a part; a ';' in it, and what no line can hold, is written otherwise. */
static void add(Recipe *recipe, const char *format, ...)
{
    size_t room = CLI_RECIPE_SIZE - recipe->used;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(recipe->text + recipe->used, room, format, args);
    va_end(args);
    recipe->full = recipe->full || size < 0 || (size_t)size + 2 > room;
    if (recipe->full) return;
    for (char *c = recipe->text + recipe->used; *c; c++)
        if (*c == ';' || (unsigned char)*c < 0x20) *c = ',';
    recipe->used += (size_t)size;
    recipe->text[recipe->used++] = ';';
    recipe->text[recipe->used] = '\0';
}

static void add_name(Recipe *recipe, const char *name, const char *value)
{
    if (value) add(recipe, "%s=%s", name, value);
}

static void add_ranges(Recipe *recipe, const float *ranges, uint32_t dim)
{
    XXH64_hash_t hash = ranges ? XXH3_64bits(ranges, 2 * (size_t)dim * sizeof *ranges) : 0;
    if (ranges) add(recipe, "ranges=%016llx", (unsigned long long)hash);
}

SutraStatus cli_corpus_recipe(const CliEmbedStream *stream, const CliRecordOptions *records,
                              uint32_t format, uint32_t dim, const char *device,
                              char text[CLI_RECIPE_SIZE], SutraError *err)
{
    const SutraModelInfo *info = &stream->session->info;
    const SutraEmbedOptions *options = stream->options;
    Recipe recipe = {.text = text};
    text[0] = '\0';
    add(&recipe, "sutra=%s", sutra_version());
    add(&recipe, "model=%s %s %s %llu", info->name, info->revision,
        info->digest[0] ? info->digest : info->bundle_digest,
        (unsigned long long)info->num_parameters);
    add(&recipe, "compute=%s", sutra_compute_name(info->compute));
    add_name(&recipe, "device", device);
    add(&recipe, "format=%u", format);
    add(&recipe, "dim=%u", dim);
    add(&recipe, "output-dtype=%s", cli_dtype_name(options->dtype));
    add(&recipe, "pooling=%u", options->pooling);
    add(&recipe, "normalize=%u", options->normalize);
    add(&recipe, "max-tokens=%u", options->max_tokens);
    add(&recipe, "long-text=%u", options->truncation);
    add(&recipe, "window-overlap=%u", options->window_overlap);
    add(&recipe, "aggregate=%u", options->aggregate);
    add_ranges(&recipe, options->ranges, dim);
    add_name(&recipe, "prompt-name", stream->prompt_name);
    add(&recipe, "input-format=%u", stream->reader->records.layout);
    add_name(&recipe, "field", records->field);
    add_name(&recipe, "id", records->id);
    if (records->shards)
        add(&recipe, "shard=%llu/%llu", (unsigned long long)records->shard + 1,
            (unsigned long long)records->shards);
    add(&recipe, "rejects=%d", records->rejects);
    if (recipe.full)
        return cli_raise(err, SUTRA_E_LIMIT, "--resume: names of fields or prompts are too long");
    return SUTRA_OK;
}
