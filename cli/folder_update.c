#include "folder_update.h"

#include "chunk_places.h"
#include "console.h"
#include "folder_file.h"
#include "row_feed.h"
#include "run_times.h"
#include "text_regions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Nanoseconds after which what is done is kept, and times as long as that took. */
#define KEEP_AFTER UINT64_C(2000000000)
enum { KEEP_FACTOR = 20, BUSY_ATTEMPTS = 100, BUSY_MS = 20 };

typedef enum State { KEPT, TO_READ, CUT, GONE } State;

/* A file of the scan. */
typedef struct Entry {
    CliIndexEntry out; /* as it is to be written; from TO_READ to CUT it grows */
    const CliIndexFile *old;
    State state;
    CliIndexChunk *chunks; /* its own, if it was cut */
    uint64_t *places;
    uint64_t fresh;             /* rows of the feed that it needs: those before this one */
    CliIndexChunk *done_chunks; /* those that have rows, as they were last written */
    uint64_t *done_places;
} Entry;

typedef struct Run {
    CliFolderUpdate *update;
    CliFolderScan scan;
    CliFolderIndex old;
    Entry *entries; /* [scan.count] */
    CliChunkPlaces places;
    bool has_places, dirty;
    CliRowFeed feed;
    CliFolderFile file;
    uint64_t seed;
    uint64_t bytes, total_bytes;          /* of files to be read: done, all */
    uint64_t kept_at, kept_ns, kept_rows; /* the last time that the index was written */
} Run;

/* ---- what changed ---- */

/* The index as it was, if it is there and of use. */
static void open_old(Run *run)
{
    CliFolderUpdate *update = run->update;
    SutraError err;
    bool found = false;
    if (getrandom(&run->seed, sizeof run->seed, 0) != sizeof run->seed) run->seed = 1;
    if (!update->path || update->remake) return;
    SutraStatus status = cli_index_open(update->path, &run->old, &found, &err);
    if (status != SUTRA_OK) {
        cli_message("warning: %s; it is made again", err.message);
    } else if (found && strcmp(run->old.recipe, update->recipe) != 0) {
        cli_message("%s: of another folder, model or options; it is made again", update->path);
        cli_index_close(&run->old);
    } else if (found) {
        run->seed = run->old.seed;
    }
}

static void keep_entry(Entry *entry, const CliFolderIndex *old)
{
    entry->state = KEPT;
    entry->out.file = *entry->old;
    entry->out.chunks = old->chunks + entry->old->first_chunk;
    entry->out.first_row = entry->old->first_chunk;
}

static bool is_text(const CliIndexFile *file) { return file && file->kind == CLI_FILE_TEXT; }

/* Both lists are sorted. */
static void compare(Run *run)
{
    const CliFolderIndex *old = &run->old;
    size_t o = 0;
    for (size_t i = 0; i < run->scan.count; i++) {
        const CliScanFile *file = &run->scan.files[i];
        Entry *entry = &run->entries[i];
        entry->out.name = file->name;
        int order = 1;
        for (; o < old->num_files; o++) {
            order = strcmp(old->names + old->files[o].name, file->name);
            if (order >= 0) break;
            run->update->counts.removed += is_text(&old->files[o]);
            run->dirty = true;
        }
        if (o < old->num_files && order == 0) entry->old = &old->files[o++];
        entry->state = TO_READ;
        if (entry->old && !entry->old->racy && entry->old->kind != CLI_FILE_PARTIAL &&
            cli_facts_equal(&entry->old->facts, &file->facts))
            keep_entry(entry, old);
        else
            run->total_bytes += file->facts.size;
    }
    for (; o < old->num_files; o++) {
        run->update->counts.removed += is_text(&old->files[o]);
        run->dirty = true;
    }
}

/* ---- writing ---- */

static bool has_row(const Run *run, uint64_t place)
{
    return !(place & CLI_ROW_FRESH) || (place & ~CLI_ROW_FRESH) < run->feed.done;
}

/* The chunks of an entry that have rows. */
static void take_done(const Run *run, Entry *entry, CliIndexEntry *out)
{
    uint64_t count = 0, all = out->file.num_chunks;
    entry->done_chunks = cli_realloc(entry->done_chunks, all, sizeof *entry->done_chunks);
    entry->done_places = cli_realloc(entry->done_places, all, sizeof *entry->done_places);
    for (uint64_t c = 0; c < all; c++) {
        if (!has_row(run, entry->places[c])) continue;
        entry->done_chunks[count] = entry->chunks[c];
        entry->done_places[count++] = entry->places[c];
    }
    out->chunks = entry->done_chunks;
    out->places = entry->done_places;
    out->file.num_chunks = count;
    out->file.kind = CLI_FILE_PARTIAL;
}

