/* XXH3 comes from Debian's xxhash.h, compiled in: no shared object to load at run time. */
#include "corpus_run.h"

#include "console.h"
#include "json_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Often enough to lose little, seldom enough to wait little for the disk. */
#define CHECKPOINT_NS 2000000000u
/* Places of texts whose rows an earlier run wrote, it is not known where. */
#define PLACE_GONE (CLI_PLACE_NONE - 1)
/* A place says too what became of the text. */
#define PLACE_TRUNCATED ((uint64_t)1 << 62)
#define PLACE_WINDOWED ((uint64_t)1 << 61)
#define PLACE_BITS (PLACE_WINDOWED - 1)

enum { TEXT_NEW = 0, TEXT_DUPLICATE, TEXT_DONE };

typedef struct CliSorted {
    CliSpan span;
    SutraInput input;
    uint64_t number;
} Sorted;

/* ---- opening ---- */

/* A FILE.partial that no state belongs to is somebody else's. */
static SutraStatus check_stranger(const CliOutput *output, SutraError *err)
{
    struct stat facts;
    if (!output->name || fstat(output->fd, &facts) != 0 || facts.st_size == 0) return SUTRA_OK;
    return cli_raise(err, SUTRA_E_ARGUMENT, "%s is there, and was not left by --resume: remove it",
                     output->partial);
}

/* What an earlier run had written whole gets its name. An empty FILE.partial was made just now, for
 * one that has its name already. */
static SutraStatus name_file(CliOutput *output, uint64_t bytes, SutraError *err)
{
    struct stat facts, named;
    if (!output->name) return SUTRA_OK;
    bool is_named = bytes && fstat(output->fd, &facts) == 0 && facts.st_size == 0 &&
                    stat(output->target, &named) == 0;
    SutraStatus status = is_named ? SUTRA_OK : cli_output_keep(output, bytes, err);
    if (status != SUTRA_OK) return status;
    int failed = is_named ? unlink(output->partial) : rename(output->partial, output->target);
    if (!failed) return SUTRA_OK;
    return cli_raise(err, SUTRA_E_IO, "%s: %s", output->partial, strerror(errno));
}

/* All was written, and the run was ended while it gave the files their names. False: the output has
 * gone since. */
static bool is_finished(const CliCorpus *corpus)
{
    struct stat facts;
    if (!corpus->done.finished) return false;
    bool empty = fstat(corpus->output.fd, &facts) != 0 || facts.st_size == 0;
    return !empty || stat(corpus->output.target, &facts) == 0;
}

static SutraStatus name_files(CliCorpus *corpus, SutraError *err)
{
    const CliCheckpoint *done = &corpus->done;
    struct stat facts = {.st_size = 0};
    uint64_t bytes = done->bytes;
    if (corpus->options.format == CLI_FORMAT_SQLITE && fstat(corpus->output.fd, &facts) == 0)
        bytes = facts.st_size ? (uint64_t)facts.st_size : 1;
    SutraStatus status = name_file(&corpus->rejects, done->reject_bytes, err);
    if (status == SUTRA_OK) status = name_file(&corpus->ids, done->id_bytes, err);
    if (status == SUTRA_OK) status = name_file(&corpus->output, bytes, err);
    cli_output_abort(&corpus->output);
    cli_output_abort(&corpus->ids);
    cli_output_abort(&corpus->rejects);
    return status;
}

/* Goes on where the state says, with locked files. */
static SutraStatus go_on(CliCorpus *corpus, SutraError *err)
{
    bool found;
    const CliCheckpoint *done = &corpus->done;
    SutraStatus status = cli_checkpoint_read(corpus->path, &corpus->done, &found, err);
    if (status != SUTRA_OK) return status;
    corpus->finished = is_finished(corpus);
    if (corpus->finished) return name_files(corpus, err);
    if (done->finished) corpus->done = (CliCheckpoint){.records = 0};
    if (!found) status = check_stranger(&corpus->output, err);
    if (!found && status == SUTRA_OK) status = check_stranger(&corpus->ids, err);
    if (!found && status == SUTRA_OK) status = check_stranger(&corpus->rejects, err);
    /* A database rolls back by itself. */
    if (status == SUTRA_OK && !(corpus->options.format == CLI_FORMAT_SQLITE && done->bytes))
        status = cli_output_keep(&corpus->output, done->bytes, err);
    if (status == SUTRA_OK && corpus->ids.name)
        status = cli_output_keep(&corpus->ids, done->id_bytes, err);
    if (status == SUTRA_OK && corpus->rejects.name)
        status = cli_output_keep(&corpus->rejects, done->reject_bytes, err);
    return status;
}

