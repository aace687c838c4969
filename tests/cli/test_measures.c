/* Spearman, nDCG and exact search, against scipy, scikit-learn and a sort of everything. */
#include "sutra_tools.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static SutraError err;

static double spearman(const double *x, const double *y, size_t n)
{
    double rho = NAN;
    assert_int_equal(sutra_spearman(x, y, n, &rho, &err), SUTRA_OK);
    return rho;
}

/* Expected: scipy.stats.spearmanr of the same numbers. */
static void spearman_with_ties(void **state)
{
    static const double x[] = {1.5, 2, 2, 3, 0, 7, 7, 7, -1, 2.5};
    static const double y[] = {0.2, 0.1, 0.4, 0.4, 0.1, 0.9, 0.8, 0.1, -0.3, 0.55};
    static const double up[] = {1, 2, 3, 10}, down[] = {5, 4, 3, -100};
    (void)state;
    assert_float_equal(spearman(x, y, 10), 0.671875, 1e-14);
    assert_float_equal(spearman(x, y, 4), 0.5, 1e-14);
    assert_float_equal(spearman(up, down, 4), -1, 1e-14);
    assert_float_equal(spearman(up, up, 4), 1, 1e-14);
}

static void spearman_refuses(void **state)
{
    static const double x[] = {1, 2, 3}, same[] = {4, 4, 4}, nan[] = {1, NAN, 2};
    double rho;
    (void)state;
    assert_int_equal(sutra_spearman(x, x, 1, &rho, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_spearman(x, same, 3, &rho, &err), SUTRA_E_NUMERIC);
    assert_non_null(strstr(err.message, "values of y are equal"));
    assert_int_equal(sutra_spearman(same, x, 3, &rho, &err), SUTRA_E_NUMERIC);
    assert_non_null(strstr(err.message, "values of x are equal"));
    assert_int_equal(sutra_spearman(nan, x, 3, &rho, &err), SUTRA_E_NUMERIC);
}

static double ndcg(const double *ranked, size_t n, const double *judged, size_t m, size_t k)
{
    double value = NAN;
    assert_int_equal(sutra_ndcg(ranked, n, judged, m, k, &value, &err), SUTRA_OK);
    return value;
}

/* The first: sklearn.metrics.ndcg_score([[0,2,0,1,0,3]], [[6,5,4,3,2,1]], k=5). */
static void ndcg_values(void **state)
{
    static const double ranked[] = {0, 2, 0, 1, 0, 3}, judged[] = {2, 1, 3};
    static const double one[] = {1, 0}, three[] = {1, 1, 1}, none[] = {0, 0}, negative[] = {-1, 1};
    (void)state;
    assert_float_equal(ndcg(ranked, 6, judged, 3, 5), 0.35543595158098623, 1e-14);
    assert_float_equal(ndcg(one, 2, three, 3, 2), 0.6131471927654584, 1e-14);
    assert_float_equal(ndcg(ranked, 6, none, 2, 10), 0, 0);
    assert_float_equal(ndcg(NULL, 0, judged, 3, 10), 0, 0);
    assert_float_equal(ndcg(negative, 2, negative, 2, 10), 1 / log2(3), 1e-14);
    assert_float_equal(ndcg(judged + 2, 1, judged, 3, 1), 1, 0);
}

enum { DIM = 8, DOCUMENTS = 2500, QUERIES = 70, K = 7 };

static float random_element(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(int)(*state >> 29) - 3.5f; /* few values, so that equal scores are common */
}

static const float *order_scores;
static int by_score(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    if (order_scores[x] != order_scores[y]) return order_scores[x] < order_scores[y] ? 1 : -1;
    return (x > y) - (x < y);
}

static void top_k_equals_sorting(void **state)
{
    static float documents[DOCUMENTS * DIM], queries[QUERIES * DIM], scores[QUERIES * K];
    static size_t indices[QUERIES * K], order[DOCUMENTS];
    static float all[DOCUMENTS];
    uint32_t seed = 1;
    (void)state;
    for (size_t i = 0; i < DOCUMENTS * DIM; i++) documents[i] = random_element(&seed);
    for (size_t i = 0; i < QUERIES * DIM; i++) queries[i] = random_element(&seed);
    assert_int_equal(sutra_top_k(SUTRA_F32, DIM, queries, QUERIES, documents, DOCUMENTS, K, indices,
                                 scores, &err),
                     SUTRA_OK);
    for (size_t q = 0; q < QUERIES; q++) {
        assert_int_equal(
            sutra_similarity(SUTRA_F32, DIM, queries + q * DIM, 1, documents, DOCUMENTS, all, &err),
            SUTRA_OK);
        for (size_t d = 0; d < DOCUMENTS; d++) order[d] = d;
        order_scores = all;
        qsort(order, DOCUMENTS, sizeof *order, by_score);
        for (size_t i = 0; i < K; i++) {
            assert_int_equal(indices[q * K + i], order[i]);
            assert_true(scores[q * K + i] == all[order[i]]);
        }
    }
}

static void top_k_of_few(void **state)
{
    static const float documents[] = {1, 0, 0, 1}, query[] = {0, 2};
    size_t indices[3];
    float scores[3];
    (void)state;
    assert_int_equal(sutra_top_k(SUTRA_F32, 2, query, 1, documents, 2, 3, indices, scores, &err),
                     SUTRA_OK);
    assert_int_equal(indices[0], 1);
    assert_int_equal(indices[1], 0);
    assert_true(indices[2] == SIZE_MAX && isinf(scores[2]) && scores[2] < 0);
    assert_int_equal(sutra_top_k(SUTRA_F32, 2, query, 1, documents, 2, 0, indices, scores, &err),
                     SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_top_k(SUTRA_BINARY, 0, query, 1, documents, 2, 1, indices, scores, &err),
                     SUTRA_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spearman_with_ties), cmocka_unit_test(spearman_refuses),
        cmocka_unit_test(ndcg_values),        cmocka_unit_test(top_k_equals_sorting),
        cmocka_unit_test(top_k_of_few),
    };
    return cmocka_run_group_tests_name("measures", tests, NULL, NULL);
}
