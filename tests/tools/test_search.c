/* Exact search: against sums in double and sorting, for every type and metric; the same bits whatever
 * is searched for beside it. */
#include "sutra_search.h"

#include "base/memory.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DOCUMENTS = 2100, QUERIES = 21, K = 12, MOST_DIM = 200 };

static SutraError err;
static uint64_t seed = 1;

static uint32_t random_bits(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

static SutraSearch *search_of(uint32_t threads)
{
    SutraSearch *search;
    const SutraSearchOptions options = {.struct_size = sizeof options, .num_threads = threads};
    assert_int_equal(sutra_search_create(&options, &search, &err), SUTRA_OK);
    return search;
}

/* Halves of -2 … 2 and a few zeros. */
static uint16_t random_half(void)
{
    uint32_t bits = random_bits();
    return bits % 16 == 0 ? 0 : (uint16_t)((bits & 0x8000) | (0x3000 + bits % 0x1000));
}

static double half_value(uint16_t half)
{
    if (!(half & 0x7fff)) return 0;
    double value = ldexp((half & 0x3ff) | 0x400, (half >> 10 & 31) - 25);
    return half & 0x8000 ? -value : value;
}

static void *random_rows(SutraDtype dtype, uint32_t dim, size_t count)
{
    size_t bytes = sutra_row_bytes(dtype, dim) * count;
    unsigned char *rows = malloc(bytes);
    for (size_t i = 0; i < bytes; i++) rows[i] = (unsigned char)(random_bits() >> 20);
    for (size_t i = 0; dtype == SUTRA_F32 && i < bytes / 4; i++)
        ((float *)(void *)rows)[i] = (float)((int)(random_bits() >> 20) - 2048) / 1024;
    for (size_t i = 0; dtype == SUTRA_F16 && i < bytes / 2; i++)
        ((uint16_t *)(void *)rows)[i] = random_half();
    return rows;
}

static double element(const SutraRows *rows, size_t row, uint32_t i)
{
    const unsigned char *bytes = rows->data;
    bytes += row * sutra_row_bytes(rows->dtype, rows->dim);
    switch (rows->dtype) {
    case SUTRA_F32:
        return (double)((const float *)(const void *)bytes)[i];
    case SUTRA_F16:
        return half_value(((const uint16_t *)(const void *)bytes)[i]);
    case SUTRA_I8:
        return (signed char)bytes[i];
    case SUTRA_U8:
        return bytes[i] - 128;
    case SUTRA_BINARY:
    case SUTRA_UBINARY:
        break;
    }
    unsigned byte = bytes[i / 8] ^ (rows->dtype == SUTRA_BINARY ? 0x80u : 0u);
    return byte >> (7 - i % 8) & 1 ? 1 : -1;
}

static double exact(SutraMetric metric, const SutraRows *queries, size_t q,
                    const SutraRows *documents, size_t d)
{
    double dot = 0, x2 = 0, y2 = 0, differing = 0;
    for (uint32_t i = 0; i < documents->dim; i++) {
        double x = element(queries, q, i), y = element(documents, d, i);
        dot += x * y, x2 += x * x, y2 += y * y, differing += x != y;
    }
    if (metric == SUTRA_METRIC_HAMMING) return -differing;
    if (metric == SUTRA_METRIC_DOT) return dot;
    return x2 > 0 && y2 > 0 ? dot / sqrt(x2 * y2) : 0;
}

/* Every score is what it should be, scores descend, and no document that was left out is better. */
static void check_result(SutraMetric metric, const SutraRows *queries, const SutraRows *documents,
                         const size_t *indices, const float *scores)
{
    double bound = metric == SUTRA_METRIC_COSINE ? 2e-6 : 1e-6 * 200 * 128 * 128;
    if (metric == SUTRA_METRIC_DOT && documents->dtype <= SUTRA_F16) bound = 1e-4;
    if (metric == SUTRA_METRIC_HAMMING) bound = 0;
    for (size_t q = 0; q < queries->count; q++) {
        static bool found[DOCUMENTS];
        const float *score = scores + q * K;
        memset(found, 0, sizeof found);
        for (size_t i = 0; i < K; i++) {
            size_t d = indices[q * K + i];
            assert_true(d < documents->count && !found[d]);
            found[d] = true;
            assert_true(fabs((double)score[i] - exact(metric, queries, q, documents, d)) <= bound);
            assert_true(i == 0 || score[i] < score[i - 1] ||
                        (score[i] == score[i - 1] && d > indices[q * K + i - 1]));
        }
        for (size_t d = 0; d < documents->count; d++)
            assert_true(found[d] ||
                        exact(metric, queries, q, documents, d) <= (double)score[K - 1] + bound);
    }
}

static void check_case(SutraMetric metric, const SutraRows *queries, const SutraRows *documents)
{
    static size_t indices[QUERIES * K], other[QUERIES * K], candidates[DOCUMENTS];
    static float scores[QUERIES * K], again[QUERIES * K];
    SutraSearch *one = search_of(1), *three = search_of(3);
    assert_int_equal(sutra_search_run(three, metric, queries, documents, K, indices, scores, &err),
                     SUTRA_OK);
    check_result(metric, queries, documents, indices, scores);
    for (size_t q = 0; q < queries->count; q++) { /* each alone */
        SutraRows alone = *queries;
        alone.data = (const char *)alone.data + q * sutra_row_bytes(alone.dtype, alone.dim);
        alone.count = 1;
        assert_int_equal(sutra_search_run(q % 2 ? one : three, metric, &alone, documents, K,
                                          other + q * K, again + q * K, &err),
                         SUTRA_OK);
        for (size_t d = 0; d < DOCUMENTS; d++) candidates[d] = DOCUMENTS - 1 - d;
        size_t among[K];
        float rescored[K];
        assert_int_equal(sutra_search_rescore(one, metric, &alone, documents, candidates, DOCUMENTS,
                                              K, among, rescored, &err),
                         SUTRA_OK);
        assert_memory_equal(among, indices + q * K, sizeof among);
        assert_memory_equal(rescored, scores + q * K, sizeof rescored);
    }
    assert_memory_equal(other, indices, queries->count * K * sizeof *indices);
    assert_memory_equal(again, scores, queries->count * K * sizeof *scores);
    sutra_search_free(one);
    sutra_search_free(three);
}

static void every_type_and_metric(void **state)
{
#ifdef __SANITIZE_THREAD__ /* minutes for each; threads do the same whatever the dimension is */
    static const uint32_t dims[] = {64};
#else
    static const uint32_t dims[] = {1, 7, 64, 131, MOST_DIM};
#endif
    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (int dtype = SUTRA_F32; dtype <= SUTRA_UBINARY; dtype++) {
            SutraRows documents = {random_rows((SutraDtype)dtype, dims[i], DOCUMENTS), DOCUMENTS,
                                   (SutraDtype)dtype, dims[i]};
            SutraRows queries = {random_rows((SutraDtype)dtype, dims[i], QUERIES), QUERIES,
                                 (SutraDtype)dtype, dims[i]};
            SutraRows floats = {random_rows(SUTRA_F32, dims[i], QUERIES), QUERIES, SUTRA_F32,
                                dims[i]};
            bool bits = dtype >= SUTRA_BINARY;
            for (int metric = 0; metric <= (bits ? SUTRA_METRIC_HAMMING : SUTRA_METRIC_DOT);
                 metric++) {
                check_case((SutraMetric)metric, &queries, &documents);
                if (!bits) check_case((SutraMetric)metric, &floats, &documents);
            }
            free((void *)(uintptr_t)documents.data);
            free((void *)(uintptr_t)queries.data);
            free((void *)(uintptr_t)floats.data);
        }
    }
}

