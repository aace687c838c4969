#include "search_folder.h"

#include "atomic_file.h"
#include "console.h"
#include "embed_stream.h"
#include "folder_hits.h"
#include "folder_update.h"
#include "index_sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOP = 10, CHUNK_TOKENS = 128, MOST_FILE_BYTES = 16 << 20, MOST_FOUND = 1 << 20 };

const CliOption cli_folder_options[12] = {
    {"glob", 0, CLI_OPTION_LIST, "PATTERN", offsetof(CliFolderArgs, globs),
     "of FOLDER: only files whose names match, \"*.md\"; with \"/\" in it whole names do, "
     "\"docs/*\"; \"!\" first: all but these; may be given several times",
     0, 0},
    {"hidden", 0, CLI_OPTION_FLAG, NULL, offsetof(CliFolderArgs, hidden),
     "of FOLDER: files and folders whose names begin with \".\" too", 0, 0},
    {"max-file-bytes", 0, CLI_OPTION_NUMBER, "N", offsetof(CliFolderArgs, max_file_bytes),
     "of FOLDER: leave out larger files (default: 16777216)", 1, INT32_MAX},
    {"chunk", 0, CLI_OPTION_CHOICE, "tokens|sentences|paragraphs", offsetof(CliFolderArgs, chunk),
     "of FOLDER: what a chunk is filled with whole (default: paragraphs)", 0, 0},
    {"chunk-tokens", 0, CLI_OPTION_NUMBER, "N", offsetof(CliFolderArgs, chunk_tokens),
     "of FOLDER: tokens of a chunk at most, special tokens included (default: 128, or the model's "
     "if it takes fewer)",
     1, UINT32_MAX},
    {"chunk-overlap", 0, CLI_OPTION_NUMBER, "N", offsetof(CliFolderArgs, chunk_overlap),
     "of FOLDER: tokens at the end of a chunk that the next one may begin with (default: none)", 1,
     UINT32_MAX},
    {"index", 0, CLI_OPTION_TEXT, "FILE", offsetof(CliFolderArgs, index),
     "of FOLDER: keep its index in FILE (default: in the folder search of $SUTRA_CACHE, else of "
     "~/.cache/sutra)",
     0, 0},
    {"no-index", 0, CLI_OPTION_FLAG, NULL, offsetof(CliFolderArgs, no_index),
     "of FOLDER: embed all of it, use and keep no index", 0, 0},
    {"reindex", 0, CLI_OPTION_FLAG, NULL, offsetof(CliFolderArgs, reindex),
     "of FOLDER: make the index again, whatever is in it", 0, 0},
    {"checkpoint", 0, CLI_OPTION_NUMBER, "N", offsetof(CliFolderArgs, checkpoint),
     "of FOLDER: embedded chunks after which the index is written (default: every two seconds, or "
     "less often where that takes long)",
     1, 1u << 30},
    {"by-file", 0, CLI_OPTION_FLAG, NULL, offsetof(CliFolderArgs, by_file),
     "of FOLDER: print the best chunk of a file alone", 0, 0},
    {"stats", 0, CLI_OPTION_FLAG, NULL, offsetof(CliFolderArgs, stats),
     "of FOLDER: say on standard error, as a line of JSON, what was done", 0, 0},
};

const char *cli_folder_option_given(const CliFolderArgs *args)
{
    return args->globs.count      ? "glob"
           : args->hidden         ? "hidden"
           : args->max_file_bytes ? "max-file-bytes"
           : args->chunk          ? "chunk"
           : args->chunk_tokens   ? "chunk-tokens"
           : args->chunk_overlap  ? "chunk-overlap"
           : args->index          ? "index"
           : args->no_index       ? "no-index"
           : args->reindex        ? "reindex"
           : args->checkpoint     ? "checkpoint"
           : args->by_file        ? "by-file"
           : args->stats          ? "stats"
                                  : NULL;
}

