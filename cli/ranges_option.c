#include "ranges_option.h"

#include "console.h"
#include "embed_stream.h"
#include "read_npy.h"
#include "row_writer.h"
#include "same_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* rows 0 and 1: the ranges so far; rows 2 and 3: those of a block */
typedef struct Calibration {
    float *rows; /* [4, dim] */
    uint32_t dim;
    bool begun;
} Calibration;

static SutraStatus take_block(void *user, const CliBlock *block, const SutraResultView *view,
                              SutraError *err)
{
    Calibration *all = user;
    float *of_block = all->rows + 2 * (size_t)all->dim;
    (void)block;
    SutraStatus status = sutra_ranges(view->data, view->num_items, all->dim, of_block, err);
    if (status != SUTRA_OK) return status;
    float *merged = cli_alloc(2 * (size_t)all->dim, sizeof *merged);
    status =
        sutra_ranges(all->begun ? all->rows : of_block, all->begun ? 4 : 2, all->dim, merged, err);
    memcpy(all->rows, merged, 2 * (size_t)all->dim * sizeof *merged);
    free(merged);
    all->begun = true;
    return status;
}

/* The options that the vectors get, but as floats. */
static SutraStatus calibrate(const CliSession *session, const CliEmbedArgs *args,
                             const SutraEmbedOptions *options, Calibration *all, SutraError *err)
{
    SutraEmbedOptions as_floats = *options;
    CliReader reader = {.source = {.fd = -1}};
    CliEmbedStream stream = {.session = session,
                             .options = &as_floats,
                             .prompt_name = args->prompt_name,
                             .reader = &reader};
    as_floats.dtype = SUTRA_F32;
    SutraStatus status = cli_reader_open(&reader, args->calibrate, NULL, err);
    if (status == SUTRA_OK) status = cli_embed_stream(&stream, take_block, all, err);
    cli_reader_close(&reader);
    if (status != SUTRA_OK) return status;
    if (!all->begun)
        return cli_raise(err, SUTRA_E_ARGUMENT, "%s: no texts to calibrate with", args->calibrate);
    cli_report_long(&stream.totals,
                    options->max_tokens ? options->max_tokens : session->info.max_tokens);
    return SUTRA_OK;
}

static SutraStatus save(CliOutput *output, const float *ranges, uint32_t dim, SutraError *err)
{
    CliRowWriter writer = {.output = output, .dtype = SUTRA_F32, .expected = 2};
    SutraResultView view = {.struct_size = sizeof view,
                            .dim = dim,
                            .num_items = 2,
                            .row_bytes = dim * sizeof *ranges,
                            .data = ranges};
    cli_rows_begin(&writer, CLI_FORMAT_NPY, dim);
    cli_rows_write(&writer, &view);
    cli_rows_end(&writer);
    return cli_output_commit(output, err);
}

/* Opened before anything is computed. */
static SutraStatus open_saved(const CliEmbedArgs *args, const char *const *files, size_t num_files,
                              CliOutput *output, SutraError *err)
{
    const char *path = args->save_ranges;
    bool taken = strcmp(path, "-") == 0 || cli_is_same_file(path, args->calibrate);
    for (size_t i = 0; i < num_files; i++)
        taken = taken || (files[i] && cli_is_same_file(path, files[i]));
    if (taken)
        return cli_raise(err, SUTRA_E_ARGUMENT,
                         "--save-ranges %s: give a file of its own, not one that is read or "
                         "written otherwise",
                         path);
    return cli_output_open(output, path, false, err);
}

/* A request without texts checks the ranges; `source` is the file that they come from. */
static SutraStatus check(const CliSession *session, const SutraEmbedOptions *options,
                         const char *source, SutraError *err)
{
    SutraResult *result = NULL;
    SutraError reason = {0};
    SutraStatus status =
        sutra_embed(session->engine, session->model, NULL, 0, options, &result, &reason);
    sutra_result_free(result);
    if (status == SUTRA_OK) return SUTRA_OK;
    return cli_raise(err, status, "%s: %s", source, reason.message);
}

SutraStatus cli_settle_ranges(const CliSession *session, const CliEmbedArgs *args,
                              SutraEmbedOptions *options, const char *const *files,
                              size_t num_files, float **ranges, SutraError *err)
{
    *ranges = NULL;
    SutraStatus status = SUTRA_OK;
    CliOutput saved = {0};
    uint32_t dim = options->dim ? options->dim : session->info.dim;
    if (args->save_ranges) status = open_saved(args, files, num_files, &saved, err);
    if (status == SUTRA_OK && args->ranges) {
        status = cli_read_npy(args->ranges, 2, dim, ranges, err);
    } else if (status == SUTRA_OK && args->calibrate) {
        Calibration all = {.rows = cli_alloc(4 * (size_t)dim, sizeof *all.rows), .dim = dim};
        *ranges = all.rows;
        status = calibrate(session, args, options, &all, err);
    }
    if (status == SUTRA_OK && *ranges) {
        options->ranges = *ranges;
        status = check(session, options, args->ranges ? args->ranges : args->calibrate, err);
    }
    if (status == SUTRA_OK && args->save_ranges) status = save(&saved, *ranges, dim, err);
    cli_output_abort(&saved);
    if (status == SUTRA_OK) return SUTRA_OK;
    free(*ranges);
    *ranges = NULL;
    options->ranges = NULL;
    return status;
}
