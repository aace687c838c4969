/* record_fields.h - a record of text_reader.h to its text and its id. */
#ifndef CLI_RECORD_FIELDS_H
#define CLI_RECORD_FIELDS_H

#include "text_reader.h"

/* By the name's ending, ".gz" and ".zst" left aside; never CLI_LAYOUT_GUESS. */
CliLayout cli_layout_of(const char *path, bool has_field);

/* Finds the columns in the first of separated records. Errors: FORMAT, naming file and columns. */
SutraStatus cli_record_columns(CliReader *reader, char *record, size_t size, SutraError *err);

/* Makes the span of a record that of its text, and sets its id. Errors, without file and line:
 * ARGUMENT (not valid UTF-8), FORMAT. */
SutraStatus cli_record_fields(const CliReader *reader, CliSpan *span, SutraError *err);

#endif