const char *cli_folder_contradiction(const CliFolderArgs *args)
{
    if (args->no_index && args->index) return "--no-index contradicts --index";
    if (args->no_index && args->reindex) return "--no-index contradicts --reindex";
    if (args->no_index && args->checkpoint) return "--no-index contradicts --checkpoint";
    return NULL;
}

typedef struct Printing {
    CliFolderHits hits;
    CliOutput out;
    size_t most; /* hits of a query */
} Printing;

typedef struct FolderRun {
    const CliFolderSearch *search;
    CliSession session;
    CliFolderUpdate update;
    CliFolderIndex index;
    char *folder; /* resolved */
    char *recipe, *skip;
    char path[PATH_MAX]; /* of the index */
    float *queries;      /* [num_queries, dim] */
    size_t num_queries;
    SutraSearch *engine;
} FolderRun;

/* ---- what an index is of ---- */

/* The prompt that the model has for documents. */
static const char *document_prompt(const SutraModelInfo *info)
{
    static const char *const names[] = {"document", "passage", "corpus"};
    for (size_t n = 0; n < CLI_COUNT(names); n++)
        for (uint32_t i = 0; i < info->num_prompts; i++)
            if (strcmp(info->prompt_names[i], names[n]) == 0) return names[n];
    return names[0];
}

static void add(FILE *recipe, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "name=5:value;": no value can be taken for two. */
static void add(FILE *recipe, const char *name, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    fprintf(recipe, "%s=%d:", name, vsnprintf(NULL, 0, format, args));
    vfprintf(recipe, format, again);
    fputc(';', recipe);
    va_end(again);
    va_end(args);
}

/* What the model makes of a text tells it from others where no digest does. */
static SutraStatus add_model(const FolderRun *run, FILE *recipe, SutraError *err)
{
    const SutraModelInfo *info = &run->session.info;
    const CliFolderUpdate *update = &run->update;
    add(recipe, "model", "%s %s %s", info->name, info->revision,
        *info->digest ? info->digest : info->bundle_digest);
    add(recipe, "pooling", "%s %u", info->pooling, info->normalize);
    for (uint32_t i = 0; i < info->num_prompts; i++)
        if (strcmp(info->prompt_names[i], update->chunk.prompt_name) == 0)
            add(recipe, "prompt", "%s", info->prompts[i]);
    if (*info->digest || *info->bundle_digest) return SUTRA_OK;
    const char text[] = "What is this model? 4711, Grüße, 東京.";
    const SutraInput input = {
        .text = text, .text_size = sizeof text - 1, .prompt_name = update->chunk.prompt_name};
    size_t size = sutra_row_bytes(SUTRA_F32, update->embed.dim);
    SutraEmbedOptions options = update->embed;
    options.dtype = SUTRA_F32;
    void *row = cli_alloc(size, 1);
    SutraStatus status = sutra_embed_into(run->session.engine, run->session.model, &input, 1,
                                          &options, row, size, NULL, err);
    CliTextHash hash = cli_text_hash(0, row, size);
    free(row);
    add(recipe, "row", "%016llx%016llx", (unsigned long long)hash.high,
        (unsigned long long)hash.low);
    return status;
}

static SutraStatus make_recipe(FolderRun *run, SutraError *err)
{
    const CliFolderUpdate *update = &run->update;
    size_t size;
    FILE *recipe = open_memstream(&run->recipe, &size);
    if (!recipe) return cli_raise(err, SUTRA_E_MEMORY, "out of memory");
    add(recipe, "sutra", "%s", sutra_version());
    add(recipe, "folder", "%s", run->folder);
    SutraStatus status = add_model(run, recipe, err);
    add(recipe, "compute", "%s", sutra_compute_name(run->session.info.compute));
    if (run->session.device) add(recipe, "device", "%s", run->session.device);
    add(recipe, "dim", "%u", update->embed.dim);
    add(recipe, "chunk", "%u %u %u", update->chunk.by, update->chunk.max_tokens,
        update->chunk.overlap);
    add(recipe, "max-file-bytes", "%llu", (unsigned long long)update->max_file_bytes);
    add(recipe, "hidden", "%d", update->scan.hidden);
    for (size_t i = 0; i < update->scan.globs->count; i++)
        add(recipe, "glob", "%s", update->scan.globs->items[i]);
    if (fclose(recipe) != 0) return cli_raise(err, SUTRA_E_MEMORY, "out of memory");
    return status;
}

/* ---- where it lies ---- */

/* Makes the folders that `path` lies in. */
static void make_folders(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *c = folder + 1; *c; c++) {
        if (*c != '/') continue;
        *c = '\0';
        (void)mkdir(folder, 0700); /* if it is not there then, writing says so */
        *c = '/';
    }
}