/* What can be written of the entry; false: nothing. */
static bool settle(const Run *run, Entry *entry, CliIndexEntry *out)
{
    *out = entry->out;
    if (entry->state == KEPT || (entry->state == CUT && entry->fresh <= run->feed.done))
        return true;
    if (entry->state == GONE) return false;
    if (entry->places) {
        take_done(run, entry, out);
        return true;
    }
    if (!entry->old) return false;
    Entry before = *entry; /* not yet read: as it was */
    keep_entry(&before, &run->old);
    *out = before.out;
    return true;
}

static CliIndexContent gather_content(const Run *run, CliIndexEntry *entries)
{
    size_t count = 0;
    for (size_t i = 0; i < run->scan.count; i++)
        count += settle(run, &run->entries[i], &entries[count]);
    return (CliIndexContent){.entries = entries,
                             .count = count,
                             .kept = run->old.vectors,
                             .fresh = run->feed.rows,
                             .recipe = run->update->recipe,
                             .dim = run->update->embed.dim,
                             .dtype = run->update->embed.dtype,
                             .seed = run->seed};
}

/* At most so many attempts while another program is writing it. */
static SutraStatus write_index(const Run *run, int attempts, SutraError *err)
{
    const struct timespec pause = {.tv_nsec = BUSY_MS * 1000000L};
    CliIndexEntry *entries = cli_alloc(run->scan.count, sizeof *entries);
    CliIndexContent content = gather_content(run, entries);
    SutraStatus status = SUTRA_E_BUSY;
    for (int i = 0; i < attempts && status == SUTRA_E_BUSY; i++) {
        if (i) nanosleep(&pause, NULL);
        status = cli_index_write(run->update->path, &content, err);
    }
    free(entries);
    return status;
}

/* Keeps what is done, if it is time. An index that can't be written is for the end to say. */
static void keep(Run *run)
{
    const CliFolderUpdate *update = run->update;
    uint64_t now = cli_clock_ns(), rows = run->feed.done - run->kept_rows;
    uint64_t pause = KEEP_FACTOR * run->kept_ns;
    if (!update->path || !rows) return;
    if (update->checkpoint ? rows < update->checkpoint
                           : now - run->kept_at < (pause > KEEP_AFTER ? pause : KEEP_AFTER))
        return;
    SutraError err;
    (void)write_index(run, 1, &err);
    run->kept_at = cli_clock_ns();
    run->kept_ns = run->kept_at - now;
    run->kept_rows = run->feed.done;
}

/* ---- reading ---- */

static uint64_t find_row(Run *run, CliTextHash hash, uint64_t row)
{
    const CliFolderIndex *old = &run->old;
    if (!run->has_places)
        for (size_t c = 0; c < old->num_chunks; c++)
            (void)cli_places_find(&run->places, old->chunks[c].hash, c);
    run->has_places = true;
    return cli_places_find(&run->places, hash, row);
}

/* Puts the file of a row before the message of what failed there. */
static SutraStatus locate(const Run *run, SutraError *err)
{
    const SutraError cause = *err;
    for (size_t i = 0; cause.has_item && i < run->scan.count; i++) {
        const Entry *entry = &run->entries[i];
        for (uint64_t c = 0; entry->places && c < entry->out.file.num_chunks; c++)
            if (entry->places[c] == (CLI_ROW_FRESH | cause.item))
                return cli_raise(err, cause.status, "%s/%s:%llu: %s", run->update->folder,
                                 entry->out.name, (unsigned long long)entry->chunks[c].line,
                                 cause.message + cause.reason);
    }
    return cause.status;
}

/* Where its row lies; it is a new one, of a text that is then to be added, if *added is that. */
static void note_chunk(Run *run, Entry *entry, const SutraChunk *cut, uint64_t line,
                       uint64_t *added)
{
    const CliFolderFile *file = &run->file;
    CliIndexChunk *chunk = &entry->chunks[entry->out.file.num_chunks];
    *chunk = (CliIndexChunk){.begin = cut->begin + file->start,
                             .end = cut->end + file->start,
                             .line = line,
                             .tokens = cut->tokens,
                             .hash = cli_text_hash(run->seed, file->data + file->start + cut->begin,
                                                   (size_t)(cut->end - cut->begin))};
    uint64_t place = find_row(run, chunk->hash, CLI_ROW_FRESH | *added);
    entry->places[entry->out.file.num_chunks++] = place;
    *added += place == (CLI_ROW_FRESH | *added);
    if (place & CLI_ROW_FRESH && (place & ~CLI_ROW_FRESH) >= entry->fresh)
        entry->fresh = (place & ~CLI_ROW_FRESH) + 1;
}

