#include "chunk_stream.h"

#include "atomic_file.h"
#include "console.h"
#include "reading_thread.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 64 * 1024 };

/* The reading thread's side. */
typedef struct Reading {
    CliSource *source;
    SutraStream *stream;
    CliTimes *times;
    uint64_t last;             /* lap of its thread */
    _Atomic uint64_t position; /* in the file, of what was pushed */
    SutraStatus status; /* of reading alone: what the stream says, it says to who takes, too */
    SutraError err;
} Reading;

static void read_piece(Reading *reading, char *piece, size_t *size)
{
    CliSource *source = reading->source;
    uint64_t read = source->read_ns, unpack = source->unpack_ns;
    reading->status = cli_source_read(source, piece, PIECE, size, &reading->err);
    read = source->read_ns - read;
    unpack = source->unpack_ns - unpack;
    reading->times->read += read;
    reading->times->unpack += unpack;
    reading->last += read + unpack;
}

static void *read_pieces(void *arg)
{
    Reading *reading = arg;
    CliSource *source = reading->source;
    char *piece = cli_alloc(PIECE, 1);
    SutraStatus pushed = SUTRA_OK;
    while (!source->ended && reading->status == SUTRA_OK && pushed == SUTRA_OK) {
        size_t size = 0;
        read_piece(reading, piece, &size);
        if (reading->status != SUTRA_OK) continue;
        if (size == 0 && source->silent)
            pushed = sutra_stream_flush(reading->stream, NULL);
        else
            pushed = sutra_stream_push(reading->stream, piece, size, UINT64_MAX, NULL, NULL);
        reading->position = cli_source_position(source);
        cli_lap(&reading->last, &reading->times->cut);
    }
    free(piece);
    if (pushed == SUTRA_OK) sutra_stream_finish(reading->stream, NULL);
    cli_lap(&reading->last, &reading->times->cut);
    reading->times->reader_cpu = cli_ns_of(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* ---- the caller's thread ---- */

static SutraStatus end_line(const CliChunkStream *stream, const void *row, SutraError *err)
{
    CliOutput *output = stream->writer->output;
    cli_row_as_text(stream->writer, row);
    cli_output_write(output, "]}\n", 3);
    if (output->slot < 0) return cli_output_flush(output, err);
    if (output->status != SUTRA_OK) *err = output->err;
    return output->status;
}

static SutraStatus write_chunk(const CliChunkStream *stream, const SutraStreamChunk *chunk,
                               SutraError *err)
{
    cli_output_print(stream->writer->output,
                     "{\"chunk\":%llu,\"begin\":%llu,\"end\":%llu,\"tokens\":%u,\"embedding\":[",
                     (unsigned long long)chunk->number, (unsigned long long)chunk->chunk.begin,
                     (unsigned long long)chunk->chunk.end, chunk->chunk.tokens);
    return end_line(stream, chunk->vector, err);
}

/* Puts the input's name, and where in it a chunk lies that failed, before the message. */
static SutraStatus locate(const CliChunkStream *stream, const SutraStreamChunk *chunk,
                          SutraError *err)
{
    const SutraError cause = *err;
    if (chunk && chunk->text)
        return cli_raise(err, cause.status, "%s: bytes %llu to %llu: %s", stream->source->name,
                         (unsigned long long)chunk->chunk.begin,
                         (unsigned long long)chunk->chunk.end, cause.message);
    return cli_raise(err, cause.status, "%s: %s", stream->source->name, cause.message);
}

/* Chunks that came out, until their times are added up: batches are told apart among many. */
typedef struct Items {
    SutraItem items[64];
    size_t count;
} Items;

static void add_up(CliChunkStream *stream, Items *done)
{
    cli_times_add(&stream->times, done->items, done->count);
    done->count = 0;
}

static void count_chunk(CliChunkStream *stream, const SutraStreamChunk *chunk, Items *done)
{
    if (done->count == sizeof done->items / sizeof *done->items) add_up(stream, done);
    done->items[done->count++] = chunk->item;
    stream->totals.texts++;
    stream->totals.tokens_seen += chunk->chunk.tokens;
    stream->totals.tokens_used += chunk->chunk.tokens;
}

static SutraStatus write_chunks(CliChunkStream *stream, const Reading *reading, uint64_t *last,
                                SutraError *err)
{
    Items done = {.count = 0};
    SutraStatus status = SUTRA_OK;
    while (status == SUTRA_OK) {
        SutraStreamChunk chunk = {.struct_size = sizeof chunk};
        status = sutra_stream_next(reading->stream, UINT64_MAX, &chunk, err);
        cli_lap(last, &stream->times.wait_rows);
        if (status == SUTRA_E_END) break;
        if (status != SUTRA_OK) {
            locate(stream, &chunk, err);
            break;
        }
        count_chunk(stream, &chunk, &done);
        status = write_chunk(stream, &chunk, err);
        if (!stream->quiet)
            cli_progress("chunks", stream->totals.texts, reading->position,
                         stream->source->total_bytes);
        cli_lap(last, &stream->times.take);
    }
    add_up(stream, &done);
    return status == SUTRA_E_END ? SUTRA_OK : status;
}

static SutraStatus write_aggregate(const CliChunkStream *stream, SutraStream *chunks,
                                   SutraError *err)
{
    static const char *const names[] = {"mean", "max", "length", "center", "last"};
    SutraStreamStats stats = {.struct_size = sizeof stats};
    size_t row_bytes = stream->writer->row_bytes;
    unsigned char *row = cli_alloc(row_bytes, 1);
    SutraStatus status = sutra_stream_aggregate(chunks, row, row_bytes, err);
    if (status == SUTRA_OK) status = sutra_stream_stats(chunks, &stats, err);
    if (status != SUTRA_OK) {
        free(row);
        return locate(stream, NULL, err);
    }
    cli_output_print(stream->writer->output,
                     "{\"aggregate\":\"%s\",\"chunks\":%llu,\"tokens\":%llu,\"embedding\":[",
                     names[stream->options->aggregate], (unsigned long long)stats.chunks,
                     (unsigned long long)stats.tokens);
    status = end_line(stream, row, err);
    free(row);
    return status;
}

/* With a thread that reads. */
static SutraStatus read_and_write(CliChunkStream *stream, Reading *reading, uint64_t *last,
                                  SutraError *err)
{
    CliReadingThread thread;
    SutraStatus status = cli_reading_start(&thread, stream->source, read_pieces, reading, err);
    if (status != SUTRA_OK) return status;
    status = write_chunks(stream, reading, last, err);
    if (status != SUTRA_OK) sutra_stream_cancel(reading->stream);
    cli_reading_stop(&thread);
    cli_progress_clear();
    if (status != SUTRA_OK || reading->status == SUTRA_OK) return status;
    *err = reading->err;
    return reading->status == SUTRA_E_IO ? reading->status : locate(stream, NULL, err);
}

/* Of the time for pushing, that for which the stream was full. */
static void take_out_waits(CliTimes *times, SutraStream *chunks)
{
    SutraStreamStats stats = {.struct_size = sizeof stats};
    if (sutra_stream_stats(chunks, &stats, NULL) != SUTRA_OK) return;
    times->wait_room = stats.push_wait_ns < times->cut ? stats.push_wait_ns : times->cut;
    times->cut -= times->wait_room;
}

SutraStatus cli_chunk_stream(CliChunkStream *stream, SutraError *err)
{
    uint64_t begun = cli_clock_ns(), last = begun, cpu = cli_ns_of(CLOCK_THREAD_CPUTIME_ID);
    Reading reading = {.source = stream->source, .times = &stream->times, .last = begun};
    cli_progress_begin();
    SutraStatus status = sutra_stream_open(stream->session->engine, stream->session->model,
                                           stream->options, &reading.stream, err);
    if (status == SUTRA_OK) status = read_and_write(stream, &reading, &last, err);
    if (status == SUTRA_OK && stream->aggregate)
        status = write_aggregate(stream, reading.stream, err);
    if (reading.stream) take_out_waits(&stream->times, reading.stream);
    sutra_stream_free(reading.stream);
    cli_lap(&last, &stream->times.take);
    stream->totals.chunks = true;
    stream->times.threaded = true;
    stream->times.text_bytes = stream->source->text_bytes;
    stream->times.caller_cpu = cli_ns_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    stream->times.stream = last - begun;
    return status;
}