/* Its name within the folder, if it lies there: it is not to be read as a file of it. */
static char *name_within(const char *folder, const char *index)
{
    char *copy = cli_strdup(index), *slash = strrchr(copy, '/');
    const char *last = slash ? slash + 1 : copy;
    char *parent = slash ? strndup(copy, (size_t)(slash - copy) + 1) : cli_strdup(".");
    char *resolved = parent ? realpath(parent, NULL) : NULL, *name = NULL;
    size_t size = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    if (resolved && strncmp(resolved, folder, size) == 0 &&
        (resolved[size] == '/' || resolved[size] == '\0')) {
        const char *below = resolved + size + (resolved[size] == '/');
        name = cli_alloc(strlen(below) + strlen(last) + 2, 1);
        sprintf(name, "%s%s%s", below, *below ? "/" : "", last);
    }
    free(resolved);
    free(parent);
    free(copy);
    return name;
}

/* That --index, or what is written beside it, is no other file of the user's. name: to say so. */
static SutraStatus check_own(const char *path, const char *name, SutraError *err)
{
    if (cli_index_may_take(path)) return SUTRA_OK;
    return cli_raise(err, SUTRA_E_ARGUMENT, "--index %s: no index of sutra search", name);
}

static SutraStatus find_path(FolderRun *run, SutraError *err)
{
    const CliFolderArgs *args = run->search->args;
    char cache[PATH_MAX];
    if (args->no_index) return SUTRA_OK;
    run->update.path = run->path;
    if (args->index) {
        char partial[PATH_MAX + sizeof CLI_PARTIAL];
        char *target = realpath(args->index, NULL); /* a link is written through */
        int size = snprintf(run->path, sizeof run->path, "%s", target ? target : args->index);
        free(target);
        if ((size_t)size >= sizeof run->path)
            return cli_raise(err, SUTRA_E_ARGUMENT, "--index %.60s…: path too long", args->index);
        snprintf(partial, sizeof partial, "%s" CLI_PARTIAL, run->path);
        SutraStatus status = check_own(run->path, args->index, err);
        return status == SUTRA_OK ? check_own(partial, partial, err) : status;
    }
    CliTextHash hash = cli_text_hash(0, run->recipe, strlen(run->recipe));
    if (!cli_cache_folder(cache, sizeof cache) ||
        (size_t)snprintf(run->path, sizeof run->path, "%s/search/%016llx%016llx.index", cache,
                         (unsigned long long)hash.high,
                         (unsigned long long)hash.low) >= sizeof run->path) {
        cli_message("warning: the index is not kept: no cache folder (SUTRA_CACHE names one)");
        run->update.path = NULL;
        return SUTRA_OK;
    }
    make_folders(run->path);
    return SUTRA_OK;
}

/* ---- options ---- */

