#include "event_loop.h"

#include "base/memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void su_loop_flush(SuLoop *loop)
{
    pthread_mutex_lock(&loop->lock);
    SuPost *post = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    while (post) {
        SuPost *next = post->next;
        post->run(post);
        post = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *user)
{
    SuLoop *loop = user;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) < 0) count = 0;
    su_loop_flush(loop);
    if (loop->woken) loop->woken(loop->user);
}

static void *take(size_t size) { return su_alloc(size, 1); }

static void *retake(void *memory, size_t size) { return su_realloc(memory, size, 1); }

/* It would print; its failures come back as results too. */
static void say_nothing(int severity, const char *message)
{
    (void)severity;
    (void)message;
}

/* libevent's memory is ours, so that tests make it fail too. */
static void set_up_libevent(void)
{
    event_set_mem_functions(take, retake, su_free);
    event_set_log_callback(say_nothing);
}

SutraStatus su_loop_open(SuLoop *loop, SutraError *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_libevent);
    *loop = (SuLoop){.wake_fd = -1};
    loop->last = &loop->first;
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->base = loop->wake_fd >= 0 ? event_base_new() : NULL;
    if (loop->base)
        loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (loop->wake && event_add(loop->wake, NULL) == 0) return SUTRA_OK;
    su_loop_close(loop);
    SU_RAISE(err, SUTRA_E_IO, "the server's event loop cannot be made");
}

void su_loop_close(SuLoop *loop)
{
    if (!loop->last) return;
    if (loop->wake) event_free(loop->wake);
    if (loop->base) event_base_free(loop->base);
    if (loop->wake_fd >= 0) close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    *loop = (SuLoop){0};
}

void su_loop_post(SuLoop *loop, SuPost *post)
{
    post->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool was_empty = !loop->first;
    *loop->last = post;
    loop->last = &post->next;
    pthread_mutex_unlock(&loop->lock);
    if (was_empty) su_loop_wake(loop);
}

void su_loop_wake(SuLoop *loop)
{
    static const uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof one); /* fails when it is awake anyway */
    (void)written;
}

SutraStatus su_loop_run(SuLoop *loop, SutraError *err)
{
    if (event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) >= 0) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_IO, "the server's event loop failed");
}

void su_loop_end(SuLoop *loop) { event_base_loopbreak(loop->base); }

bool su_loop_after(struct event *event, uint64_t milliseconds)
{
    struct timeval time = {.tv_sec = (time_t)(milliseconds / 1000),
                           .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)};
    return (milliseconds ? evtimer_add(event, &time) : evtimer_del(event)) == 0;
}
