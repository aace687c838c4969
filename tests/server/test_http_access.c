/* Routes, keys, hosts and origins. */
#include "access.h"
#include "http_route.h"
#include "http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static SuText text(const char *string) { return (SuText){string, strlen(string)}; }

static void nothing(SuExchange *exchange) { (void)exchange; }
static void write_a(SuHttpResponse *response, const SuHttpProblem *problem)
{
    (void)response;
    (void)problem;
}
static void write_b(SuHttpResponse *response, const SuHttpProblem *problem)
{
    (void)problem;
    response->status = 1;
}

static const SuRoute routes[] = {
    {"GET", "/a", nothing, true},
    {"POST", "/a", nothing, false},
    {"GET", "/m/{}", nothing, false},
    {"POST", "/b", nothing, false},
};
static const SuProblemRoute problems[] = {{"/api/", write_a}, {"", write_b}};
static const SuRouteTable table = {routes, 4, problems, 2};

static void a_route_is_a_method_and_a_path(void **state)
{
    SuText rest;
    char allow[SU_ALLOW_MAX];
    (void)state;
    assert_ptr_equal(su_route_find(&table, text("GET"), text("/a"), &rest, allow), &routes[0]);
    assert_ptr_equal(su_route_find(&table, text("HEAD"), text("/a"), &rest, allow), &routes[0]);
    assert_ptr_equal(su_route_find(&table, text("POST"), text("/a"), &rest, allow), &routes[1]);
    assert_ptr_equal(su_route_find(&table, text("GET"), text("/m/x/y"), &rest, allow), &routes[2]);
    assert_int_equal(rest.size, 3);
    assert_memory_equal(rest.data, "x/y", 3);
    assert_null(su_route_find(&table, text("PUT"), text("/a"), &rest, allow));
    assert_string_equal(allow, "GET, HEAD, POST");
    assert_null(su_route_find(&table, text("HEAD"), text("/b"), &rest, allow));
    assert_string_equal(allow, "POST");
    assert_null(su_route_find(&table, text("get"), text("/a"), &rest, allow));
    static const char *const none[] = {"/", "", "/a/", "/m/", "/m", "/ab", "a"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_null(su_route_find(&table, text("GET"), text(none[i]), &rest, allow));
        assert_string_equal(allow, "");
    }
}

static void errors_are_in_the_dialect_of_the_path(void **state)
{
    (void)state;
    assert_ptr_equal(su_route_problem_writer(&table, text("/api/x")), write_a);
    assert_ptr_equal(su_route_problem_writer(&table, text("/ap")), write_b);
    assert_ptr_equal(su_route_problem_writer(&table, (SuText){0}), write_b);
}

static SuHttpHead head_of(const char *name, const char *value)
{
    SuHttpHead head = {.num_headers = value ? 1 : 0};
    if (value) head.headers[0] = (SuHttpHeader){text(name), text(value)};
    return head;
}

static void a_key_is_right_as_a_whole(void **state)
{
    static const struct {
        const char *given;
        bool right;
    } rows[] = {{"Bearer abc", true}, {"BEARER abc", true},   {"Bearer ab", false},
                {"Bearer ", false},   {"Bearer abcd", false}, {"Bearer abcabc", false},
                {"abc", false},       {"Basic abc", false},   {"Bearer  abc", false},
                {NULL, false}};
    SuAccess access = {.key = "abc"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuHttpHead head = head_of("Authorization", rows[i].given);
        assert_int_equal(su_access_has_key(&access, &head), rows[i].right);
    }
    SuHttpHead none = head_of("", NULL);
    access.key = NULL;
    assert_true(su_access_has_key(&access, &none));
}

static void a_loopback_server_has_few_names(void **state)
{
    SuAccess access = {.is_loopback = true, .host = "my.host"};
    (void)state;
    static const char *const good[] = {"localhost", "localhost:1", "127.0.0.1:8", "[::1]",
                                       "MY.host"};
    static const char *const bad[] = {"evil", "localhost.evil", "", "[::1", "127.0.0.1.evil:8"};
    for (size_t i = 0; i < 5; i++) {
        SuHttpHead head = head_of("Host", good[i]);
        assert_true(su_access_allows_host(&access, &head));
        head = head_of("Host", bad[i]);
        assert_false(su_access_allows_host(&access, &head));
    }
    SuHttpHead head = head_of("Host", "evil");
    access.is_loopback = false;
    assert_true(su_access_allows_host(&access, &head));
}

static const SuAccess own = {.host = "h"};

static void an_origin_is_the_servers_own(void **state)
{
    static const struct {
        const char *origin;
        bool good;
    } rows[] = {{"http://h:1", true},   {"https://h:1", true}, {"http://h", false},
                {"http://h:12", false}, {"null", false},       {"ftp://h:1", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuHttpHead head = head_of("Host", "h:1");
        head.headers[head.num_headers++] = (SuHttpHeader){text("Origin"), text(rows[i].origin)};
        assert_int_equal(su_access_allows_origin(&own, &head), rows[i].good);
    }
    SuHttpHead head = head_of("Host", "h:1");
    assert_true(su_access_allows_origin(&own, &head));
    head = head_of("Origin", "http://");
    assert_false(su_access_allows_origin(&own, &head));
}

static void other_origins_have_to_be_named(void **state)
{
    static const struct {
        const char *origins, *origin;
        bool good;
    } rows[] = {{"https://a.example", "https://a.example", true},
                {"https://a.example", "https://a.example:1", false},
                {"https://a.example", "https://a.exampl", false},
                {"https://a.example", "", false},
                {"https://a.example,http://b", "http://b", true},
                {"https://a.example,http://b", "https://a.example,http://b", false},
                {",", "", false},
                {"*", "null", true},
                {"", "null", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuAccess access = {.host = "h", .origins = rows[i].origins};
        SuHttpHead head = head_of("Host", "h:1");
        head.headers[head.num_headers++] = (SuHttpHeader){text("Origin"), text(rows[i].origin)};
        assert_int_equal(su_access_allows_origin(&access, &head), rows[i].good);
        assert_int_equal(su_access_shared_origin(&access, &head).data != NULL, rows[i].good);
    }
}

static void without_a_key_it_binds_to_the_loopback_alone(void **state)
{
    static const struct {
        const char *host, *key;
        bool no_auth, good;
    } rows[] = {{"127.0.0.1", NULL, false, true},
                {"0.0.0.0", NULL, false, false},
                {"0.0.0.0", "k", false, true},
                {"0.0.0.0", NULL, true, true}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuHttpOptions options = {
            .host = rows[i].host, .key = rows[i].key, .no_auth = rows[i].no_auth, .table = table};
        SuHttpServer server;
        SutraError err;
        assert_int_equal(su_http_server_open(&server, &options, &err), SUTRA_OK);
        assert_int_equal(su_http_server_bind(&server, &options, &err),
                         rows[i].good ? SUTRA_OK : SUTRA_E_ARGUMENT);
        su_http_server_close(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_a_method_and_a_path),
        cmocka_unit_test(errors_are_in_the_dialect_of_the_path),
        cmocka_unit_test(a_key_is_right_as_a_whole),
        cmocka_unit_test(a_loopback_server_has_few_names),
        cmocka_unit_test(an_origin_is_the_servers_own),
        cmocka_unit_test(other_origins_have_to_be_named),
        cmocka_unit_test(without_a_key_it_binds_to_the_loopback_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
