/* cmd_search.c - sutra search: the rows of a file that are most similar to texts; of a folder
 * (search_folder.h) the chunks of its files. */
#include "base/number_text.h"
#include "commands.h"
#include "console.h"
#include "corpus_run.h"
#include "embed_stream.h"
#include "folder_scan.h"
#include "json_text.h"
#include "map_npy.h"
#include "search_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 10, OVERSAMPLE = 4 };

typedef struct SearchArgs {
    CliModelArgs model;
    const char *input, *prompt_name, *rescore;
    uint32_t top, oversample, metric, type;
    bool json;
    CliFolderArgs folder;
} SearchArgs;

#define TYPE_WORDS "float32|float16|int8|uint8|binary|ubinary"

static const CliOption own_options[] = {
    {"input", 'i', CLI_OPTION_TEXT, "FILE", offsetof(SearchArgs, input),
     "read one query a line from FILE; -: standard input", 0, 0},
    {"top", 0, CLI_OPTION_NUMBER, "N", offsetof(SearchArgs, top),
     "print the best N rows, or chunks, of a query (default: 10)", 1, 1 << 20},
    {"metric", 0, CLI_OPTION_CHOICE, "cosine|dot|hamming", offsetof(SearchArgs, metric),
     "what a score is (default: cosine); hamming, of binary rows: less the bits that differ", 0, 0},
    {"type", 0, CLI_OPTION_CHOICE, TYPE_WORDS, offsetof(SearchArgs, type),
     "what CORPUS's elements are (default: as the file says; bytes are bits where a row has as "
     "many as the model's bits take)",
     0, 0},
    {"rescore", 0, CLI_OPTION_TEXT, "FILE", offsetof(SearchArgs, rescore),
     "find --oversample times as many rows in CORPUS, and take the best of them by the same rows "
     "of FILE, which is more exact: float32, float16 or int8",
     0, 0},
    {"oversample", 0, CLI_OPTION_NUMBER, "N", offsetof(SearchArgs, oversample),
     "with --rescore: rows found for each one wanted (default: 4)", 1, 1 << 16},
    {"prompt-name", 0, CLI_OPTION_TEXT, "NAME", offsetof(SearchArgs, prompt_name),
     "put the model's prompt of that name before every query; an empty name: none (default: query)",
     0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(SearchArgs, json),
     "print a line {\"query\":0,\"hits\":[{\"index\":7,\"score\":0.8},…]} a query; of FOLDER a "
     "line "
     "{\"query\":0,\"path\":…,\"line\":12,…,\"text\":…} a chunk",
     0, 0},
};

