/* Counts, buckets and the pace. */
#include "metrics.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const SuRoute routes[] = {{"GET", "/a", NULL, true}, {"POST", "/b", NULL, false}};
static const SuRouteTable table = {.routes = routes, .num_routes = 2};
static const uint64_t second = 1000000000;

static void an_answer_counts_once_by_route_and_status(void **state)
{
    SuMetrics metrics;
    SuExchange exchange = {
        .connection = &metrics, .route = &routes[1], .response = {.status = 200}};
    (void)state;
    su_metrics_open(&metrics, &table);
    su_metrics_count(&metrics, &exchange, 5);
    exchange.response.status = 299; /* one that no answer has */
    su_metrics_count(&metrics, &exchange, 5);
    exchange.route = NULL;
    su_metrics_count(&metrics, &exchange, 5);
    exchange.connection = NULL;
    su_metrics_count(&metrics, &exchange, 5);
    assert_int_equal(metrics.requests[1][su_status_place(200)], 1);
    assert_int_equal(metrics.requests[1][su_status_place(299)], 1);
    assert_int_equal(metrics.requests[SU_METRIC_ROUTES][su_status_place(299)], 1);
    assert_int_equal(metrics.gone, 1);
    assert_int_equal(metrics.duration.total, 3);
    assert_int_equal(metrics.request_texts.total, 0);
}

static void a_bucket_holds_what_is_up_to_its_bound(void **state)
{
    static const uint64_t values[] = {1, 2, 3, 4096, 4097};
    SuMetrics metrics;
    (void)state;
    su_metrics_open(&metrics, &table);
    for (size_t i = 0; i < 5; i++) {
        SuExchange exchange = {.connection = &metrics, .facts = {.texts = values[i]}};
        su_metrics_count(&metrics, &exchange, 0);
    }
    const SuHistogram *seen = &metrics.request_texts;
    assert_int_equal(seen->counts[0], 1);
    assert_int_equal(seen->counts[1], 1);
    assert_int_equal(seen->counts[2], 1);
    assert_int_equal(seen->counts[seen->num_bounds - 1], 1);
    assert_int_equal(seen->counts[seen->num_bounds], 1);
    assert_int_equal(seen->sum, 8199);
    assert_int_equal(seen->total, 5);
}

static void the_pace_is_measured_while_there_is_work(void **state)
{
    SuMetrics metrics;
    (void)state;
    su_metrics_open(&metrics, &table);
    assert_int_equal(su_metrics_wait(&metrics, 1000000), 1); /* not known yet */
    su_metrics_enter(&metrics, 100 * second);
    su_metrics_leave(&metrics, 1000, 101 * second);
    assert_int_equal(su_metrics_wait(&metrics, 0), 1);
    assert_int_equal(su_metrics_wait(&metrics, 1001), 2);
    assert_int_equal(su_metrics_wait(&metrics, UINT64_MAX), 120);
    su_metrics_enter(&metrics, 900 * second); /* the time without work does not count */
    su_metrics_enter(&metrics, 900 * second);
    su_metrics_leave(&metrics, 1500, 900 * second + second / 10);
    su_metrics_leave(&metrics, 1500, 901 * second);
    assert_int_equal(su_metrics_wait(&metrics, 20000), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_counts_once_by_route_and_status),
        cmocka_unit_test(a_bucket_holds_what_is_up_to_its_bound),
        cmocka_unit_test(the_pace_is_measured_while_there_is_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