/* An empty FILE.partial holds nothing to go on with. */
static void drop_empty(const CliOutput *output)
{
    struct stat facts;
    if (output->name && fstat(output->fd, &facts) == 0 && facts.st_size == 0)
        unlink(output->partial);
}

static SutraStatus open_output(const CliCorpus *corpus, CliOutput *output, const char *path,
                               SutraError *err)
{
    bool spool = output == &corpus->output && corpus->options.spool;
    if (!path) return SUTRA_OK;
    return corpus->options.resume ? cli_output_open_partial(output, path, err)
                                  : cli_output_open(output, path, spool, err);
}

SutraStatus cli_corpus_open(CliCorpus *corpus, const CliCorpusOptions *options, SutraError *err)
{
    *corpus = (CliCorpus){.options = *options};
    const char *path = options->output ? options->output : "-";
    if (options->has_ids && cli_format_counts_rows(options->format)) {
        corpus->ids_path = cli_alloc(strlen(path) + sizeof CLI_IDS_ENDING, 1);
        sprintf(corpus->ids_path, "%s" CLI_IDS_ENDING, path);
    }
    SutraStatus status = open_output(corpus, &corpus->output, path, err);
    if (status == SUTRA_OK)
        corpus->path = cli_strdup(corpus->output.target ? corpus->output.target : path);
    if (status == SUTRA_OK) status = open_output(corpus, &corpus->ids, corpus->ids_path, err);
    if (status == SUTRA_OK) status = open_output(corpus, &corpus->rejects, options->rejects, err);
    if (status != SUTRA_OK || !options->resume) return status;
    status = go_on(corpus, err);
    if (status == SUTRA_OK) return status;
    drop_empty(&corpus->output);
    drop_empty(&corpus->ids);
    drop_empty(&corpus->rejects);
    return status;
}

static void keep_totals(const CliCorpus *corpus, CliCheckpoint *state)
{
    const CliTotals *totals = &corpus->stream->totals;
    state->rows = corpus->writer.written;
    state->duplicates = totals->duplicates;
    state->rejects = totals->rejects;
    state->tokens_seen = totals->tokens_seen;
    state->tokens_used = totals->tokens_used;
    state->truncated = totals->truncated;
    state->windowed = totals->windowed;
    state->longest = totals->longest;
}

static void restore_totals(const CliCheckpoint *state, CliTotals *totals)
{
    totals->texts = state->rows;
    totals->duplicates = state->duplicates;
    totals->rejects = state->rejects;
    totals->tokens_seen = state->tokens_seen;
    totals->tokens_used = state->tokens_used;
    totals->truncated = state->truncated;
    totals->windowed = state->windowed;
    totals->longest = (uint32_t)state->longest;
}

static SutraStatus first_error(const CliCorpus *corpus, SutraError *err)
{
    const CliOutput *outputs[] = {&corpus->output, &corpus->ids, &corpus->rejects};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        if (outputs[i]->status == SUTRA_OK) continue;
        *err = outputs[i]->err;
        return outputs[i]->status;
    }
    return SUTRA_OK;
}

static SutraStatus sort_block(void *user, CliBlock *block, SutraError *err);

