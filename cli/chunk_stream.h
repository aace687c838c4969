/* chunk_stream.h - a text that comes in as bytes goes out as a line of JSON a chunk.
 *
 *   reading thread            the stream (sutra.h)        the caller's thread
 *   read, unpack ──► push ──► chunks at the engine ──► next ──► a line, handed on at once
 *   silence      ──► flush
 *
 *   {"chunk":0,"begin":0,"end":812,"tokens":251,"embedding":[…]}
 *   {"aggregate":"mean","chunks":12,"tokens":2930,"embedding":[…]}   last, if asked for */
#ifndef CLI_CHUNK_STREAM_H
#define CLI_CHUNK_STREAM_H

#include "byte_source.h"
#include "embed_stream.h"
#include "row_writer.h"

typedef struct CliChunkStream {
    const CliSession *session;
    const SutraStreamOptions *options;
    CliSource *source;
    CliRowWriter *writer; /* begun, as jsonl */
    bool aggregate;       /* write it, as options->aggregate says */
    bool quiet;           /* no progress: lines go to the same terminal */
    CliTotals totals;     /* of chunks */
    CliTimes times;       /* cut: into chunks, which takes pushing and taking, part of wait_rows */
} CliChunkStream;

/* Lines of all chunks before a failure are written. Where the source falls silent, the text so far
 * is cut into chunks. Errors name the input. */
SutraStatus cli_chunk_stream(CliChunkStream *stream, SutraError *err);

#endif
