/* sqlite_options.h - options of a call: a JSON object, with the names that `sutra embed` has.
 *
 *   dim            number    keep the first elements, then normalise
 *   dtype          word      float32 float16 int8 uint8 binary ubinary
 *   max_tokens     number    longest text
 *   long_text      word      truncate error window
 *   normalize      boolean   false: leave the vectors' lengths as they are
 *   prompt_name    text      a prompt of the model; "": none */
#ifndef SQLITE_OPTIONS_H
#define SQLITE_OPTIONS_H

#include "sqlite_extension.h"

typedef struct SqlOptions {
    SutraEmbedOptions embed;
    char *prompt_name; /* NULL: not given; freed by sqlite3_free */
} SqlOptions;

/* A value that is NULL is no options. Errors: ARGUMENT, LIMIT (64 KiB), MEMORY; then options holds
 * nothing. */
SutraStatus sql_options_read(sqlite3_value *value, SqlOptions *options, SutraError *err);
void sql_options_clear(SqlOptions *options);

/* The bytes of one vector of a model. Errors: ARGUMENT (a dim that the model has not). */
SutraStatus sql_row_bytes(const SqlModel *model, const SqlOptions *options, size_t *size,
                          SutraError *err);

/* Whether a text may go through as it is: ARGUMENT where the model wants a prompt before every
 * text, none was chosen, and the text begins with none. */
SutraStatus sql_check_prompt(const SqlModel *model, const SqlOptions *options, const char *text,
                             size_t size, SutraError *err);

#endif
