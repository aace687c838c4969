/* Parts of a training: gradients by finite differences, Adam by its recurrence, eigenvectors by their definition,
 * products of matrices by sums in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/adam.h"
#include "train/projection.h"
#include "train/seeded.h"
#include "train/static_student.h"
#include "train/symmetric_eigen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 9, IN = 11, OUT = 5 };

static double draw(SuSeeded *seeded)
{
    return (double)(su_seeded_next(seeded) >> 11) / 4503599627370496.0 - 1;
}

static void test_matmul(void **state)
{
    enum { M = 37, N = 53, K = 29 };
    static float a[M * K], b[N * K], c[2][M * N];
    SuSeeded seeded = su_seeded(1, 0);
    (void)state;
    for (size_t i = 0; i < M * K; i++) a[i] = (float)draw(&seeded);
    for (size_t i = 0; i < N * K; i++) b[i] = (float)draw(&seeded);
    for (uint32_t run = 0; run < 2; run++) {
        SuMatmul matmul;
        assert_int_equal(su_matmul_open(&matmul, 1 + 2 * run, NULL), SUTRA_OK);
        assert_int_equal(su_matmul_reserve(&matmul, N, K, NULL), SUTRA_OK);
        su_matmul(&matmul, a, M, K, b, N, c[run]);
        su_matmul_close(&matmul);
    }
    assert_memory_equal(c[0], c[1], sizeof c[0]);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t k = 0; k < K; k++) sum += (double)a[i * K + k] * b[j * K + k];
            assert_true(fabs(sum - c[0][i * N + j]) < 1e-5);
        }
}

static void check_gradient(SuLossWeights loss_weights)
{
    static float x[TEXTS * IN], weights[OUT * IN], gradient[OUT * IN];
    static const uint32_t texts[] = {3, 0, 8, 1, 7, 5};
    SuMatmul matmul;
    SuProjection projection;
    SuSeeded seeded = su_seeded(2, 0);
    double largest = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        double sum = 0;
        for (size_t k = 0; k < IN; k++) x[i * IN + k] = (float)draw(&seeded);
        for (size_t k = 0; k < IN; k++) sum += (double)x[i * IN + k] * x[i * IN + k];
        for (size_t k = 0; k < IN; k++) x[i * IN + k] /= (float)sqrt(sum);
    }
    for (size_t i = 0; i < OUT * IN; i++) weights[i] = (float)draw(&seeded);
    assert_int_equal(su_matmul_open(&matmul, 1, NULL), SUTRA_OK);
    assert_int_equal(su_projection_open(&projection, &matmul, x, IN, OUT, TEXTS, NULL), SUTRA_OK);
    projection.loss.weights = loss_weights;
    const SuStudent student = su_projection_student(&projection);
    student.loss(&projection, weights, texts, 6, gradient);
    for (size_t i = 0; i < OUT * IN; i++) {
        const float kept = weights[i], step = 1e-2f;
        weights[i] = kept + step;
        double above = student.loss(&projection, weights, texts, 6, NULL), up = weights[i];
        weights[i] = kept - step;
        double below = student.loss(&projection, weights, texts, 6, NULL), down = weights[i];
        weights[i] = kept;
        double found = (above - below) / (up - down);
        assert_true(fabs(found - gradient[i]) < 2e-4);
        if (fabs(found) > largest) largest = fabs(found);
    }
    assert_true(largest > 2e-2); /* or the test would say nothing */
    su_projection_close(&projection);
    su_matmul_close(&matmul);
}

static void test_gradients(void **state)
{
    (void)state;
    check_gradient((SuLossWeights){.mse = 1});
    check_gradient((SuLossWeights){.cosine = 1});
    check_gradient((SuLossWeights){.neighbour = 1, .temperature = 0.5});
    check_gradient(
        (SuLossWeights){.neighbour = 0.3, .temperature = 0.7, .mse = 0.7, .cosine = 0.4});
}

static void test_adam(void **state)
{
    enum { N = 3, STEPS = 50 };
    const double b1 = 0.9, b2 = 0.999, rate = 0.01;
    float params[N] = {1, -2, 0.5f}, m[N] = {0}, v[N] = {0};
    double p[N] = {1, -2, 0.5}, first[N] = {0}, second[N] = {0}, power1 = 1, power2 = 1;
    const SuAdam adam = {params, m, v, N};
    (void)state;
    for (int t = 1; t <= STEPS; t++) {
        float gradient[N];
        power1 *= b1;
        power2 *= b2;
        for (size_t i = 0; i < N; i++) {
            double g = gradient[i] = (float)(params[i] * (double)(i + 1) + 0.1 * t);
            first[i] = b1 * first[i] + (1 - b1) * g;
            second[i] = b2 * second[i] + (1 - b2) * g * g;
            p[i] -= rate * (first[i] / (1 - power1)) / (sqrt(second[i] / (1 - power2)) + 1e-8);
        }
        su_adam_step(&adam, gradient, (uint64_t)t, rate);
    }
    for (size_t i = 0; i < N; i++) assert_true(fabs(p[i] - params[i]) < 1e-5);
}

