/* line_queue.h - lines to standard error by a thread of its own, so that who reads them slowly, or
 * not at all, holds up nobody: what there is no room for is left out, and the next line that fits
 * says how many were. A full disk or a closed pipe loses lines and nothing else. */
#ifndef CLI_LINE_QUEUE_H
#define CLI_LINE_QUEUE_H

#include "sutra.h"

typedef struct CliLineQueue CliLineQueue;

/* NULL: *err says why. */
CliLineQueue *cli_lines_open(SutraError *err);
/* Any thread. A newline is added; control characters become "?". */
void cli_lines_add(CliLineQueue *queue, const char *line);
/* What is there is written, as long as somebody takes it within a second. NULL is legal. */
void cli_lines_close(CliLineQueue *queue);

#endif