static void begin_feed(Run *run)
{
    const CliFolderUpdate *update = run->update;
    run->feed = (CliRowFeed){.session = update->session,
                             .options = &update->embed,
                             .prompt_name = update->chunk.prompt_name,
                             .row_bytes = sutra_row_bytes(update->embed.dtype, update->embed.dim)};
    cli_feed_begin(&run->feed);
}

/* The texts whose rows are the feed's next ones. */
static SutraStatus add_texts(Run *run, const Entry *entry, SutraError *err)
{
    for (uint64_t c = 0; c < entry->out.file.num_chunks; c++) {
        const CliIndexChunk *chunk = &entry->chunks[c];
        if (entry->places[c] != (CLI_ROW_FRESH | run->feed.added)) continue;
        if (!run->feed.row_bytes) begin_feed(run);
        uint64_t taken = run->feed.taken;
        SutraStatus status = cli_feed_add(&run->feed, run->file.data + chunk->begin,
                                          (size_t)(chunk->end - chunk->begin), err);
        if (status != SUTRA_OK) return locate(run, err);
        if (run->feed.taken == taken) continue;
        cli_progress("chunks", run->feed.done, run->bytes + chunk->end, run->total_bytes);
        keep(run);
    }
    return SUTRA_OK;
}

static uint64_t count_lines(const char *from, const char *to)
{
    uint64_t lines = 0;
    while ((from = memchr(from, '\n', (size_t)(to - from)))) lines++, from++;
    return lines;
}

/* It is not in the index, though it is there. */
static void leave_out(Run *run, Entry *entry)
{
    entry->state = GONE;
    run->dirty = run->dirty || entry->old;
    run->update->counts.removed += is_text(entry->old);
}

/* The chunks of all its regions; freed by free. */
static SutraStatus cut_text(const CliFolderUpdate *update, const char *text, size_t size,
                            SutraChunk **chunks, size_t *count, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    *chunks = NULL;
    *count = 0;
    for (size_t at = 0, end; at < size && status == SUTRA_OK; at = end) {
        SutraChunk *cut = NULL;
        size_t n = 0;
        end = cli_region_end(text, size, at);
        status =
            sutra_chunk(update->session->model, text + at, end - at, &update->chunk, &cut, &n, err);
        if (status == SUTRA_OK) *chunks = cli_realloc(*chunks, *count + n, sizeof **chunks);
        for (size_t i = 0; i < n && status == SUTRA_OK; i++) {
            cut[i].begin += at;
            cut[i].end += at;
            (*chunks)[(*count)++] = cut[i];
        }
        sutra_chunks_free(cut);
    }
    return status;
}

static void note_chunks(Run *run, Entry *entry, const SutraChunk *chunks, size_t count)
{
    const char *text = run->file.data + run->file.start, *at = text;
    uint64_t line = 1, added = run->feed.added;
    entry->chunks = cli_alloc(count, sizeof *entry->chunks);
    entry->places = cli_alloc(count, sizeof *entry->places);
    entry->out.chunks = entry->chunks;
    entry->out.places = entry->places;
    for (size_t i = 0; i < count; i++) {
        line += count_lines(at, text + chunks[i].begin);
        at = text + chunks[i].begin;
        note_chunk(run, entry, &chunks[i], line, &added);
    }
}

static SutraStatus cut_file(Run *run, Entry *entry, SutraError *err)
{
    const CliFolderFile *file = &run->file;
    SutraChunk *chunks;
    size_t count;
    SutraStatus status = cut_text(run->update, file->data + file->start, file->size - file->start,
                                  &chunks, &count, err);
    if (status == SUTRA_OK) {
        note_chunks(run, entry, chunks, count);
        status = add_texts(run, entry, err);
        if (status == SUTRA_OK) entry->state = CUT;
    } else if (status == SUTRA_E_ARGUMENT) { /* of this text; the options are checked */
        cli_message("warning: %s/%s: %s", run->update->folder, entry->out.name, err->message);
        leave_out(run, entry);
        run->update->counts.unreadable++;
        status = SUTRA_OK;
    }
    free(chunks);
    return status;
}

