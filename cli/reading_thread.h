/* reading_thread.h - a thread that reads a source while its starter does other things. It leaves
 * signals to the main thread; a pipe ends its wait for input. */
#ifndef CLI_READING_THREAD_H
#define CLI_READING_THREAD_H

#include "byte_source.h"

#include <pthread.h>

typedef struct CliReadingThread {
    CliSource *source;
    pthread_t thread;
    int stop_pipe[2];
} CliReadingThread;

/* Runs read(user), which reads `source`. Errors: LIMIT. */
SutraStatus cli_reading_start(CliReadingThread *reading, CliSource *source, void *(*read)(void *),
                              void *user, SutraError *err);

/* Ends its wait for input, and waits until read has returned. */
void cli_reading_stop(CliReadingThread *reading);

#endif