static SutraStatus plan(FolderRun *run, SutraError *err)
{
    const CliFolderArgs *args = run->search->args;
    const CliSession *session = &run->session;
    CliFolderUpdate *update = &run->update;
    uint32_t tokens = session->info.max_tokens;
    SutraChunk *chunks = NULL;
    size_t count;
    if (tokens > CHUNK_TOKENS) tokens = CHUNK_TOKENS;
    *update = (CliFolderUpdate){
        .session = session,
        .folder = run->search->folder,
        .scan = {.globs = &args->globs, .hidden = args->hidden},
        .max_file_bytes = args->max_file_bytes ? args->max_file_bytes : MOST_FILE_BYTES,
        .remake = args->reindex,
        .checkpoint = args->checkpoint,
        .chunk = {.struct_size = sizeof update->chunk,
                  .by = args->chunk ? (SutraChunkBy)(args->chunk - 1) : SUTRA_CHUNK_PARAGRAPHS,
                  .max_tokens = args->chunk_tokens ? args->chunk_tokens : tokens,
                  .overlap = args->chunk_overlap,
                  .prompt_name = document_prompt(&session->info)},
        .embed = {.struct_size = sizeof update->embed,
                  .dtype = SUTRA_F16,
                  .dim = session->config.is_cut ? session->config.dim : session->info.dim}};
    SutraStatus status = sutra_chunk(session->model, "a", 1, &update->chunk, &chunks, &count, err);
    sutra_chunks_free(chunks);
    return status;
}

/* ---- queries ---- */

static SutraStatus refuse_blank(void *user, CliBlock *block, SutraError *err)
{
    (void)user;
    for (size_t i = 0; i < block->count; i++) {
        const char *text = block->inputs[i].text;
        size_t size = block->inputs[i].text_size, blank = 0;
        while (blank < size && strchr(" \t\r\n", text[blank]) && text[blank]) blank++;
        char where[320];
        cli_block_where(block, i, where, sizeof where);
        if (blank == size)
            return cli_raise(err, SUTRA_E_ARGUMENT, "%s: a query without text", where);
    }
    return SUTRA_OK;
}

static SutraStatus embed_queries(FolderRun *run, SutraError *err)
{
    const SutraEmbedOptions options = {.struct_size = sizeof options, .dim = run->update.embed.dim};
    unsigned char *vectors = NULL;
    CliEmbedStream stream = {.session = &run->session,
                             .options = &options,
                             .prompt_name = run->search->prompt_name,
                             .reader = run->search->queries,
                             .sort = refuse_blank,
                             .quiet = true};
    SutraStatus status = cli_embed_all(&stream, &vectors, NULL, err);
    if (status != SUTRA_OK) return status;
    cli_report_long(&stream.totals, run->session.info.max_tokens);
    run->queries = (float *)(void *)vectors;
    run->num_queries = (size_t)stream.totals.texts;
    return SUTRA_OK;
}

/* ---- search ---- */

/* Hits of a query at most, and those that there can be: chunks, or files that have some. */
static size_t most_hits(const FolderRun *run)
{
    const CliFolderIndex *index = &run->index;
    size_t top = run->search->top ? run->search->top : TOP, all = index->num_chunks;
    if (run->search->args->by_file) {
        all = 0;
        for (size_t i = 0; i < index->num_files; i++) all += index->files[i].num_chunks > 0;
    }
    return top < all ? top : all;
}

/* Leaves of each file its best chunk, and of these `most`; returns how many. */
static size_t best_of_files(const CliFolderIndex *index, size_t *chunks, float *scores,
                            size_t count, size_t most)
{
    bool *seen = cli_alloc(index->num_files, sizeof *seen);
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < most; i++) {
        bool *file = &seen[cli_index_file_of(index, chunks[i]) - index->files];
        if (*file) continue;
        *file = true;
        chunks[kept] = chunks[i];
        scores[kept++] = scores[i];
    }
    free(seen);
    return kept;
}

static size_t count_found(const size_t *chunks, size_t most)
{
    size_t found = 0;
    while (found < most && chunks[found] != SIZE_MAX) found++;
    return found;
}

static SutraStatus find(const FolderRun *run, size_t first, size_t count, size_t k, size_t *chunks,
                        float *scores, SutraError *err)
{
    const CliFolderIndex *index = &run->index;
    const SutraRows queries = {.data = run->queries + first * index->dim,
                               .count = count,
                               .dtype = SUTRA_F32,
                               .dim = index->dim};
    const SutraRows rows = {.data = index->vectors,
                            .count = index->num_chunks,
                            .dtype = index->dtype,
                            .dim = index->dim};
    return sutra_search_run(run->engine, run->search->metric, &queries, &rows, k, chunks, scores,
                            err);
}

