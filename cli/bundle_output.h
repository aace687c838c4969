/* bundle_output.h - .sutra and .onnx files that a command writes, and what is said of them. */
#ifndef CLI_BUNDLE_OUTPUT_H
#define CLI_BUNDLE_OUTPUT_H

#include "sutra_tools.h"

#include <stdbool.h>

bool cli_is_bundle_name(const char *path);
bool cli_is_onnx_name(const char *path);

/* Can `output` be written from the model at `input`? Errors: IO (a folder), ARGUMENT (the model
 * itself). */
SutraStatus cli_bundle_check(const char *input, const char *output, SutraError *err);

/* Opens a model that was written or verified and prints its path, size and digest, and the tables
 * of a report, which may be NULL. */
SutraStatus cli_print_bundle(const char *path, bool json, const SutraBenchReport *report,
                             SutraError *err);
/* Prints the path and size of an ONNX file that was written. Errors: IO. */
SutraStatus cli_print_onnx(const char *path, bool json, SutraError *err);

#endif
