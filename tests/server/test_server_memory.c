/* Every allocation of a server at work fails once: a request then gets an answer or its connection
 * is closed, and the next one is answered as ever. */
#include "base/memory.h"
#include "model/model_folder.h"
#include "sutra_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MODELS = 2 };

static SutraServer *server;
static sem_t is_ready;
static int port;
static char *scorer; /* the folder of a reranker */

static void ready(void *user, const char *url, const char *made_key)
{
    (void)user;
    (void)made_key;
    port = atoi(strrchr(url, ':') + 1);
    sem_post(&is_ready);
}

static void *run_server(void *status)
{
    SutraError err = {0};
    *(SutraStatus *)status = sutra_server_run(server, &err);
    if (err.status) printf("%s\n", err.message);
    sem_post(&is_ready);
    return NULL;
}

/* What comes back until the server closes. */
static size_t ask(const char *request, size_t size, char *answer, size_t capacity)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    size_t got = 0;
    ssize_t piece = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    for (size_t sent = 0; sent < size && piece > 0; sent += (size_t)piece)
        piece = send(fd, request + sent, size - sent, MSG_NOSIGNAL);
    while ((piece = recv(fd, answer + got, capacity - 1 - got, 0)) > 0) got += (size_t)piece;
    answer[got] = '\0';
    close(fd);
    return got;
}

/* A request is asked with each of its allocations failing in turn, and in between with none. */
static void ask_while_memory_fails(const char *request, size_t size,
                                   void (*check_failed)(const char *answer, size_t size),
                                   void (*check_good)(const char *answer, size_t size))
{
    static char answer[1 << 16];
    bool failed = true;
    for (int64_t n = 0; failed; n++) {
        uint64_t before = su_memory_allocations();
        su_memory_fail_after(n, false);
        size_t got = ask(request, size, answer, sizeof answer);
        su_memory_fail_after(-1, false);
        failed = su_memory_allocations() - before > (uint64_t)n;
        check_failed(answer, got);
        got = ask(request, size, answer, sizeof answer);
        check_good(answer, got);
    }
}

static void check_is_http(const char *answer, size_t size)
{
    if (size) assert_int_equal(strncmp(answer, "HTTP/1.1 ", 9), 0);
}

static void check_is_ok(const char *answer, size_t size)
{
    assert_true(size > 0);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
}