static SutraStatus read_entry(Run *run, Entry *entry, SutraError *err)
{
    CliFolderUpdate *update = run->update;
    CliFolderFile *file = &run->file;
    const CliIndexFile *old = entry->old;
    update->counts.read++;
    if (!cli_folder_file_read(run->scan.fd, entry->out.name, update->max_file_bytes, file)) {
        if (errno != ENOENT) {
            cli_message("warning: %s/%s: %s", update->folder, entry->out.name, strerror(errno));
            update->counts.unreadable++;
        }
        leave_out(run, entry);
        return SUTRA_OK;
    }
    bool text = file->kind == CLI_FILE_TEXT;
    CliIndexFile now = {.facts = file->facts, .kind = file->kind, .racy = file->racy};
    if (text) now.hash = cli_text_hash(run->seed, file->data, file->size);
    if (old && old->kind == now.kind && old->hash.low == now.hash.low &&
        old->hash.high == now.hash.high) {
        if (!cli_facts_equal(&old->facts, &now.facts) || old->racy != now.racy) run->dirty = true;
        keep_entry(entry, &run->old);
        entry->out.file.facts = now.facts;
        entry->out.file.racy = now.racy;
        return SUTRA_OK;
    }
    run->dirty = true;
    entry->out.file = now;
    if (!text) entry->state = CUT;
    SutraStatus status = text ? cut_file(run, entry, err) : SUTRA_OK;
    if (entry->state == GONE) return status;
    update->counts.new_files += text && !is_text(old);
    update->counts.changed += text && is_text(old);
    update->counts.removed += !text && is_text(old);
    return status;
}

static SutraStatus read_all(Run *run, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    bool more = true;
    for (size_t i = 0; i < run->scan.count && status == SUTRA_OK; i++) {
        if (run->entries[i].state != TO_READ) continue;
        status = read_entry(run, &run->entries[i], err);
        run->bytes += run->scan.files[i].facts.size;
    }
    while (status == SUTRA_OK && more && run->feed.row_bytes) {
        status = cli_feed_take(&run->feed, &more, err);
        if (status != SUTRA_OK) return locate(run, err);
        if (!more) break;
        cli_progress("chunks", run->feed.done, run->bytes, run->total_bytes);
        keep(run);
    }
    return status;
}

/* ---- the whole ---- */

static void count(Run *run, const CliFolderIndex *index)
{
    CliFolderCounts *counts = &run->update->counts;
    for (size_t i = 0; i < index->num_files; i++) {
        counts->files += index->files[i].kind == CLI_FILE_TEXT;
        counts->binary += index->files[i].kind == CLI_FILE_BINARY;
        counts->large += index->files[i].kind == CLI_FILE_LARGE;
    }
    counts->unreadable += run->scan.unreadable;
    counts->chunks = index->num_chunks;
    counts->embedded = run->feed.done;
    counts->tokens = run->feed.tokens;
}

/* Writes the new index, and opens it; what can't be written is in memory. */
static void finish(Run *run, CliFolderIndex *index)
{
    const CliFolderUpdate *update = run->update;
    SutraError err;
    bool found = false;
    if (update->path) {
        SutraStatus status = write_index(run, BUSY_ATTEMPTS, &err);
        if (status == SUTRA_OK) status = cli_index_open(update->path, index, &found, &err);
        /* another program's may have come in its place */
        if (status == SUTRA_OK && found && index->seed == run->seed &&
            strcmp(index->recipe, update->recipe) == 0)
            return;
        cli_index_close(index);
        if (status != SUTRA_OK) cli_message("warning: the index was not kept: %s", err.message);
    }
    CliIndexEntry *entries = cli_alloc(run->scan.count, sizeof *entries);
    CliIndexContent content = gather_content(run, entries);
    cli_index_gather(&content, index);
    free(entries);
}

SutraStatus cli_folder_update(CliFolderUpdate *update, CliFolderIndex *index, SutraError *err)
{
    uint64_t begun = cli_clock_ns();
    Run run = {.update = update, .scan = {.fd = -1}, .kept_at = begun};
    *index = (CliFolderIndex){.map = NULL};
    update->counts = (CliFolderCounts){.files = 0};
    SutraStatus status = cli_folder_scan(update->folder, &update->scan, &run.scan, err);
    if (status == SUTRA_OK) {
        run.entries = cli_alloc(run.scan.count, sizeof *run.entries);
        open_old(&run);
        compare(&run);
        cli_progress_begin();
        status = read_all(&run, err);
        cli_progress_clear();
    }
    if (status == SUTRA_OK && !run.dirty && run.old.map) {
        *index = run.old;
        run.old = (CliFolderIndex){.map = NULL};
    } else if (status == SUTRA_OK) {
        finish(&run, index);
    } else if (run.feed.done > run.kept_rows && update->path) {
        SutraError ignored;
        (void)write_index(&run, 1, &ignored);
    }
    if (status == SUTRA_OK) count(&run, index);
    update->counts.seconds = (double)(cli_clock_ns() - begun) / 1e9;
    for (size_t i = 0; i < run.scan.count && run.entries; i++) {
        free(run.entries[i].chunks);
        free(run.entries[i].places);
        free(run.entries[i].done_chunks);
        free(run.entries[i].done_places);
    }
    free(run.entries);
    cli_places_free(&run.places);
    cli_feed_end(&run.feed);
    cli_folder_file_free(&run.file);
    cli_index_close(&run.old);
    cli_folder_scan_free(&run.scan);
    return status;
}