SutraStatus cli_corpus_begin(CliCorpus *corpus, CliEmbedStream *stream, uint32_t dim,
                             const char *recipe, SutraError *err)
{
    const char *path = corpus->path;
    CliCheckpoint *done = &corpus->done;
    SutraStatus status = SUTRA_OK;
    corpus->stream = stream;
    stream->sort = sort_block;
    stream->sort_user = corpus;
    stream->item_errors = corpus->options.rejects != NULL;
    corpus->writer.output = &corpus->output;
    corpus->digest = XXH3_createState();
    corpus->earlier = *done;
    corpus->replayed = done->records == 0;
    corpus->checkpoint_ns = cli_clock_ns();
    if (!corpus->digest) return cli_raise(err, SUTRA_E_MEMORY, "out of memory");
    (void)XXH3_128bits_reset(corpus->digest);
    if (stream->reader->source.regular && fstat(stream->reader->source.fd, &corpus->facts) != 0)
        corpus->facts = (struct stat){.st_size = 0};
    corpus->dedupes = cli_output_has_file(&corpus->output);
    if (corpus->dedupes) cli_dedupe_open(&corpus->dedupe, corpus->options.dedupe_bytes);
    if (corpus->options.resume) {
        if (done->recipe[0]) status = cli_recipe_check(path, recipe, done->recipe, err);
        if (status != SUTRA_OK) return status;
        snprintf(done->recipe, sizeof done->recipe, "%s", recipe);
        if (corpus->finished)
            cli_message("%s: an earlier run had written all of it", path);
        else if (done->records)
            cli_message("%s" CLI_PARTIAL ": going on after record %llu", path,
                        (unsigned long long)done->records);
        else
            status = cli_checkpoint_write(path, done, err);
        restore_totals(done, &stream->totals);
    }
    if (corpus->finished) return status;
    if (done->bytes)
        cli_rows_resume(&corpus->writer, corpus->options.format, dim, done->rows, done->records);
    else
        cli_rows_begin(&corpus->writer, corpus->options.format, dim);
    return status == SUTRA_OK ? first_error(corpus, err) : status;
}

/* ---- the reading thread: which texts of a block are to be embedded ---- */

static void digest_text(char *hex, const unsigned char digest[16])
{
    for (size_t i = 0; i < 16; i++) sprintf(hex + 2 * i, "%02x", digest[i]);
}

static void take_digest(const CliCorpus *corpus, unsigned char digest[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(corpus->digest));
    memcpy(digest, canonical.digest, 16);
}

/* When the records that were done have gone by: are they the same? */
static SutraStatus end_replay(CliCorpus *corpus, SutraError *err)
{
    unsigned char digest[16];
    char hex[33];
    take_digest(corpus, digest);
    digest_text(hex, digest);
    corpus->replayed = true;
    if (strcmp(hex, corpus->earlier.digest) == 0) return SUTRA_OK;
    return cli_raise(err, SUTRA_E_ARGUMENT,
                     "%s is not what %s" CLI_PARTIAL
                     " was begun with: its first %llu records differ; remove it and %s" CLI_PARTIAL
                     ".state to begin again",
                     corpus->stream->reader->source.name, corpus->path,
                     (unsigned long long)corpus->earlier.records, corpus->path);
}

static void add_to_digest(CliCorpus *corpus, const CliBlock *block, const CliSpan *span,
                          const SutraInput *input)
{
    const uint64_t head[] = {span->index, input->text_size, span->id_size, span->id_kind};
    (void)XXH3_128bits_update(corpus->digest, head, sizeof head);
    (void)XXH3_128bits_update(corpus->digest, input->text, input->text_size);
    if (span->id_size)
        (void)XXH3_128bits_update(corpus->digest, block->data + span->id_start, span->id_size);
}

/* What to do with a text; *number as of cli_dedupe_find. */
static unsigned char kind_of(CliCorpus *corpus, const SutraInput *input, uint64_t index,
                             uint64_t *number)
{
    bool known = false;
    CliDedupe *dedupe = &corpus->dedupe;
    *number = CLI_TEXT_UNKNOWN;
    if (corpus->dedupes) *number = cli_dedupe_find(dedupe, input->text, input->text_size, &known);
    if (!corpus->replayed) {
        uint64_t row = corpus->replayed_rows++;
        if (*number == CLI_TEXT_UNKNOWN || known) return TEXT_DONE;
        uint64_t places[] = {
            [CLI_PLACES_BYTES] = PLACE_GONE, [CLI_PLACES_ROWS] = row, [CLI_PLACES_INDICES] = index};
        uint64_t place = places[corpus->writer.format->places];
        cli_dedupe_set(dedupe, *number, corpus->earlier.failed ? PLACE_GONE : place);
        return TEXT_DONE;
    }
    if (known && cli_dedupe_place(dedupe, *number) == PLACE_GONE) {
        cli_dedupe_set(dedupe, *number, CLI_PLACE_NONE);
        known = false;
    }
    return known ? TEXT_DUPLICATE : TEXT_NEW;
}

