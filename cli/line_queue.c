#include "line_queue.h"

#include "atomic_file.h"
#include "console.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A pipe that is ready takes PIECE bytes without waiting (PIPE_BUF). */
enum { ROOM = 1 << 18, PIECE = 4096, LAST_WAIT_MS = 1000, NOTE = 80 };

struct CliLineQueue {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char bytes[ROOM]; /* a ring: `used` bytes from `begin` on */
    size_t begin, used;
    uint64_t lost;
    bool ends;
};

static void put(CliLineQueue *queue, const char *line, size_t size)
{
    size_t place = (queue->begin + queue->used) % ROOM;
    for (size_t i = 0; i <= size; i++) {
        unsigned char c = i < size ? (unsigned char)line[i] : '\n';
        queue->bytes[place] = (char)(i < size && (c < 0x20 || c == 0x7f) ? '?' : c);
        place = (place + 1) % ROOM;
    }
    queue->used += size + 1;
}

/* Where lines were lost says how many. */
static void put_note(CliLineQueue *queue)
{
    char note[NOTE];
    int size = snprintf(note, sizeof note, "sutra: %llu lines of the log are missing here",
                        (unsigned long long)queue->lost);
    if (queue->lost == 0 || NOTE > ROOM - queue->used) return;
    put(queue, note, (size_t)size);
    queue->lost = 0;
}

void cli_lines_add(CliLineQueue *queue, const char *line)
{
    size_t size = strlen(line);
    pthread_mutex_lock(&queue->lock);
    if (size + 1 + NOTE > ROOM - queue->used) {
        queue->lost++;
    } else {
        put_note(queue);
        put(queue, line, size);
        pthread_cond_signal(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
}

static bool must_end(CliLineQueue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool ends = queue->ends;
    pthread_mutex_unlock(&queue->lock);
    return ends;
}

/* Until somebody takes more; false: it is to end, and nobody does. */
static bool wait_for_room(CliLineQueue *queue)
{
    struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
    for (;;) {
        bool ends = must_end(queue);
        int ready = poll(&stream, 1, LAST_WAIT_MS);
        if (ready != 0) return ready > 0 || errno == EINTR;
        if (ends) return false;
    }
}

static void *write_lines(void *given)
{
    CliLineQueue *queue = given;
    pthread_mutex_lock(&queue->lock);
    for (;;) {
        while (queue->used == 0 && !queue->ends) pthread_cond_wait(&queue->changed, &queue->lock);
        if (queue->used == 0) break;
        size_t piece = queue->used < PIECE ? queue->used : PIECE;
        if (piece > ROOM - queue->begin) piece = ROOM - queue->begin;
        const char *from = queue->bytes + queue->begin;
        pthread_mutex_unlock(&queue->lock);
        if (!wait_for_room(queue)) return NULL;
        ssize_t written = write(STDERR_FILENO, from, piece);
        pthread_mutex_lock(&queue->lock);
        if (written < 0 && (errno == EAGAIN || errno == EINTR)) written = 0;
        if (written < 0) written = (ssize_t)piece; /* lost */
        queue->begin = (queue->begin + (size_t)written) % ROOM;
        queue->used -= (size_t)written;
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

CliLineQueue *cli_lines_open(SutraError *err)
{
    CliLineQueue *queue = cli_alloc(1, sizeof *queue);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    cli_hold_signals(true);
    int failed = pthread_create(&queue->thread, NULL, write_lines, queue);
    cli_hold_signals(false);
    if (!failed) return queue;
    free(queue);
    cli_raise(err, SUTRA_E_LIMIT, "could not start the thread that writes the log");
    return NULL;
}

void cli_lines_close(CliLineQueue *queue)
{
    if (!queue) return;
    pthread_mutex_lock(&queue->lock);
    put_note(queue);
    queue->ends = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    pthread_join(queue->thread, NULL);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}
