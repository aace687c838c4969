/* unpack_zstd.c - zstd frames (RFC 8878), skippable ones too; checksums are checked where frames
 * have them. Frames that need more than 128 MiB for their window are refused. */
#include "console.h"
#include "unpacker.h"

#include <zstd.h>
#include <zstd_errors.h>

enum { WINDOW_LOG = 27 };

static void *zstd_open(void)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context) (void)ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG);
    return context;
}

static void zstd_begin(void *state) { (void)ZSTD_DCtx_reset(state, ZSTD_reset_session_only); }

static void zstd_close(void *state) { (void)ZSTD_freeDCtx(state); }

static SutraStatus zstd_step(void *state, CliUnpackStep *step, SutraError *err)
{
    ZSTD_inBuffer in = {.src = step->in, .size = step->in_size};
    ZSTD_outBuffer out = {.dst = step->out, .size = step->out_size};
    size_t code = ZSTD_decompressStream(state, &out, &in);
    step->in_size = in.pos;
    step->out_size = out.pos;
    step->ended = code == 0;
    if (!ZSTD_isError(code)) return SUTRA_OK;
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        return cli_raise(
            err, SUTRA_E_LIMIT,
            "a zstd frame needs a window of more than 128 MiB to unpack (zstd --long); "
            "pack the text without that");
    case ZSTD_error_memory_allocation:
        return cli_raise(err, SUTRA_E_MEMORY, "out of memory");
    default:
        return cli_raise(err, SUTRA_E_FORMAT, "damaged zstd data (%s)", ZSTD_getErrorName(code));
    }
}

const CliUnpacker cli_zstd_unpacker = {"zstd",    "frame",    "\x28\xb5\x2f\xfd", 4,
                                       zstd_open, zstd_begin, zstd_step,          zstd_close};
