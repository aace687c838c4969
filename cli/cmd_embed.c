/* cmd_embed.c - sutra embed: texts to vectors in a file or on standard output. */
#include "chunk_stream.h"
#include "commands.h"
#include "console.h"
#include "corpus_options.h"
#include "embed_stream.h"
#include "json_text.h"
#include "prompt_warning.h"
#include "ranges_option.h"
#include "row_writer.h"
#include "run_stats.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEDUPE_MIB = 256 };

typedef struct EmbedArgs {
    CliModelArgs model;
    CliEmbedArgs embed;
    CliCorpusArgs corpus;
    CliRecordOptions records; /* as settled */
    const char *input, *output;
    uint32_t format;
    bool json, stats;
    bool stream;
    uint32_t chunk; /* place in the option's words */
    uint32_t chunk_tokens, chunk_overlap, flush_after;
} EmbedArgs;

static const CliOption own_options[] = {
    {"input", 'i', CLI_OPTION_TEXT, "FILE", offsetof(EmbedArgs, input),
     "read one text a line from FILE; -: standard input", 0, 0},
    {"output", 'o', CLI_OPTION_TEXT, "FILE", offsetof(EmbedArgs, output),
     "write the vectors to FILE, whole or not at all (default: standard output)", 0, 0},
    {"format", 0, CLI_OPTION_CHOICE, CLI_FORMAT_WORDS, offsetof(EmbedArgs, format),
     "form of the output (default: by FILE's ending; jsonl on standard output)", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(EmbedArgs, json),
     "with -o FILE: print what was done as one line of JSON; without: write JSON lines", 0, 0},
    {"stats", 0, CLI_OPTION_FLAG, NULL, offsetof(EmbedArgs, stats),
     "say at the end where the time went: on standard error, or in the line of --json", 0, 0},
    {"stream", 0, CLI_OPTION_FLAG, NULL, offsetof(EmbedArgs, stream),
     "the input is one text, cut into chunks as it arrives: a JSON line for each chunk at once; "
     "with --aggregate a last line, of the whole",
     0, 0},
    {"chunk", 0, CLI_OPTION_CHOICE, "tokens|sentences|paragraphs", offsetof(EmbedArgs, chunk),
     "with --stream: what a chunk is filled with whole (default: tokens, which are words)", 0, 0},
    {"chunk-tokens", 0, CLI_OPTION_NUMBER, "N", offsetof(EmbedArgs, chunk_tokens),
     "with --stream: tokens of a chunk at most, special tokens included (default: --max-tokens)", 1,
     UINT32_MAX},
    {"chunk-overlap", 0, CLI_OPTION_NUMBER, "N", offsetof(EmbedArgs, chunk_overlap),
     "with --stream: tokens at the end of a chunk that the next one may begin with (default: none)",
     1, UINT32_MAX},
    {"flush-after", 0, CLI_OPTION_NUMBER, "SECONDS", offsetof(EmbedArgs, flush_after),
     "with --stream: when nothing has come for so long, cut what there is as if the text ended "
     "(default: wait for more)",
     1, 86400},
};