/* Texts to be embedded to the front, their duplicates behind them, both in order. */
static void part_block(CliCorpus *corpus, CliBlock *block)
{
    CliSpan *spans = block->spans;
    size_t count = 0, later = 0;
    for (size_t i = 0; i < block->count; i++) {
        const Sorted text = {spans[i], block->inputs[i], block->numbers[i]};
        if (corpus->kinds[i] == TEXT_DUPLICATE) corpus->later[later++] = text;
        if (corpus->kinds[i] != TEXT_NEW) continue;
        spans[count] = text.span;
        block->inputs[count] = text.input;
        block->numbers[count++] = text.number;
    }
    for (size_t i = 0; i < later; i++) {
        spans[count + i] = corpus->later[i].span;
        block->inputs[count + i] = corpus->later[i].input;
        block->numbers[count + i] = corpus->later[i].number;
    }
    block->count = count;
    block->duplicates = later;
}

/* Rejects of records that are done. */
static void drop_rejects(const CliCorpus *corpus, CliBlock *block)
{
    while (block->num_rejects && block->rejects->index < corpus->earlier.records) {
        block->rejects++;
        block->num_rejects--;
    }
}

static SutraStatus sort_block(void *user, CliBlock *block, SutraError *err)
{
    CliCorpus *corpus = user;
    SutraStatus status = SUTRA_OK;
    if (corpus->finished && block->next_record > corpus->earlier.records)
        return cli_raise(
            err, SUTRA_E_ARGUMENT,
            "%s has more records than the %llu that %s was made of; remove %s" CLI_PARTIAL
            ".state to begin again",
            corpus->stream->reader->source.name, (unsigned long long)corpus->earlier.records,
            corpus->path, corpus->path);
    if (corpus->room < block->count) {
        corpus->room = block->count;
        corpus->kinds = cli_realloc(corpus->kinds, corpus->room, sizeof *corpus->kinds);
        corpus->later = cli_realloc(corpus->later, corpus->room, sizeof *corpus->later);
    }
    for (size_t i = 0; i < block->count && status == SUTRA_OK; i++) {
        if (!corpus->replayed && block->spans[i].index >= corpus->earlier.records)
            status = end_replay(corpus, err);
        add_to_digest(corpus, block, &block->spans[i], &block->inputs[i]);
        corpus->kinds[i] =
            kind_of(corpus, &block->inputs[i], block->spans[i].index, &block->numbers[i]);
    }
    if (status == SUTRA_OK && !corpus->replayed && block->next_record >= corpus->earlier.records)
        status = end_replay(corpus, err);
    if (status != SUTRA_OK) return status;
    drop_rejects(corpus, block);
    part_block(corpus, block);
    take_digest(corpus, block->digest);
    return SUTRA_OK;
}

/* ---- the caller's thread: rows ---- */

static void write_reject(CliCorpus *corpus, uint64_t line, uint64_t index, const char *reason)
{
    CliOutput *output = &corpus->rejects;
    cli_output_print(output,
                     "{\"line\":%llu,\"index\":%llu,\"reason\":", (unsigned long long)line + 1,
                     (unsigned long long)index);
    cli_json_string(output, reason, strlen(reason));
    cli_output_write(output, "}\n", 2);
    corpus->stream->totals.rejects++;
}