static void print_query(const FolderRun *run, Printing *printing, size_t query,
                        const size_t *chunks, const float *scores, size_t count)
{
    if (!printing->hits.json && run->num_queries > 1)
        cli_output_print(&printing->out, "%squery %zu\n", query ? "\n" : "", query + 1);
    for (size_t i = 0; i < count; i++)
        cli_print_folder_hit(&printing->hits, &printing->out, query, chunks[i], scores[i]);
}

/* `count` queries from `first` on, of k chunks each; of those whose chunks are of too few files
 * four times as many. */
static SutraStatus print_queries(const FolderRun *run, Printing *printing, size_t first,
                                 size_t count, size_t k, SutraError *err)
{
    const CliFolderIndex *index = &run->index;
    size_t *chunks = cli_alloc(count * k, sizeof *chunks);
    float *scores = cli_alloc(count * k, sizeof *scores);
    SutraStatus status = find(run, first, count, k, chunks, scores, err);
    for (size_t q = 0; q < count && status == SUTRA_OK; q++) {
        size_t found = count_found(chunks + q * k, k);
        if (run->search->args->by_file)
            found = best_of_files(index, chunks + q * k, scores + q * k, found, printing->most);
        if (found < printing->most && k < index->num_chunks)
            status = print_queries(run, printing, first + q, 1,
                                   4 * k < index->num_chunks ? 4 * k : index->num_chunks, err);
        else
            print_query(run, printing, first + q, chunks + q * k, scores + q * k, found);
    }
    free(chunks);
    free(scores);
    return status;
}

/* A block of queries reads the vectors once. */
static SutraStatus print_all(const FolderRun *run, Printing *printing, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    size_t all = run->num_queries, block = MOST_FOUND / printing->most;
    if (block < 1) block = 1;
    for (size_t q = 0; q < all && status == SUTRA_OK; q += block)
        status =
            print_queries(run, printing, q, all - q < block ? all - q : block, printing->most, err);
    return status;
}

static SutraStatus search_and_print(FolderRun *run, SutraError *err)
{
    const SutraSearchOptions options = {.struct_size = sizeof options,
                                        .num_threads = run->session.num_threads};
    Printing printing = {.most = most_hits(run),
                         .hits = {.index = &run->index,
                                  .folder = run->search->folder,
                                  .fd = open(run->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                  .json = run->search->json,
                                  .width = cli_line_width()}};
    CliFolderHits *hits = &printing.hits;
    SutraStatus status = sutra_search_create(&options, &run->engine, err);
    if (status == SUTRA_OK) status = cli_output_open(&printing.out, NULL, false, err);
    if (status == SUTRA_OK) {
        status = print_all(run, &printing, err);
        if (status == SUTRA_OK)
            status = cli_output_commit(&printing.out, err);
        else
            cli_output_abort(&printing.out);
    }
    if (hits->missing)
        cli_message("warning: %llu of the chunks have changed since they were read: no text",
                    (unsigned long long)hits->missing);
    free(hits->text);
    if (hits->fd >= 0) close(hits->fd);
    return status;
}

/* ---- what was done ---- */

/* "; left out: 3 binary, 1 too large"; "" if nothing was. */
static void say_left_out(const CliFolderCounts *counts, char *text, size_t capacity)
{
    const uint64_t numbers[] = {counts->binary, counts->large, counts->unreadable};
    static const char *const names[] = {"binary", "too large", "unreadable"};
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; i < CLI_COUNT(numbers); i++)
        if (numbers[i])
            used += (size_t)snprintf(text + used, capacity - used, "%s%llu %s",
                                     used ? ", " : "; left out: ", (unsigned long long)numbers[i],
                                     names[i]);
}