static void few_documents_zeros_and_nan(void **state)
{
    static const float rows[] = {1, 0, 0, 0, NAN, 1, 0, 3};
    const SutraRows documents = {rows, 4, SUTRA_F32, 2};
    const SutraRows queries = {rows + 6, 1, SUTRA_F32, 2}, none = {NULL, 0, SUTRA_F32, 2};
    SutraSearch *search = search_of(2);
    size_t indices[5];
    float scores[5];
    (void)state;
    assert_int_equal(sutra_search_run(search, SUTRA_METRIC_COSINE, &queries, &documents, 5, indices,
                                      scores, &err),
                     SUTRA_OK);
    const size_t wanted[] = {3, 0, 1, SIZE_MAX, SIZE_MAX};
    assert_memory_equal(indices, wanted, sizeof wanted);
    assert_true(scores[0] == 1 && scores[1] == 0 && scores[2] == 0 && scores[3] == -INFINITY);
    assert_int_equal(
        sutra_search_run(search, SUTRA_METRIC_DOT, &queries, &none, 1, indices, scores, &err),
        SUTRA_OK);
    assert_true(indices[0] == SIZE_MAX);
    assert_int_equal(
        sutra_search_run(search, SUTRA_METRIC_DOT, &none, &documents, 1, NULL, NULL, &err),
        SUTRA_OK);
    const size_t candidates[] = {SIZE_MAX, 1, 3};
    assert_int_equal(sutra_search_rescore(search, SUTRA_METRIC_DOT, &queries, &documents,
                                          candidates, 3, 2, indices, scores, &err),
                     SUTRA_OK);
    assert_true(indices[0] == 3 && indices[1] == 1 && scores[0] == 9);
    sutra_search_free(search);
}