static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(SearchArgs, model)},
    {cli_cache_options, CLI_COUNT(cli_cache_options), offsetof(SearchArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
    {cli_folder_options, CLI_COUNT(cli_folder_options), offsetof(SearchArgs, folder)},
    {cli_engine_options, CLI_COUNT(cli_engine_options), offsetof(SearchArgs, model)},
};

typedef struct SearchRun {
    CliSession session;
    CliMatrix corpus, finer;
    CliMatrix ids; /* map alone: lines of JSON; not there: no ids */
    SutraRows rows, finer_rows;
    SutraSearch *search;
    const char *prompt_name;
    size_t k;
    SutraMetric metric;
} SearchRun;

/* ---- queries ---- */

static bool is_bits(SutraDtype dtype) { return dtype == SUTRA_BINARY || dtype == SUTRA_UBINARY; }

/* Queries as floats, which lose nothing. */
static SutraStatus embed_queries(const SearchRun *run, CliReader *reader, SutraRows *queries,
                                 SutraError *err)
{
    const SutraEmbedOptions options = {.struct_size = sizeof options, .dim = run->rows.dim};
    unsigned char *vectors = NULL;
    CliEmbedStream stream = {.session = &run->session,
                             .options = &options,
                             .prompt_name = run->prompt_name,
                             .reader = reader};
    SutraStatus status = cli_embed_all(&stream, &vectors, NULL, err);
    if (status != SUTRA_OK) return status;
    cli_report_long(&stream.totals, run->session.info.max_tokens);
    *queries = (SutraRows){.data = vectors,
                           .count = (size_t)stream.totals.texts,
                           .dtype = SUTRA_F32,
                           .dim = run->rows.dim};
    return SUTRA_OK;
}

/* The bits of float rows, as SutraDtype has them; to [count, row bytes], zeros. */
static void take_bits(const SutraRows *rows, SutraDtype dtype, unsigned char *to)
{
    const float *x = rows->data;
    size_t bytes = sutra_row_bytes(dtype, rows->dim);
    for (size_t r = 0; r < rows->count; r++, to += bytes, x += rows->dim) {
        for (size_t i = 0; i < rows->dim; i++)
            to[i / 8] |= (unsigned char)((x[i] > 0) << (7 - i % 8));
        for (size_t i = 0; dtype == SUTRA_BINARY && i < bytes; i++) to[i] ^= 0x80u;
    }
}

/* ---- ids ---- */

/* OUT.ids.jsonl, which sutra embed --id writes beside OUT, if it is there. */
static SutraStatus open_ids(SearchRun *run, const char *corpus, SutraError *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s" CLI_IDS_ENDING, corpus);
    return cli_map_file(path, true, &run->ids, err);
}

typedef struct Wanted {
    size_t index;
    const char *id; /* NULL: not found */
    size_t size;
} Wanted;

static int by_index(const void *a, const void *b)
{
    size_t x = ((const Wanted *)a)->index, y = ((const Wanted *)b)->index;
    return (x > y) - (x < y);
}

/* Fills in the ids of wanted [count], which is sorted by index, in one pass over the lines. */
static void find_ids(const SearchRun *run, Wanted *wanted, size_t count)
{
    const char *at = run->ids.map, *end = at ? at + run->ids.map_size : NULL;
    size_t i = 0;
    for (size_t line = 0; at && at < end && i < count; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        for (; i < count && wanted[i].index == line; i++) {
            wanted[i].id = at;
            wanted[i].size = (size_t)(stop - at);
        }
        at = stop + 1;
    }
}

static const Wanted *id_of(const Wanted *wanted, size_t count, size_t index)
{
    const Wanted key = {.index = index};
    return bsearch(&key, wanted, count, sizeof key, by_index);
}

/* ---- output ---- */

static void print_score(CliOutput *out, float score)
{
    char text[SU_NUMBER_TEXT + 1];
    text[su_float_text(score, text)] = '\0';
    cli_output_print(out, "%s", text);
}

static void print_hit(CliOutput *out, bool json, const Wanted *hit, float score)
{
    if (json) {
        cli_output_print(out, "{\"index\":%zu", hit->index);
        if (hit->id) cli_output_write(out, ",\"id\":", 6);
        if (hit->id) cli_output_write(out, hit->id, hit->size);
        cli_output_write(out, ",\"score\":", 9);
        print_score(out, score);
        cli_output_write(out, "}", 1);
        return;
    }
    print_score(out, score);
    cli_output_print(out, "\t%zu", hit->index);
    if (hit->id) cli_output_write(out, "\t", 1);
    if (hit->id) cli_output_write(out, hit->id, hit->size);
    cli_output_write(out, "\n", 1);
}

static SutraStatus print_hits(const SearchRun *run, bool json, size_t num_queries,
                              const size_t *indices, const float *scores, SutraError *err)
{
    CliOutput out;
    size_t count = 0, all = num_queries * run->k;
    SutraStatus status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    Wanted *wanted = cli_alloc(all, sizeof *wanted);
    for (size_t i = 0; i < all; i++)
        if (indices[i] != SIZE_MAX) wanted[count++].index = indices[i];
    qsort(wanted, count, sizeof *wanted, by_index);
    find_ids(run, wanted, count);
    for (size_t q = 0; q < num_queries; q++) {
        if (json) cli_output_print(&out, "{\"query\":%zu,\"hits\":[", q);
        if (!json && num_queries > 1) cli_output_print(&out, "%squery %zu\n", q ? "\n" : "", q + 1);
        for (size_t i = q * run->k; i < (q + 1) * run->k && indices[i] != SIZE_MAX; i++) {
            if (json && i > q * run->k) cli_output_write(&out, ",", 1);
            print_hit(&out, json, id_of(wanted, count, indices[i]), scores[i]);
        }
        if (json) cli_output_print(&out, "]}\n");
    }
    free(wanted);
    return cli_output_commit(&out, err);
}

/* ---- search ---- */

static SutraStatus open_corpus(SearchRun *run, const SearchArgs *args, const char *path,
                               const CliReader *queries, SutraError *err)
{
    uint32_t dim;
    CliModelArgs model = args->model;
    model.num_texts = queries->num_arguments;
    SutraStatus status = cli_map_npy(path, &run->corpus, err);
    if (status == SUTRA_OK && args->rescore) status = cli_map_npy(args->rescore, &run->finer, err);
    if (status == SUTRA_OK) status = open_ids(run, path, err);
    if (status == SUTRA_OK) status = cli_session_open(&run->session, &model, true, err);
    if (status != SUTRA_OK) return status;
    dim = run->session.info.dim;
    status = cli_matrix_rows(&run->corpus, path, dim, args->type, &run->rows, err);
    if (status == SUTRA_OK && args->rescore)
        status = cli_matrix_rows(&run->finer, args->rescore, dim, 0, &run->finer_rows, err);
    if (status == SUTRA_OK && args->rescore && run->finer_rows.count != run->rows.count)
        status = cli_raise(err, SUTRA_E_ARGUMENT, "%s has %zu rows, %s %zu", path, run->rows.count,
                           args->rescore, run->finer_rows.count);
    if (status == SUTRA_OK && args->rescore && run->finer_rows.dim != run->rows.dim)
        status = cli_raise(err, SUTRA_E_ARGUMENT, "%s has rows of %u elements, %s of %u", path,
                           run->rows.dim, args->rescore, run->finer_rows.dim);
    if (status == SUTRA_OK && args->rescore && is_bits(run->finer_rows.dtype))
        status =
            cli_raise(err, SUTRA_E_ARGUMENT, "%s: --rescore takes more than bits", args->rescore);
    return status;
}

/* Rows of run->rows, `found` a query, then if wanted the best of them by run->finer_rows. */
static SutraStatus find(const SearchRun *run, const SutraRows *queries, size_t found, bool rescore,
                        size_t *indices, float *scores, SutraError *err)
{
    const SutraRows *rows = &run->rows;
    SutraRows first = *queries;
    unsigned char *bits = NULL;
    if (is_bits(rows->dtype)) {
        bits = cli_alloc(queries->count, sutra_row_bytes(rows->dtype, rows->dim));
        take_bits(queries, rows->dtype, bits);
        first.data = bits;
        first.dtype = rows->dtype;
    }
    SutraStatus status =
        sutra_search_run(run->search, run->metric, &first, rows, found, indices, scores, err);
    free(bits);
    if (status != SUTRA_OK || !rescore) return status;
    size_t *best = cli_alloc(queries->count * run->k, sizeof *best);
    SutraMetric metric = run->metric == SUTRA_METRIC_HAMMING ? SUTRA_METRIC_COSINE : run->metric;
    status = sutra_search_rescore(run->search, metric, queries, &run->finer_rows, indices, found,
                                  run->k, best, scores, err);
    memcpy(indices, best, queries->count * run->k * sizeof *best);
    free(best);
    return status;
}

static SutraStatus search_and_print(SearchRun *run, const SearchArgs *args, CliReader *reader,
                                    SutraError *err)
{
    SutraRows queries = {.data = NULL};
    size_t found = args->top ? args->top : TOP;
    if (found > run->rows.count) found = run->rows.count ? run->rows.count : 1;
    run->k = found;
    if (args->rescore) found *= args->oversample ? args->oversample : OVERSAMPLE;
    if (found > run->rows.count) found = run->rows.count ? run->rows.count : 1;
    SutraStatus status = embed_queries(run, reader, &queries, err);
    if (status != SUTRA_OK) return status;
    size_t *indices = cli_alloc(queries.count * found, sizeof *indices);
    float *scores = cli_alloc(queries.count * found, sizeof *scores);
    status = find(run, &queries, found, args->rescore != NULL, indices, scores, err);
    if (status == SUTRA_OK)
        status = print_hits(run, args->json, queries.count, indices, scores, err);
    free(indices);
    free(scores);
    free((void *)(uintptr_t)queries.data);
    return status;
}

static SutraStatus run_on(SearchRun *run, const SearchArgs *args, const char *corpus,
                          CliReader *reader, SutraError *err)
{
    run->prompt_name = args->prompt_name ? args->prompt_name : "query";
    run->metric = args->metric ? (SutraMetric)(args->metric - 1) : SUTRA_METRIC_COSINE;
    SutraStatus status = open_corpus(run, args, corpus, reader, err);
    if (status == SUTRA_OK) status = cli_check_prompt(&run->session, run->prompt_name, err);
    const SutraSearchOptions options = {.struct_size = sizeof options,
                                        .num_threads = run->session.num_threads};
    if (status == SUTRA_OK) status = sutra_search_create(&options, &run->search, err);
    if (status == SUTRA_OK) status = search_and_print(run, args, reader, err);
    return status;
}

/* Says what of the command line does not fit the first argument; CLI_DONE: nothing. */
static int check_arguments(const SearchArgs *args, const CliArguments *rest, bool folder)
{
    const char *name = cli_search_command.name;
    const char *given = cli_folder_option_given(&args->folder);
    const char *contradiction = cli_folder_contradiction(&args->folder);
    if (args->input && rest->count > 1)
        return cli_usage(name, "queries are given both by -i %s and as arguments", args->input);
    if (!folder && !args->input && rest->count == 1)
        return cli_usage(name, "no queries; give QUERY ... or -i FILE");
    if (args->oversample && !args->rescore)
        return cli_usage(name, "--oversample goes with --rescore");
    if (folder && (args->rescore || args->type))
        return cli_usage(name, "--%s goes with a file of vectors, not with a folder",
                         args->rescore ? "rescore" : "type");
    if (folder && args->metric && args->metric - 1 == SUTRA_METRIC_HAMMING)
        return cli_usage(name, "--metric hamming goes with a file of vectors, not with a folder");
    if (!folder && given) return cli_usage(name, "--%s goes with a folder", given);
    if (contradiction) return cli_usage(name, "%s", contradiction);
    return CLI_DONE;
}

static SutraStatus search_folder(const SearchArgs *args, const char *folder, CliReader *queries,
                                 SutraError *err)
{
    const CliFolderSearch search = {.model = &args->model,
                                    .args = &args->folder,
                                    .folder = folder,
                                    .queries = queries,
                                    .prompt_name = args->prompt_name ? args->prompt_name : "query",
                                    .top = args->top,
                                    .metric = args->metric ? (SutraMetric)(args->metric - 1)
                                                           : SUTRA_METRIC_COSINE,
                                    .json = args->json};
    return cli_search_folder(&search, err);
}

static SutraStatus search_file(const SearchArgs *args, const char *corpus, CliReader *queries,
                               SutraError *err)
{
    SearchRun run = {.search = NULL};
    SutraStatus status = run_on(&run, args, corpus, queries, err);
    sutra_search_free(run.search);
    cli_session_close(&run.session);
    cli_unmap_npy(&run.corpus);
    cli_unmap_npy(&run.finer);
    cli_unmap_npy(&run.ids);
    return status;
}

static int run_search(const void *given, const CliArguments *rest)
{
    const SearchArgs *args = given;
    SutraError err = {0};
    CliReader reader = {.source = {.fd = -1}};
    SutraStatus status = SUTRA_OK;
    if (!rest->count)
        return cli_usage(cli_search_command.name,
                         "no file to search; give CORPUS.npy and QUERY, or FOLDER and QUERY");
    const char *searched = rest->items[0];
    bool folder = cli_is_folder(searched), queries = args->input || rest->count > 1;
    int code = check_arguments(args, rest, folder);
    if (code != CLI_DONE) return code;
    if (args->input)
        status = cli_reader_open(&reader, args->input, NULL, &err);
    else
        cli_reader_open_arguments(&reader, rest->items + 1, rest->count - 1);
    if (status == SUTRA_OK)
        status = folder ? search_folder(args, searched, queries ? &reader : NULL, &err)
                        : search_file(args, searched, &reader, &err);
    cli_reader_close(&reader);
    return status == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_search_command = {
    .name = "search",
    .arguments = "[OPTION ...] FOLDER|CORPUS.npy [QUERY ...]",
    .summary = "find the most similar texts of a folder, or rows of a file of vectors",
    .details =
        "Compares each QUERY with every row of CORPUS.npy, which sutra embed wrote with the same\n"
        "model, and prints the best rows: score, number of the row from 0, and its id if\n"
        "CORPUS.npy.ids.jsonl is there. The file is mapped, not read into memory.\n"
        "\n"
        "Of FOLDER the files that hold text, those below it too, are cut into chunks and "
        "embedded,\n"
        "and the best chunks are printed: score, path:line: and text. Vectors are kept in an "
        "index:\n"
        "the next search embeds only what is new. Without QUERY the index is brought up to date.\n"
        "\n"
        "  sutra search notes \"how do cats sleep\" --glob \"*.md\"\n"
        "  sutra embed passages.jsonl --field text --id id -o passages.npy\n"
        "  sutra search passages.npy \"how do cats sleep\"\n"
        "  sutra search bits.npy --rescore passages.npy -i questions.txt --json",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(SearchArgs),
    .run = run_search,
};