/* A text that the engine could not embed: asked again alone, it says why. */
static void reject_text(CliCorpus *corpus, const CliSpan *span, const SutraInput *input)
{
    const CliEmbedStream *stream = corpus->stream;
    SutraResult *result = NULL;
    SutraError why = {.status = SUTRA_OK};
    SutraStatus status = sutra_embed(stream->session->engine, stream->session->model, input, 1,
                                     stream->options, &result, &why);
    sutra_result_free(result);
    write_reject(corpus, span->line, span->index,
                 status == SUTRA_OK ? "it failed once" : why.message + why.reason);
    corpus->done.failed++;
}

static CliRow row_of(CliCorpus *corpus, const CliBlock *block, const CliSpan *span)
{
    CliRow row = {.index = span->index,
                  .id = {span->id_kind, block->data + span->id_start, span->id_size}};
    if (!corpus->ids_path) return row;
    cli_id_as_json(&corpus->ids, &row.id);
    cli_output_write(&corpus->ids, "\n", 1);
    row.id.kind = CLI_ID_NONE;
    return row;
}

static void take_text(CliCorpus *corpus, const CliBlock *block, const SutraResultView *view,
                      size_t i)
{
    const SutraItem *item = &view->items[i];
    uint64_t place = CLI_PLACE_NONE;
    if (item->status == SUTRA_OK) {
        CliRow row = row_of(corpus, block, &block->spans[i]);
        row.data = (const char *)view->data + i * view->row_bytes;
        row.item = item;
        place = cli_row_write(&corpus->writer, &row);
        if (item->flags & SUTRA_ITEM_TRUNCATED) place |= PLACE_TRUNCATED;
        if (item->windows) place |= PLACE_WINDOWED;
    } else {
        reject_text(corpus, &block->spans[i], &block->inputs[i]);
    }
    if (block->numbers[i] != CLI_TEXT_UNKNOWN)
        cli_dedupe_set(&corpus->dedupe, block->numbers[i], place);
}

static void take_duplicate(CliCorpus *corpus, const CliBlock *block, size_t i)
{
    CliTotals *totals = &corpus->stream->totals;
    uint64_t place = cli_dedupe_place(&corpus->dedupe, block->numbers[i]);
    if (place == CLI_PLACE_NONE) { /* so was the text rejected */
        reject_text(corpus, &block->spans[i], &block->inputs[i]);
        return;
    }
    CliRow row = row_of(corpus, block, &block->spans[i]);
    cli_row_copy(&corpus->writer, &row, place & PLACE_BITS);
    totals->texts++;
    totals->duplicates++;
    totals->truncated += (place & PLACE_TRUNCATED) != 0;
    totals->windowed += (place & PLACE_WINDOWED) != 0;
}

/* All files are on the disk up to here. */
static SutraStatus write_checkpoint(CliCorpus *corpus, SutraError *err)
{
    CliCheckpoint *done = &corpus->done;
    cli_rows_sync(&corpus->writer);
    SutraStatus status = cli_output_sync(&corpus->output, err);
    if (status == SUTRA_OK && corpus->ids_path) status = cli_output_sync(&corpus->ids, err);
    if (status == SUTRA_OK && corpus->options.rejects)
        status = cli_output_sync(&corpus->rejects, err);
    if (status != SUTRA_OK) return status;
    keep_totals(corpus, done);
    done->bytes = corpus->writer.format->begin ? 1 : corpus->output.position;
    done->id_bytes = corpus->ids.position;
    done->reject_bytes = corpus->rejects.position;
    return cli_checkpoint_write(corpus->path, done, err);
}

static SutraStatus checkpoint_if_due(CliCorpus *corpus, const CliBlock *block, SutraError *err)
{
    uint64_t now = cli_clock_ns();
    bool due = corpus->options.every
                   ? block->next_record - corpus->done.records >= corpus->options.every
                   : now - corpus->checkpoint_ns >= CHECKPOINT_NS;
    if (!corpus->options.resume || !due || block->next_record <= corpus->done.records)
        return SUTRA_OK;
    corpus->checkpoint_ns = now;
    corpus->done.records = block->next_record;
    digest_text(corpus->done.digest, block->digest);
    return write_checkpoint(corpus, err);
}

