/* Heads of requests and chunked bodies; what must be refused is in test_serve_http.py too, over sockets. */
#include "http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char buffer[1024];
static SuHttpHead head;

static int read_head(const char *text)
{
    const char *reason = NULL;
    size_t size = strlen(text);
    memcpy(buffer, text, size);
    int status = su_http_head_read(buffer, size, &head, &reason);
    assert_int_equal(status != 0, reason != NULL);
    return status;
}

static void assert_text(SuText text, const char *expected)
{
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);
}

static void a_head_is_taken_apart(void **state)
{
    (void)state;
    assert_int_equal(
        read_head("POST /v1/models/a%2Fb%20c?x=%20&y HTTP/1.1\r\nHost: h:1\r\nX-Empty:\r\n"
                  "content-LENGTH: \t 12 \t\r\nExpect: 100-Continue\r\n\r\n"),
        0);
    assert_text(head.method, "POST");
    assert_text(head.path, "/v1/models/a/b c");
    assert_text(head.query, "x=%20&y");
    assert_int_equal(head.num_headers, 4);
    assert_text(su_http_header(&head, "HOST"), "h:1");
    assert_text(su_http_header(&head, "x-empty"), "");
    assert_null(su_http_header(&head, "x-none").data);
    assert_int_equal(head.content_length, 12);
    assert_true(head.keep_alive && head.expects_continue && !head.is_chunked && !head.is_old);
}

static void a_target_may_be_a_whole_url(void **state)
{
    static const struct {
        const char *target, *host, *path, *query;
    } rows[] = {
        {"http://a.b:80/c%20d?e", "a.b:80", "/c d", "e"},
        {"HTTPS://[::1]:8/", "[::1]:8", "/", ""},
        {"http://a", "a", "/", ""},
        {"http://a?e=/f", "a", "/", "e=/f"},
        {"http://a//b", "a", "//b", ""},
        {"/http://a/", "h", "/http://a/", ""},
    };
    static const char *const none[] = {"http://", "http:///a", "http://:80/", "http://u@a/",
                                       "http:/a", "ftp://a/b", "a:80",        "http://?a"};
    char text[200];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", rows[i].target);
        assert_int_equal(read_head(text), 0);
        assert_text(su_http_host(&head), rows[i].host);
        assert_text(head.path, rows[i].path);
        assert_text(head.query, rows[i].query);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", none[i]);
        assert_int_equal(read_head(text), 400);
    }
    assert_int_equal(read_head("GET http://a/ HTTP/1.1\r\n\r\n"), 400); /* Host has to be there */
}

static void lines_of_a_list_are_one_list(void **state)
{
    (void)state;
    assert_int_equal(read_head("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n"
                               "Upgrade: a , B\r\nconnection:x,\tUPGRADE\r\n\r\n"),
                     0);
    assert_true(su_http_header_has(&head, "connection", "upgrade"));
    assert_true(su_http_header_has(&head, "Connection", "Keep-Alive"));
    assert_true(su_http_header_has(&head, "upgrade", "b"));
    assert_false(su_http_header_has(&head, "upgrade", "c"));
    assert_false(su_http_header_has(&head, "host", "upgrade"));
}

static void connections_are_kept_as_their_version_says(void **state)
{
    static const struct {
        const char *line, *connection;
        bool keep;
    } rows[] = {
        {"HTTP/1.1\r\nHost: h", "", true},
        {"HTTP/1.1\r\nHost: h", "Connection: close\r\n", false},
        {"HTTP/1.1\r\nHost: h", "Connection: upgrade , CLOSE\r\n", false},
        {"HTTP/1.1\r\nHost: h", "Connection: closed\r\n", true},
        {"HTTP/1.1\r\nHost: h", "Connection: keep-alive\r\nConnection: close\r\n", false},
        {"HTTP/1.0", "", false},
        {"HTTP/1.0", "Connection: Keep-Alive\r\n", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET / %s\r\n%s\r\n", rows[i].line, rows[i].connection);
        assert_int_equal(read_head(text), 0);
        assert_int_equal(head.keep_alive, rows[i].keep);
    }
}

static void what_has_two_readings_is_refused(void **state)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"},
        {400,
         "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
              "chunked\r\n\r\n"},
        {501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\n\r\n\r\n"},
        {400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        {400, "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
        {417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n"},
        {505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(read_head(rows[i].text), rows[i].status);
    assert_int_equal(read_head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
}

static void chunks_may_arrive_in_any_pieces(void **state)
{
    static const char text[] =
        "3;ext=\"a;b\"\r\nabc\r\n00A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nNEXT";
    const size_t next = 4;
    (void)state;
    for (size_t piece = 1; piece <= sizeof text - 1; piece++) {
        SuChunked chunked = {0};
        char body[32];
        size_t at = 0, body_size = 0, used;
        SuChunkedStep step = SU_CHUNKED_MORE;
        while (step != SU_CHUNKED_END) {
            SuText data;
            size_t left = sizeof text - 1 - at;
            step = su_chunked_read(&chunked, text + at, piece < left ? piece : left, &used, &data);
            assert_int_not_equal(step, SU_CHUNKED_BAD);
            if (step == SU_CHUNKED_DATA) {
                memcpy(body + body_size, data.data, data.size);
                body_size += data.size;
            }
            at += used;
        }
        assert_int_equal(at, sizeof text - 1 - next);
        assert_int_equal(body_size, 13);
        assert_memory_equal(body, "abc0123456789", 13);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_taken_apart),
        cmocka_unit_test(a_target_may_be_a_whole_url),
        cmocka_unit_test(lines_of_a_list_are_one_list),
        cmocka_unit_test(connections_are_kept_as_their_version_says),
        cmocka_unit_test(what_has_two_readings_is_refused),
        cmocka_unit_test(chunks_may_arrive_in_any_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