static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(EmbedArgs, model)},
    {cli_cache_options, CLI_COUNT(cli_cache_options), offsetof(EmbedArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
    {cli_corpus_options, CLI_COUNT(cli_corpus_options), offsetof(EmbedArgs, corpus)},
    {cli_embed_options, CLI_COUNT(cli_embed_options), offsetof(EmbedArgs, embed)},
    {cli_engine_options, CLI_COUNT(cli_engine_options), offsetof(EmbedArgs, model)},
};

/* True if data goes to standard output. */
static bool to_standard(const EmbedArgs *args)
{
    return !args->output || strcmp(args->output, "-") == 0;
}

/* What goes with --stream, and what without. */
static int settle_stream(const EmbedArgs *args, const CliArguments *rest)
{
    const char *name = cli_embed_command.name;
    const char *alone = args->chunk           ? "chunk"
                        : args->chunk_tokens  ? "chunk-tokens"
                        : args->chunk_overlap ? "chunk-overlap"
                        : args->flush_after   ? "flush-after"
                                              : NULL;
    const char *corpus = cli_corpus_option_of(&args->corpus);
    const char *other = corpus                             ? corpus
                        : args->embed.long_text            ? "long-text"
                        : args->json && !to_standard(args) ? "json"
                                                           : NULL;
    if (!args->stream) return alone ? cli_usage(name, "--%s goes with --stream", alone) : CLI_DONE;
    if (rest->count) return cli_usage(name, "--stream takes no TEXT; give -i FILE");
    if (other) return cli_usage(name, "--stream contradicts --%s", other);
    if (args->embed.aggregate == 1 + SUTRA_AGGREGATE_CENTER)
        return cli_usage(name, "--aggregate center needs the text's length, which --stream lacks");
    if (args->format && args->format != CLI_FORMAT_JSONL)
        return cli_usage(name, "--stream writes JSON lines: it contradicts --format");
    return CLI_DONE;
}

/* Decides where texts come from and the format; CLI_DONE, or CLI_USAGE with a message printed. */
static int settle(EmbedArgs *args, CliArguments *rest)
{
    const char *name = cli_embed_command.name, *corpus = cli_corpus_option_of(&args->corpus);
    if (args->input && rest->count)
        return cli_usage(name, "texts are given both by -i %s and as arguments", args->input);
    if (corpus && rest->count > 1)
        return cli_usage(name, "--%s goes with one FILE, not with texts", corpus);
    if (corpus && rest->count) {
        args->input = rest->items[0];
        rest->count = 0;
    }
    if (!corpus && rest->count == 1 && access(rest->items[0], F_OK) == 0)
        cli_message("note: %s is embedded as a text; -i %s reads the file", rest->items[0],
                    rest->items[0]);
    int code = cli_corpus_settle(name, &args->corpus, args->input, args->output, &args->records);
    if (code != CLI_DONE) return code;
    if (!args->input && !rest->count) {
        if (isatty(STDIN_FILENO)) return cli_usage(name, "no texts; give TEXT or -i FILE");
        args->input = "-";
    }
    if (to_standard(args)) {
        if (args->json && args->format && args->format != CLI_FORMAT_JSONL)
            return cli_usage(name, "--json contradicts --format; give -o FILE");
        if (!args->format) args->format = CLI_FORMAT_JSONL;
        if (args->format == CLI_FORMAT_SQLITE)
            return cli_usage(name, "--format sqlite needs -o FILE");
        if (cli_format_counts_rows(args->format) && isatty(STDOUT_FILENO))
            return cli_usage(name, "binary data does not go to a terminal; give -o FILE");
        return CLI_DONE;
    }
    if (args->stream) args->format = CLI_FORMAT_JSONL;
    if (!args->format) args->format = cli_format_of_path(args->output);
    if (!args->format)
        return cli_usage(name, "%s: the ending does not say the format; give --format %s",
                         args->output, CLI_FORMAT_WORDS);
    return CLI_DONE;
}

typedef struct EmbedRun {
    CliSession session;
    CliReader reader;
    CliCorpus corpus;
    CliOutput output; /* of --stream, as is the writer */
    CliRowWriter writer;
    CliEmbedStream stream;
    CliRunStats stats;
    SutraEmbedOptions options;
    float *ranges;
    uint32_t dim;
} EmbedRun;

static SutraStatus take_rows(void *user, const CliBlock *block, const SutraResultView *view,
                             SutraError *err)
{
    EmbedRun *run = user;
    if (block->first == 0)
        cli_warn_of_prompts(&run->session.info, run->stream.prompt_name, "texts", block->inputs,
                            block->count);
    return cli_corpus_take(&run->corpus, block, view, err);
}

static uint32_t dim_of(const EmbedRun *run)
{
    return run->options.dim                          ? run->options.dim
           : run->options.output == SUTRA_OUT_POOLED ? run->session.info.dim
                                                     : run->session.info.hidden_size;
}

/* Opens output, input and model, in the order in which a mistake is cheapest to find. */
static SutraStatus begin(EmbedRun *run, const EmbedArgs *args, const CliArguments *rest,
                         SutraError *err)
{
    const CliCorpusOptions corpus = {
        .output = args->output,
        .rejects = args->corpus.rejects,
        .format = args->format,
        .resume = args->corpus.resume,
        .every = args->corpus.every,
        .dedupe_bytes =
            (uint64_t)(args->corpus.dedupe_memory ? args->corpus.dedupe_memory : DEDUPE_MIB) << 20,
        .spool = cli_format_counts_rows(args->format) && !rest->count,
        .has_ids = args->records.id != NULL};
    CliModelArgs model = args->model;
    SutraStatus status;
    model.num_texts = rest->count;
    if (rest->count) {
        cli_reader_open_arguments(&run->reader, rest->items, rest->count);
    } else {
        status = cli_reader_open_records(&run->reader, args->input, &args->records, err);
        if (status != SUTRA_OK) return status;
    }
    status = cli_corpus_open(&run->corpus, &corpus, err);
    if (status == SUTRA_OK) status = cli_session_open(&run->session, &model, true, err);
    if (status == SUTRA_OK)
        status = cli_embed_plan(&run->session, &args->embed, &run->options, err);
    if (status == SUTRA_OK)
        status = cli_settle_ranges(&run->session, &args->embed, &run->options,
                                   (const char *const[]){args->input, args->output}, 2,
                                   &run->ranges, err);
    if (status != SUTRA_OK) return status;
    run->dim = dim_of(run);
    run->corpus.writer = (CliRowWriter){.dtype = run->options.dtype,
                                        .model = run->session.info.name,
                                        .revision = run->session.info.revision,
                                        .expected = rest->count ? rest->count : CLI_ROWS_UNKNOWN};
    run->stream = (CliEmbedStream){.session = &run->session,
                                   .options = &run->options,
                                   .prompt_name = args->embed.prompt_name,
                                   .reader = &run->reader,
                                   .quiet = to_standard(args) && isatty(STDOUT_FILENO)};
    char recipe[CLI_RECIPE_SIZE] = "";
    if (args->corpus.resume)
        status = cli_corpus_recipe(&run->stream, &args->records, args->format, run->dim,
                                   run->session.device, recipe, err);
    return status == SUTRA_OK ? cli_corpus_begin(&run->corpus, &run->stream, run->dim, recipe, err)
                              : status;
}

/* --stream: opens what it needs, and runs to the end. */
static SutraStatus embed_chunks(EmbedRun *run, const EmbedArgs *args, SutraError *err)
{
    CliSource *source = &run->reader.source;
    CliEmbedArgs plan = args->embed;
    plan.aggregate = 0;
    cli_stats_begin(&run->stats);
    SutraStatus status = cli_source_open(source, args->input, err);
    if (status == SUTRA_OK) status = cli_output_open(&run->output, args->output, false, err);
    if (status == SUTRA_OK) status = cli_session_open(&run->session, &args->model, true, err);
    if (status == SUTRA_OK) status = cli_embed_plan(&run->session, &plan, &run->options, err);
    if (status == SUTRA_OK)
        status = cli_settle_ranges(&run->session, &args->embed, &run->options,
                                   (const char *const[]){args->input, args->output}, 2,
                                   &run->ranges, err);
    if (status != SUTRA_OK) return status;
    const SutraStreamOptions options = {
        .struct_size = sizeof options,
        .by = args->chunk ? (SutraChunkBy)(args->chunk - 1) : SUTRA_CHUNK_TOKENS,
        .max_tokens = args->chunk_tokens,
        .overlap = args->chunk_overlap,
        .prompt_name = args->embed.prompt_name,
        .embed = &run->options,
        .aggregate = args->embed.aggregate ? (SutraAggregate)(args->embed.aggregate - 1)
                                           : SUTRA_AGGREGATE_MEAN};
    CliChunkStream stream = {.session = &run->session,
                             .options = &options,
                             .source = source,
                             .writer = &run->writer,
                             .aggregate = args->embed.aggregate != 0,
                             .quiet = to_standard(args) && isatty(STDOUT_FILENO)};
    source->silence_ms = args->flush_after * 1000;
    run->writer = (CliRowWriter){.output = &run->output, .dtype = run->options.dtype};
    cli_rows_begin(&run->writer, args->format, dim_of(run));
    cli_warn_of_prompts(&run->session.info, args->embed.prompt_name, "texts", &(SutraInput){0}, 1);
    cli_stats_opened(&run->stats, run->session.num_threads);
    status = cli_chunk_stream(&stream, err);
    cli_stats_streamed(&run->stats);
    if (status == SUTRA_OK) status = cli_output_commit(&run->output, err);
    cli_stats_finished(&run->stats);
    if (status == SUTRA_OK && args->stats)
        cli_stats_report(&run->stats, &stream.times, &stream.totals);
    return status;
}

/* --json beside -o: one line on standard output. */
static SutraStatus print_summary(const EmbedRun *run, const EmbedArgs *args, SutraError *err)
{
    CliOutput out;
    const CliTotals *totals = &run->stream.totals;
    const SutraModelInfo *info = &run->session.info;
    SutraStatus status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    cli_output_print(&out,
                     "{\"texts\":%llu,\"dim\":%u,\"tokens_seen\":%llu,\"tokens_used\":%llu,"
                     "\"truncated\":%llu,\"windowed\":%llu,\"duplicates\":%llu,"
                     "\"rejects\":%llu,\"seconds\":%.3f,\"model\":",
                     (unsigned long long)totals->texts, run->dim,
                     (unsigned long long)totals->tokens_seen,
                     (unsigned long long)totals->tokens_used, (unsigned long long)totals->truncated,
                     (unsigned long long)totals->windowed, (unsigned long long)totals->duplicates,
                     (unsigned long long)totals->rejects,
                     (double)cli_stats_wall(&run->stats, &run->stream.times) * 1e-9);
    cli_json_string(&out, info->name, strlen(info->name));
    cli_output_print(&out, ",\"revision\":");
    cli_json_string(&out, info->revision, strlen(info->revision));
    cli_output_print(&out, ",\"output\":");
    cli_json_string(&out, args->output, strlen(args->output));
    if (args->stats) {
        cli_output_print(&out, ",\"stats\":");
        cli_stats_json(&out, &run->stats, &run->stream.times, totals);
    }
    cli_output_print(&out, "}\n");
    return cli_output_commit(&out, err);
}

/* Adds to an error what there is of the vectors made before it. */
static void note_what_is_written(const EmbedRun *run, SutraError *err)
{
    const CliOutput *output = &run->corpus.output;
    bool kept = !cli_output_has_file(output) && output->stream < 0;
    unsigned long long written = run->corpus.writer.written;
    SutraError cause = *err;
    if (!written || output->status != SUTRA_OK) return;
    if (output->partial)
        cli_raise(err, cause.status, "%s; the same command goes on from record %llu", cause.message,
                  (unsigned long long)run->corpus.done.records);
    else if (kept)
        cli_raise(err, cause.status, "%s; the vectors of the first %llu texts are written",
                  cause.message, written);
    else
        cli_raise(err, cause.status, "%s; nothing is written", cause.message);
}

static SutraStatus embed(EmbedRun *run, const EmbedArgs *args, const CliArguments *rest,
                         SutraError *err)
{
    cli_stats_begin(&run->stats);
    SutraStatus status = begin(run, args, rest, err);
    if (status != SUTRA_OK) return status;
    cli_stats_opened(&run->stats, run->session.num_threads);
    status = cli_embed_stream(&run->stream, take_rows, run, err);
    cli_stats_streamed(&run->stats);
    if (status != SUTRA_OK) {
        note_what_is_written(run, err);
        return status;
    }
    status = cli_corpus_commit(&run->corpus, err);
    cli_stats_finished(&run->stats);
    return status;
}

static SutraStatus report(const EmbedRun *run, const EmbedArgs *args, SutraError *err)
{
    bool summary = args->json && !to_standard(args);
    SutraStatus status = summary ? print_summary(run, args, err) : SUTRA_OK;
    if (status != SUTRA_OK) return status;
    cli_corpus_report(&run->corpus);
    cli_report_long(&run->stream.totals, run->options.max_tokens ? run->options.max_tokens
                                                                 : run->session.info.max_tokens);
    if (args->stats && !summary)
        cli_stats_report(&run->stats, &run->stream.times, &run->stream.totals);
    return SUTRA_OK;
}

static int run_embed(const void *given, const CliArguments *arguments)
{
    CliArguments texts = *arguments, *rest = &texts;
    EmbedArgs args = *(const EmbedArgs *)given;
    EmbedRun run = {.reader = {.source = {.fd = -1}}};
    SutraError err = {0};
    int code = settle_stream(&args, rest);
    if (code == CLI_DONE) code = settle(&args, rest);
    if (code != CLI_DONE) return code;
    SutraStatus status =
        args.stream ? embed_chunks(&run, &args, &err) : embed(&run, &args, rest, &err);
    if (status == SUTRA_OK && !args.stream) status = report(&run, &args, &err);
    if (status != SUTRA_OK) code = cli_fail("%s", err.message);
    cli_output_abort(&run.output);
    cli_corpus_close(&run.corpus);
    cli_session_close(&run.session);
    cli_reader_close(&run.reader);
    free(run.ranges);
    return code;
}

const CliCommand cli_embed_command = {
    .name = "embed",
    .arguments = "[OPTION ...] [TEXT ...]",
    .summary = "turn texts into vectors",
    .details =
        "Turns each TEXT, each line of a file, or a field of JSON lines, csv or tsv into a\n"
        "vector, in input order. Without TEXT and -i, reads standard input. Lines end with\n"
        "\"\\n\" only. Input packed by gzip or zstd is unpacked, whatever it is called.\n"
        "\n"
        "  sutra embed -i texts.txt -o vectors.npy\n"
        "  sutra embed --dim 128 \"first text\" \"second text\"\n"
        "  sutra embed -i corpus.txt -o corpus.npy --output-dtype int8 --calibrate corpus.txt\n"
        "  sutra embed corpus.jsonl.gz --field text --id id -o corpus.safetensors\n"
        "  sutra embed corpus.csv --field body -o corpus.npy --rejects bad.jsonl --resume\n"
        "  tail -f book.txt | sutra embed --stream --chunk sentences --chunk-tokens 128",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(EmbedArgs),
    .run = run_embed,
};
