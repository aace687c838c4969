#include "reading_thread.h"

#include "atomic_file.h"
#include "console.h"

#include <fcntl.h>
#include <unistd.h>

SutraStatus cli_reading_start(CliReadingThread *reading, CliSource *source, void *(*read)(void *),
                              void *user, SutraError *err)
{
    reading->source = source;
    if (pipe2(reading->stop_pipe, O_CLOEXEC) != 0)
        return cli_raise(err, SUTRA_E_LIMIT, "no pipe for the thread that reads %s", source->name);
    source->stop_fd = reading->stop_pipe[0];
    cli_hold_signals(true);
    int failed = pthread_create(&reading->thread, NULL, read, user);
    cli_hold_signals(false);
    if (!failed) return SUTRA_OK;
    source->stop_fd = -1;
    close(reading->stop_pipe[0]);
    close(reading->stop_pipe[1]);
    return cli_raise(err, SUTRA_E_LIMIT, "could not start the thread that reads %s", source->name);
}

void cli_reading_stop(CliReadingThread *reading)
{
    close(reading->stop_pipe[1]);
    pthread_join(reading->thread, NULL);
    reading->source->stop_fd = -1;
    close(reading->stop_pipe[0]);
}