SutraStatus cli_corpus_take(void *user, const CliBlock *block, const SutraResultView *view,
                            SutraError *err)
{
    CliCorpus *corpus = user;
    size_t text = 0, duplicate = block->count, reject = 0;
    size_t end = block->count + block->duplicates;
    for (;;) {
        uint64_t next[] = {text < block->count ? block->spans[text].index : UINT64_MAX,
                           duplicate < end ? block->spans[duplicate].index : UINT64_MAX,
                           reject < block->num_rejects ? block->rejects[reject].index : UINT64_MAX};
        if (next[0] < next[1] && next[0] < next[2]) {
            take_text(corpus, block, view, text++);
        } else if (next[1] < next[2]) {
            take_duplicate(corpus, block, duplicate++);
        } else if (next[2] != UINT64_MAX) {
            const CliReject *record = &block->rejects[reject++];
            write_reject(corpus, record->line, record->index, record->reason);
        } else {
            break;
        }
    }
    SutraStatus status = checkpoint_if_due(corpus, block, err);
    /* On a stream, what is done is handed on at once. */
    if (status == SUTRA_OK && !cli_output_has_file(&corpus->output) && corpus->output.stream < 0)
        status = cli_output_flush(&corpus->output, err);
    return status == SUTRA_OK ? first_error(corpus, err) : status;
}

/* ---- the end ---- */

SutraStatus cli_corpus_commit(CliCorpus *corpus, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    if (!corpus->replayed)
        return cli_raise(err, SUTRA_E_ARGUMENT,
                         "%s ends before record %llu, which %s" CLI_PARTIAL " has reached",
                         corpus->stream->reader->source.name,
                         (unsigned long long)corpus->done.records, corpus->path);
    if (corpus->finished) {
        cli_checkpoint_remove(corpus->path);
        return SUTRA_OK;
    }
    cli_rows_end(&corpus->writer);
    status = first_error(corpus, err);
    if (status == SUTRA_OK && corpus->options.resume) {
        unsigned char digest[16];
        take_digest(corpus, digest);
        digest_text(corpus->done.digest, digest);
        corpus->done.records = corpus->stream->reader->next_record;
        corpus->done.finished = true;
        status = write_checkpoint(corpus, err);
    }
    if (status == SUTRA_OK && corpus->options.rejects)
        status = cli_output_commit(&corpus->rejects, err);
    if (status == SUTRA_OK && corpus->ids_path) status = cli_output_commit(&corpus->ids, err);
    if (status == SUTRA_OK) status = cli_output_commit(&corpus->output, err);
    if (status == SUTRA_OK && corpus->options.resume) cli_checkpoint_remove(corpus->path);
    return status;
}

void cli_corpus_report(const CliCorpus *corpus)
{
    const CliTotals *totals = &corpus->stream->totals;
    const CliSource *source = &corpus->stream->reader->source;
    struct stat facts;
    if (totals->rejects)
        cli_message("warning: %llu records were rejected (%s)", (unsigned long long)totals->rejects,
                    corpus->options.rejects);
    if (corpus->dedupe.full)
        cli_message("note: duplicates were told of the first %zu different texts alone "
                    "(--dedupe-memory)",
                    corpus->dedupe.most);
    if (source->regular && fstat(source->fd, &facts) == 0 &&
        (facts.st_size != corpus->facts.st_size ||
         facts.st_mtim.tv_sec != corpus->facts.st_mtim.tv_sec ||
         facts.st_mtim.tv_nsec != corpus->facts.st_mtim.tv_nsec))
        cli_message("warning: %s changed while it was read", source->name);
}

void cli_corpus_close(CliCorpus *corpus)
{
    cli_rows_close(&corpus->writer);
    cli_output_abort(&corpus->output);
    cli_output_abort(&corpus->ids);
    cli_output_abort(&corpus->rejects);
    cli_dedupe_close(&corpus->dedupe);
    XXH3_freeState(corpus->digest);
    free(corpus->ids_path);
    free(corpus->path);
    free(corpus->kinds);
    free(corpus->later);
    *corpus = (CliCorpus){.options = {.output = NULL}};
}