static void post_while_memory_fails(const char *line, const char *body, size_t size)
{
    char *request = malloc(size + 200);
    int head = sprintf(request,
                       "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       line, size);
    memcpy(request + head, body, size);
    ask_while_memory_fails(request, (size_t)head + size, check_is_http, check_is_ok);
    free(request);
}

static void a_server_survives_every_failure(void **state)
{
    (void)state;
    su_memory_fail_after(-1, false); /* counting begins */
    static char large[70000];
    memset(large, ' ', sizeof large);
    memcpy(large, "{\"input\":\"x\"}", 13);
    post_while_memory_fails("POST /v1/embeddings", "{\"input\":[\"a\",\"b\"]}", 19);
    post_while_memory_fails("POST /v1/embeddings", large, sizeof large);
    post_while_memory_fails("GET /page/page.js", "", 0);
}

/* What the dialects allocate beside the request and its answer. */
static void so_does_every_dialect(void **state)
{
    static const struct {
        const char *line, *body;
    } asked[] = {
        {"POST /embed", "{\"texts\":[\"a\",\"b\"]}"},
        {"POST /tokenize", "{\"inputs\":[\"a\",\"b\"]}"},
        {"POST /decode", "{\"ids\":[[5,6],[7]]}"},
        {"POST /v2/embed", "{\"texts\":[\"a\"],\"input_type\":\"search_query\"}"},
        {"POST /v1/rerank", "{\"query\":\"a\",\"documents\":[\"b\",\"c\"],\"model\":\"scorer\"}"},
        {"POST /predict", "{\"inputs\":[[\"a\",\"b\"]],\"model\":\"scorer\"}"},
        {"POST /cache/clear", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        post_while_memory_fails(asked[i].line, asked[i].body, strlen(asked[i].body));
}

/* Each answer has the model closed, so that all of it is opened again. */
static void so_does_one_whose_models_come_and_go(void **state)
{
    static const char timed[] = "{\"input\":\"x\",\"keep_alive\":\"1ms\"}";
    static const char closing[] = "{\"input\":\"x\",\"keep_alive\":0}";
    (void)state;
    post_while_memory_fails("POST /api/embed", timed, sizeof timed - 1);
    post_while_memory_fails("POST /api/embed", closing, sizeof closing - 1);
    post_while_memory_fails("POST /api/show", "{\"model\":\"base\"}", 16);
}

/* Of any size, with lengths of the largest kind. */
static size_t put_frame(char *to, unsigned char opcode, const char *text)
{
    size_t size = strlen(text);
    to[0] = (char)(0x80 | opcode);
    to[1] = (char)(0x80 | (size < 126 ? size : 127));
    size_t head = 2;
    for (int shift = 56; size >= 126 && shift >= 0; shift -= 8) to[head++] = (char)(size >> shift);
    memset(to + head, 0, 4); /* the mask */
    memcpy(to + head + 4, text, size);
    return head + 4 + size;
}

static const char end_of_stream[] = "{\"type\":\"end\",\"chunks\":3,";

/* A stream that fails says so, or is closed: the end of one that does not is whole. */
static void check_end_is_whole(const char *answer, size_t size)
{
    check_is_http(answer, size);
    const char *end = memmem(answer, size, end_of_stream, 12);
    if (end) assert_memory_equal(end, end_of_stream, sizeof end_of_stream - 1);
}

static void check_has_end(const char *answer, size_t size)
{
    assert_int_equal(strncmp(answer, "HTTP/1.1 101 ", 13), 0);
    assert_non_null(memmem(answer, size, end_of_stream, sizeof end_of_stream - 1));
}

static void so_does_one_with_streams(void **state)
{
    static char large[70000]; /* read on the worker */
    snprintf(large, sizeof large, "{\"type\":\"text\",%66000s\"text\":\"night\"}", "");
    const char *const messages[] = {
        "{\"type\":\"start\",\"aggregate\":\"mean\",\"max_tokens\":8}",
        "{\"type\":\"text\",\"text\":\"a green garden in water, paper. New stone\"}",
        "{\"type\":\"flush\"}", large, "{\"type\":\"finish\"}"};
    static char request[1 << 17];
    (void)state;
    size_t size = (size_t)sprintf(request, "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n"
                                           "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                           "Sec-WebSocket-Version: 13\r\n"
                                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        size += put_frame(request + size, 1, messages[i]);
    size += put_frame(request + size, 8, "");
    ask_while_memory_fails(request, size, check_end_is_whole, check_has_end);
}

/* By what /metrics says; 0 where it fails itself. */
static uint64_t count_reloads(void)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    static const char *const names[] = {"\nsutra_model_reloads_total ",
                                        "\nsutra_model_reload_failures_total "};
    static char answer[1 << 16];
    uint64_t count = 0;
    ask(request, sizeof request - 1, answer, sizeof answer);
    for (int i = 0; i < 2; i++) {
        const char *found = strstr(answer, names[i]);
        if (found) count += strtoull(found + strlen(names[i]), NULL, 10);
    }
    return count;
}

/* A model that is opened anew is there, or the one before is. All are open by now. */
static void so_does_one_that_reloads(void **state)
{
    static const char request[] =
        "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Content-Length: 13\r\n\r\n{\"input\":\"x\"}";
    char answer[4096];
    bool failed = true;
    (void)state;
    check_is_ok(answer, ask(request, sizeof request - 1, answer, sizeof answer));
    for (int64_t n = 0; failed; n++) {
        uint64_t reloads = count_reloads(), before = su_memory_allocations();
        su_memory_fail_after(n, false);
        sutra_server_reload(server);
        while (count_reloads() < reloads + MODELS) usleep(1000);
        failed = su_memory_allocations() - before > (uint64_t)n;
        su_memory_fail_after(-1, false);
        check_is_ok(answer, ask(request, sizeof request - 1, answer, sizeof answer));
    }
}

static void a_server_is_not_made_without_memory(void **state)
{
    SutraServerOptions options = {.struct_size = sizeof options, .api_key = "k"};
    SutraServer *other;
    SutraError err;
    (void)state;
    SutraStatus status = SUTRA_E_MEMORY;
    for (int64_t n = 0; status != SUTRA_OK; n++) {
        assert_true(n < 10000);
        su_memory_fail_after(n, false);
        status = sutra_server_create(&options, &other, &err);
        su_memory_fail_after(-1, false);
        assert_int_equal(status != SUTRA_OK, other == NULL);
        if (other) sutra_server_free(other);
    }
}

static int start(void **state)
{
    SutraServerOptions options = {
        .struct_size = sizeof options, .ready = ready, .max_request_tokens = 1 << 20};
    static pthread_t thread;
    static SutraStatus status;
    SutraError err;
    signal(SIGPIPE, SIG_IGN);
    sem_init(&is_ready, 0, 0);
    if (sutra_server_create(&options, &server, &err) != SUTRA_OK) return -1;
    if (sutra_server_add_model(server, "base", SU_SOURCE_DIR "/tests/data/golden/models/base", NULL,
                               &err) != SUTRA_OK)
        return -1;
    json_t *expected;
    scorer = folder_scratch();
    folder_assemble("rerankers", "bert", scorer, &expected);
    json_decref(expected);
    if (sutra_server_add_model(server, "scorer", scorer, NULL, &err) != SUTRA_OK) return -1;
    pthread_create(&thread, NULL, run_server, &status);
    sem_wait(&is_ready);
    *state = &thread;
    return port ? 0 : -1;
}

static int stop(void **state)
{
    sutra_server_stop(server);
    pthread_join(*(pthread_t *)*state, NULL);
    sutra_server_free(server);
    folder_remove(scorer);
    free(scorer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_survives_every_failure),
        cmocka_unit_test(so_does_every_dialect),
        cmocka_unit_test(so_does_one_whose_models_come_and_go),
        cmocka_unit_test(so_does_one_with_streams),
        cmocka_unit_test(so_does_one_that_reloads),
        cmocka_unit_test(a_server_is_not_made_without_memory),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