static void expect_argument(SutraMetric metric, const SutraRows *queries,
                            const SutraRows *documents, size_t k, const char *words)
{
    SutraSearch *search = search_of(1);
    size_t indices[4];
    float scores[4];
    assert_int_equal(sutra_search_run(search, metric, queries, documents, k, indices, scores, &err),
                     SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, words));
    sutra_search_free(search);
}

static void refusals(void **state)
{
    static const float rows[8] = {1};
    const SutraRows f32 = {rows, 2, SUTRA_F32, 2}, wide = {rows, 2, SUTRA_F32, 4};
    const SutraRows bytes = {rows, 2, SUTRA_I8, 2}, bits = {rows, 2, SUTRA_UBINARY, 2};
    const SutraRows none = {NULL, 2, SUTRA_F32, 2}, flat = {rows, 2, SUTRA_F32, 0};
    const size_t candidates[] = {2};
    SutraSearch *search = search_of(1);
    size_t index;
    float score;
    (void)state;
    expect_argument(SUTRA_METRIC_DOT, &f32, &f32, 0, "k is 0");
    expect_argument(SUTRA_METRIC_DOT, &none, &f32, 1, "without data");
    expect_argument(SUTRA_METRIC_DOT, &f32, &none, 1, "without data");
    expect_argument(SUTRA_METRIC_DOT, &wide, &f32, 1, "queries of 4 elements, documents of 2");
    expect_argument(SUTRA_METRIC_DOT, &flat, &flat, 1, "queries of 0 elements");
    expect_argument(SUTRA_METRIC_DOT, &f32, &bits, 1, "another type");
    expect_argument(SUTRA_METRIC_DOT, &bytes, &f32, 1, "another type");
    expect_argument(SUTRA_METRIC_HAMMING, &f32, &f32, 1, "Hamming");
    expect_argument((SutraMetric)9, &f32, &f32, 1, "Hamming");
    assert_int_equal(sutra_search_rescore(search, SUTRA_METRIC_DOT,
                                          &(SutraRows){rows, 1, SUTRA_F32, 2}, &f32, candidates, 1,
                                          1, &index, &score, &err),
                     SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "candidate 2, of 2 documents"));
    sutra_search_free(search);
    sutra_search_free(NULL);
}

/* The widest rows, of the largest elements, and more wanted than there are. */
static void widest_rows(void **state)
{
    enum { DIM = 65536, COUNT = 40, WANTED = 100 };
    static size_t indices[2 * WANTED];
    static float scores[2 * WANTED];
    SutraSearch *search = search_of(3);
    (void)state;
    for (int dtype = SUTRA_F32; dtype <= SUTRA_UBINARY; dtype++) {
        size_t bytes = sutra_row_bytes((SutraDtype)dtype, DIM);
        unsigned char *rows = malloc(COUNT * bytes);
        memset(rows, dtype == SUTRA_I8 ? 0x80 : 0, COUNT * bytes);
        for (size_t i = 0; dtype == SUTRA_F32 && i < COUNT * (size_t)DIM; i++)
            ((float *)(void *)rows)[i] = -128;
        for (size_t i = 0; dtype == SUTRA_F16 && i < COUNT * (size_t)DIM; i++)
            ((uint16_t *)(void *)rows)[i] = 0xd800; /* -128 */
        const SutraRows documents = {rows, COUNT, (SutraDtype)dtype, DIM};
        const SutraRows queries = {rows, 2, (SutraDtype)dtype, DIM};
        assert_int_equal(sutra_search_run(search, SUTRA_METRIC_DOT, &queries, &documents, WANTED,
                                          indices, scores, &err),
                         SUTRA_OK);
        for (size_t i = 0; i < (size_t)2 * WANTED; i++) {
            bool is_there = i % WANTED < COUNT;
            float wanted = dtype >= SUTRA_BINARY ? DIM : 128.0f * 128 * DIM;
            assert_true(indices[i] == (is_there ? i % WANTED : SIZE_MAX));
            assert_true(scores[i] == (is_there ? wanted : -INFINITY));
        }
        free(rows);
    }
    sutra_search_free(search);
}

