/* console.h - what the program says besides its data: one-line messages on standard error, and
 * progress on a terminal.
 *
 * Messages are one line each, whatever file names and texts they quote: control characters are
 * replaced. Progress is drawn only when standard error is a terminal, at most four times a second,
 * and erased before a message. Messages may come from any thread, progress from one. */
#ifndef CLI_CONSOLE_H
#define CLI_CONSOLE_H

#include "sutra.h"

/* Exit codes. A signal's is 128 + its number. */
enum { CLI_DONE = 0, CLI_FAILURE = 1, CLI_USAGE = 2 };

/* "sutra: …" */
void cli_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same; returns CLI_FAILURE. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "sutra COMMAND: … (see sutra COMMAND --help)"; returns CLI_USAGE. */
int cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fills *err and returns `status`. */
SutraStatus cli_raise(SutraError *err, SutraStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Rates are since this was called. */
void cli_progress_begin(void);
/* "12345 texts  37%  812/s  ETA 1:05", of what is counted; total_bytes 0: neither percentage nor
 * ETA. */
void cli_progress(const char *what, uint64_t count, uint64_t bytes, uint64_t total_bytes);
/* Any other line of progress. */
void cli_progress_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_progress_clear(void);

/* Memory of malloc; ends the program with a message when there is none. */
void *cli_alloc(size_t count, size_t size);
void *cli_realloc(void *memory, size_t count, size_t size);
char *cli_strdup(const char *text);

#endif
