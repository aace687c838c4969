/* How a server ends while a model is being opened. */
#include "sutra_server.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct Ending {
    SutraServer *server;
    SutraError err;
    sem_t is_ready, is_asked, may_go;
} Ending;

static void ready(void *user, const char *url, const char *made_key)
{
    Ending *ending = user;
    (void)url;
    (void)made_key;
    sem_post(&ending->is_ready);
}

/* The disk that hangs. */
static SutraStatus locate(void *user, const char *id, char *path, size_t capacity, SutraError *err)
{
    Ending *ending = user;
    (void)id;
    (void)err;
    sem_post(&ending->is_asked);
    sem_wait(&ending->may_go);
    snprintf(path, capacity, "%s", SU_SOURCE_DIR "/tests/data/golden/models/base");
    return SUTRA_OK;
}

static void *run(void *given)
{
    Ending *ending = given;
    return (void *)(size_t)sutra_server_run(ending->server, &ending->err);
}

/* A server that is asked to reload, and so many times to end, with a model that comes then or
 * never. */
static SutraStatus end(Ending *ending, uint32_t drain_ms, int stops, bool comes)
{
    const SutraServerOptions options = {.struct_size = sizeof options,
                                        .drain_ms = drain_ms,
                                        .ready = ready,
                                        .locate = locate,
                                        .user = ending};
    pthread_t thread;
    void *status;
    *ending = (Ending){0};
    sem_init(&ending->is_ready, 0, 0);
    sem_init(&ending->is_asked, 0, 0);
    sem_init(&ending->may_go, 0, 0);
    assert_int_equal(sutra_server_create(&options, &ending->server, &ending->err), SUTRA_OK);
    assert_int_equal(sutra_server_add_model(ending->server, "base",
                                            SU_SOURCE_DIR "/tests/data/golden/models/base", NULL,
                                            &ending->err),
                     SUTRA_OK);
    pthread_create(&thread, NULL, run, ending);
    sem_wait(&ending->is_ready);
    sutra_server_reload(ending->server);
    sem_wait(&ending->is_asked);
    while (stops-- > 0) sutra_server_stop(ending->server);
    if (comes) sem_post(&ending->may_go);
    pthread_join(thread, &status);
    if (!comes) sem_post(&ending->may_go);
    sutra_server_free(ending->server);
    return (SutraStatus)(size_t)status;
}

static void one_that_hangs_is_waited_for_as_long_as_requests_are(void **state)
{
    Ending ending;
    (void)state;
    assert_int_equal(end(&ending, 50, 1, false), SUTRA_E_TIMEOUT);
    assert_string_equal(ending.err.message,
                        "the server has ended, but a model is still being opened: base");
}

static void it_is_not_waited_for_when_asked_twice(void **state)
{
    Ending ending;
    (void)state;
    assert_int_equal(end(&ending, 3600000, 2, false), SUTRA_E_TIMEOUT);
}

static void one_that_comes_is_waited_for(void **state)
{
    Ending ending;
    (void)state;
    assert_int_equal(end(&ending, 3600000, 1, true), SUTRA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_hangs_is_waited_for_as_long_as_requests_are),
        cmocka_unit_test(it_is_not_waited_for_when_asked_twice),
        cmocka_unit_test(one_that_comes_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
