/* unpack_gzip.c - gzip members (RFC 1952) by zlib, which checks length and CRC of each. */
#include "console.h"
#include "unpacker.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum { GZIP_ONLY = 16 };

static void *gzip_open(void)
{
    z_stream *stream = cli_alloc(1, sizeof *stream);
    if (inflateInit2(stream, MAX_WBITS + GZIP_ONLY) == Z_OK) return stream;
    free(stream);
    return NULL;
}

static void gzip_begin(void *state) { inflateReset(state); }

static void gzip_close(void *state)
{
    inflateEnd(state);
    free(state);
}

static uInt limited(size_t size) { return size < INT_MAX ? (uInt)size : INT_MAX; }

static SutraStatus gzip_step(void *state, CliUnpackStep *step, SutraError *err)
{
    z_stream *stream = state;
    uInt in_size = limited(step->in_size), out_size = limited(step->out_size);
    stream->next_in = (Bytef *)step->in;
    stream->avail_in = in_size;
    stream->next_out = step->out;
    stream->avail_out = out_size;
    int code = inflate(stream, Z_NO_FLUSH);
    step->in_size = in_size - stream->avail_in;
    step->out_size = out_size - stream->avail_out;
    step->ended = code == Z_STREAM_END;
    if (code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR) return SUTRA_OK;
    if (code == Z_MEM_ERROR) return cli_raise(err, SUTRA_E_MEMORY, "out of memory");
    return cli_raise(err, SUTRA_E_FORMAT, "damaged gzip data (%s)",
                     stream->msg ? stream->msg : "not gzip");
}

const CliUnpacker cli_gzip_unpacker = {"gzip",    "member",   "\x1f\x8b", 2,
                                       gzip_open, gzip_begin, gzip_step,  gzip_close};