/* Far more than there is, by several threads. */
static void more_wanted_than_there_is(void **state)
{
    enum { WANTED = 1 << 20, THREADS = 4 };
    static const float rows[1100 * 2] = {1, 2};
    const SutraRows documents = {rows, 1100, SUTRA_F32, 2}, queries = {rows, 1, SUTRA_F32, 2};
    SutraSearch *search = search_of(THREADS);
    size_t *indices = malloc(WANTED * sizeof *indices);
    float *scores = malloc(WANTED * sizeof *scores);
    (void)state;
    assert_int_equal(sutra_search_run(search, SUTRA_METRIC_DOT, &queries, &documents, WANTED,
                                      indices, scores, &err),
                     SUTRA_OK);
    for (size_t i = 0; i < WANTED; i++) assert_true(indices[i] == (i < 1100 ? i : SIZE_MAX));
    free(indices);
    free(scores);
    sutra_search_free(search);
}

/* Each allocation fails in turn. */
static void memory_that_fails(void **state)
{
    static const float rows[300 * 2] = {1, 2};
    const SutraRows documents = {rows, 300, SUTRA_F32, 2}, queries = {rows, 20, SUTRA_F32, 2};
    const size_t candidates[20] = {1};
    size_t indices[20];
    float scores[20];
    (void)state;
    for (int which = 0; which < 3; which++) {
        SutraStatus status = SUTRA_E_MEMORY;
        int64_t n = 0;
        for (; status == SUTRA_E_MEMORY; n++) {
            SutraSearch *search = NULL;
            if (which) search = search_of(2);
            su_memory_fail_after(n, false);
            if (which == 0)
                status = sutra_search_create(NULL, &search, &err);
            else if (which == 1)
                status = sutra_search_run(search, SUTRA_METRIC_DOT, &queries, &documents, 1,
                                          indices, scores, &err);
            else
                status = sutra_search_rescore(search, SUTRA_METRIC_DOT, &queries, &documents,
                                              candidates, 1, 1, indices, scores, &err);
            su_memory_fail_after(-1, false);
            assert_true(status == SUTRA_OK || status == SUTRA_E_MEMORY);
            if (which == 0 && status != SUTRA_OK) assert_null(search);
            sutra_search_free(search);
        }
        assert_int_equal(status, SUTRA_OK);
        assert_true(n > 1);
    }
}

typedef struct Caller {
    SutraSearch *search;
    const SutraRows *queries, *documents;
    size_t indices[QUERIES * K];
    float scores[QUERIES * K];
} Caller;

static void *call_often(void *argument)
{
    Caller *caller = argument;
    const size_t candidates[QUERIES] = {0};
    size_t index[QUERIES];
    float score[QUERIES];
    for (int i = 0; i < 20; i++) {
        if (sutra_search_run(caller->search, SUTRA_METRIC_COSINE, caller->queries,
                             caller->documents, K, caller->indices, caller->scores,
                             NULL) != SUTRA_OK ||
            sutra_search_rescore(caller->search, SUTRA_METRIC_COSINE, caller->queries,
                                 caller->documents, candidates, 1, 1, index, score,
                                 NULL) != SUTRA_OK)
            return caller;
    }
    return NULL;
}

static void callers_at_once(void **state)
{
    static Caller callers[3];
    SutraSearch *search = search_of(2);
    SutraRows documents = {random_rows(SUTRA_F32, 64, DOCUMENTS), DOCUMENTS, SUTRA_F32, 64};
    SutraRows queries = {documents.data, QUERIES, SUTRA_F32, 64};
    pthread_t threads[3];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        callers[i] = (Caller){.search = search, .queries = &queries, .documents = &documents};
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
        assert_memory_equal(callers[i].indices, callers[0].indices, sizeof callers[i].indices);
        assert_memory_equal(callers[i].scores, callers[0].scores, sizeof callers[i].scores);
    }
    for (size_t q = 0; q < QUERIES; q++) assert_int_equal(callers[0].indices[q * K], q);
    free((void *)(uintptr_t)documents.data);
    sutra_search_free(search);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_metric),
        cmocka_unit_test(few_documents_zeros_and_nan),
        cmocka_unit_test(refusals),
        cmocka_unit_test(widest_rows),
        cmocka_unit_test(more_wanted_than_there_is),
        cmocka_unit_test(memory_that_fails),
        cmocka_unit_test(callers_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