/* Texts of 3, 0, 1 and 4 tokens, one of them twice. */
static void test_static_gradient(void **state)
{
    enum { VOCAB = 6, DIM = 67, COUNT = 4 };
    static const size_t begin[] = {0, 3, 3, 4, 8};
    static const int32_t tokens[] = {1, 4, 1, 5, 0, 2, 4, 1};
    static const uint32_t texts[] = {3, 0, 1, 2};
    static float targets[COUNT * DIM], weights[VOCAB * DIM], gradient[2][VOCAB * DIM];
    SuSeeded seeded = su_seeded(6, 0);
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        double sum = 0;
        float *row = targets + i * DIM;
        for (size_t k = 0; k < DIM; k++) row[k] = (float)draw(&seeded);
        for (size_t k = 0; k < DIM; k++) sum += (double)row[k] * row[k];
        for (size_t k = 0; k < DIM; k++) row[k] /= (float)sqrt(sum);
    }
    for (size_t i = 0; i < VOCAB * DIM; i++) weights[i] = (float)draw(&seeded);
    double loss[2];
    for (uint32_t run = 0; run < 2; run++) {
        SuMatmul matmul;
        assert_int_equal(su_matmul_open(&matmul, 1 + 2 * run, NULL), SUTRA_OK);
        SuStaticStudent table = {.matmul = &matmul,
                                 .vocab = VOCAB,
                                 .dim = DIM,
                                 .most = COUNT,
                                 .begin = begin,
                                 .tokens = tokens,
                                 .targets = targets};
        assert_int_equal(su_static_student_open(&table, NULL), SUTRA_OK);
        const SuStudent student = su_static_student(&table);
        loss[run] = student.loss(&table, weights, texts, COUNT, gradient[run]);
        for (size_t i = 0; i < VOCAB * DIM; i++) {
            const float kept = weights[i], step = 1e-2f;
            weights[i] = kept + step;
            double above = student.loss(&table, weights, texts, COUNT, NULL), up = weights[i];
            weights[i] = kept - step;
            double below = student.loss(&table, weights, texts, COUNT, NULL), down = weights[i];
            weights[i] = kept;
            assert_true(fabs((above - below) / (up - down) - gradient[run][i]) < 2e-6);
        }
        su_static_student_close(&table);
        su_matmul_close(&matmul);
    }
    assert_true(loss[0] == loss[1] && loss[0] > 0.25);
    assert_memory_equal(gradient[0], gradient[1], sizeof gradient[0]);
    for (size_t k = 0; k < DIM; k++)
        assert_true(gradient[0][3 * DIM + k] == 0 && gradient[0][k] != 0);
}

/* a v = value v, rows of length 1 and at right angles, values falling. */
static void check_eigen(const double *a, size_t n)
{
    double *vectors = malloc(n * n * sizeof *vectors), *values = malloc(n * sizeof *values);
    memcpy(vectors, a, n * n * sizeof *a);
    assert_int_equal(su_symmetric_eigen(vectors, n, values, NULL), SUTRA_OK);
    for (size_t i = 0; i < n; i++) {
        if (i) assert_true(values[i] <= values[i - 1]);
        for (size_t j = 0; j < n; j++) {
            double product = 0, dot = 0;
            for (size_t k = 0; k < n; k++) {
                product += a[j * n + k] * vectors[i * n + k];
                dot += vectors[i * n + k] * vectors[j * n + k];
            }
            assert_true(fabs(product - values[i] * vectors[i * n + j]) < 1e-10);
            assert_true(fabs(dot - (i == j)) < 1e-10);
        }
    }
    free(vectors);
    free(values);
}

static void test_eigen(void **state)
{
    static double a[60 * 60];
    const size_t sizes[] = {1, 2, 3, 7, 60};
    (void)state;
    for (size_t s = 0; s < 5; s++) {
        size_t n = sizes[s];
        SuSeeded seeded = su_seeded(3, s);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = draw(&seeded);
        check_eigen(a, n);
        memset(a, 0, n * n * sizeof *a); /* equal values, nothing beside the diagonal */
        for (size_t i = 0; i < n; i++) a[i * n + i] = i < n / 2 ? 1 : 2;
        check_eigen(a, n);
    }
    for (size_t i = 0; i < 49; i++) a[i] = 1; /* rank 1 */
    check_eigen(a, 7);
    a[3] = a[3 * 7] = NAN;
    double values[7];
    assert_int_equal(su_symmetric_eigen(a, 7, values, NULL), SUTRA_E_NUMERIC);
}

static void test_shuffle(void **state)
{
    enum { N = 1000 };
    static uint32_t order[2][N];
    static bool seen[N];
    (void)state;
    for (uint64_t run = 0; run < 2; run++) {
        SuSeeded seeded = su_seeded(5, run);
        for (uint32_t i = 0; i < N; i++) order[run][i] = i;
        su_seeded_shuffle(&seeded, order[run], N);
    }
    for (size_t i = 0; i < N; i++) {
        assert_false(seen[order[0][i]]);
        seen[order[0][i]] = true;
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),  cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_adam),    cmocka_unit_test(test_eigen),
        cmocka_unit_test(test_shuffle), cmocka_unit_test(test_static_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
