/* ranges_option.h - --ranges, --calibrate and --save-ranges: the ranges of int8 and uint8 vectors.
 */
#ifndef CLI_RANGES_OPTION_H
#define CLI_RANGES_OPTION_H

#include "model_session.h"

/* Reads the ranges that args name, or embeds the calibration texts with *options and takes theirs,
 * which are saved if asked; sets options->ranges. *ranges [2, dim] is freed by free once the
 * options are not used any more; NULL: none were asked for. options: of cli_embed_plan. files
 * [num_files]: what else the command reads and writes, or NULL among them: ranges are not saved
 * over one of those. Errors: IO, FORMAT (not an array of that shape), ARGUMENT (no texts; NaN; such
 * a file), those of cli_embed_stream. */
SutraStatus cli_settle_ranges(const CliSession *session, const CliEmbedArgs *args,
                              SutraEmbedOptions *options, const char *const *files,
                              size_t num_files, float **ranges, SutraError *err);

#endif