/* One line, if anything was done or nothing else was asked for. Errors: ARGUMENT (no text). */
static SutraStatus report(const FolderRun *run, SutraError *err)
{
    const CliFolderCounts *counts = &run->update.counts;
    char left_out[128];
    say_left_out(counts, left_out, sizeof left_out);
    if (!counts->chunks)
        return cli_raise(err, SUTRA_E_ARGUMENT, "%s: no %s%s", run->search->folder,
                         counts->files ? "text in its files" : "files with text", left_out);
    if (counts->new_files || counts->changed || counts->removed || counts->embedded ||
        !run->search->queries)
        cli_message("indexed %llu new, %llu changed, %llu removed of %llu files, %llu chunks (%llu "
                    "embedded) in %.1f s%s",
                    (unsigned long long)counts->new_files, (unsigned long long)counts->changed,
                    (unsigned long long)counts->removed, (unsigned long long)counts->files,
                    (unsigned long long)counts->chunks, (unsigned long long)counts->embedded,
                    counts->seconds, left_out);
    return SUTRA_OK;
}

static SutraStatus print_stats(const FolderRun *run, SutraError *err)
{
    const CliFolderCounts *counts = &run->update.counts;
    char line[512];
    CliOutput out;
    snprintf(line, sizeof line,
             "{\"files\":%llu,\"new\":%llu,\"changed\":%llu,\"removed\":%llu,\"read\":%llu,"
             "\"binary\":%llu,\"too_large\":%llu,\"unreadable\":%llu,\"chunks\":%llu,"
             "\"embedded\":%llu,\"tokens\":%llu,\"seconds\":%.4f}",
             (unsigned long long)counts->files, (unsigned long long)counts->new_files,
             (unsigned long long)counts->changed, (unsigned long long)counts->removed,
             (unsigned long long)counts->read, (unsigned long long)counts->binary,
             (unsigned long long)counts->large, (unsigned long long)counts->unreadable,
             (unsigned long long)counts->chunks, (unsigned long long)counts->embedded,
             (unsigned long long)counts->tokens, counts->seconds);
    if (run->search->args->stats) fprintf(stderr, "%s\n", line);
    if (run->search->queries || !run->search->json) return SUTRA_OK;
    SutraStatus status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    cli_output_print(&out, "%s\n", line);
    return cli_output_commit(&out, err);
}

static SutraStatus run_all(FolderRun *run, SutraError *err)
{
    const CliFolderSearch *search = run->search;
    run->folder = realpath(search->folder, NULL);
    if (!run->folder) return cli_raise(err, SUTRA_E_IO, "%s: %s", search->folder, strerror(errno));
    SutraStatus status = cli_session_open(&run->session, search->model, true, err);
    if (status == SUTRA_OK) status = cli_check_prompt(&run->session, search->prompt_name, err);
    if (status == SUTRA_OK) status = plan(run, err);
    if (status == SUTRA_OK && search->queries) status = embed_queries(run, err);
    if (status == SUTRA_OK) status = make_recipe(run, err);
    if (status == SUTRA_OK) status = find_path(run, err);
    if (status != SUTRA_OK) return status;
    if (run->update.path) run->skip = name_within(run->folder, run->path);
    run->update.scan.skip = run->skip;
    run->update.recipe = run->recipe;
    status = cli_folder_update(&run->update, &run->index, err);
    if (status != SUTRA_OK) return status;
    if (run->update.path && !search->args->index) cli_sweep_indexes(run->path, run->recipe);
    status = report(run, err);
    if (status == SUTRA_OK) status = print_stats(run, err);
    return status == SUTRA_OK && search->queries ? search_and_print(run, err) : status;
}

SutraStatus cli_search_folder(const CliFolderSearch *search, SutraError *err)
{
    FolderRun run = {.search = search};
    SutraStatus status = run_all(&run, err);
    sutra_search_free(run.engine);
    cli_index_close(&run.index);
    cli_session_close(&run.session);
    free(run.queries);
    free(run.folder);
    free(run.recipe);
    free(run.skip);
    return status;
}
