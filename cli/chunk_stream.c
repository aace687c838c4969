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
    SutraStatus status; /* of reading alone: what the stream says, it says to who takes, too */
    SutraError err;
} Reading;

static void *read_pieces(void *arg)
{
    Reading *reading = arg;
    CliSource *source = reading->source;
    char *piece = cli_alloc(PIECE, 1);
    SutraStatus pushed = SUTRA_OK;
    while (!source->ended && reading->status == SUTRA_OK && pushed == SUTRA_OK) {
        size_t size = 0;
        reading->status = cli_source_read(source, piece, PIECE, &size, &reading->err);
        if (reading->status == SUTRA_OK)
            pushed = sutra_stream_push(reading->stream, piece, size, UINT64_MAX, NULL, NULL);
    }
    free(piece);
    if (pushed == SUTRA_OK) sutra_stream_finish(reading->stream, NULL);
    return NULL;
}

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

static SutraStatus write_chunks(const CliChunkStream *stream, SutraStream *chunks, SutraError *err)
{
    for (;;) {
        SutraStreamChunk chunk = {.struct_size = sizeof chunk};
        SutraStatus status = sutra_stream_next(chunks, UINT64_MAX, &chunk, err);
        if (status == SUTRA_E_END) return SUTRA_OK;
        if (status != SUTRA_OK) return locate(stream, &chunk, err);
        status = write_chunk(stream, &chunk, err);
        if (status != SUTRA_OK) return status;
    }
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

SutraStatus cli_chunk_stream(const CliChunkStream *stream, SutraError *err)
{
    Reading reading = {.source = stream->source};
    SutraStatus status = sutra_stream_open(stream->session->engine, stream->session->model,
                                           stream->options, &reading.stream, err);
    if (status == SUTRA_OK) {
        CliReadingThread thread;
        status = cli_reading_start(&thread, stream->source, read_pieces, &reading, err);
        if (status == SUTRA_OK) {
            status = write_chunks(stream, reading.stream, err);
            if (status != SUTRA_OK) sutra_stream_cancel(reading.stream);
            cli_reading_stop(&thread);
        }
    }
    if (status == SUTRA_OK && reading.status != SUTRA_OK) {
        *err = reading.err;
        status = reading.status == SUTRA_E_IO ? reading.status : locate(stream, NULL, err);
    }
    if (status == SUTRA_OK && stream->aggregate)
        status = write_aggregate(stream, reading.stream, err);
    sutra_stream_free(reading.stream);
    return status;
}
