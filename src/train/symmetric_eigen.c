#include "train/symmetric_eigen.h"

#include "base/memory.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_SWEEPS = 60 };

/* H = I - 2 v v^T / (v^T v) that takes x [n] to (alpha, 0, …): x becomes v, of length 1, or zeros
 * where nothing is to be done. Returns alpha. */
static double householder(double *x, size_t n)
{
    double tail = 0, length;
    for (size_t i = 1; i < n; i++) tail += x[i] * x[i];
    if (tail == 0) {
        double alpha = x[0];
        memset(x, 0, n * sizeof *x);
        return alpha;
    }
    length = sqrt(x[0] * x[0] + tail);
    double alpha = x[0] > 0 ? -length : length;
    x[0] -= alpha;
    length = sqrt(x[0] * x[0] + tail);
    for (size_t i = 0; i < n; i++) x[i] /= length;
    return alpha;
}

/* a [n, n], rows `stride` apart, becomes H a H; p [n] is scratch. */
static void reflect_both(double *a, size_t n, size_t stride, const double *v, double *p)
{
    double along = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += a[i * stride + j] * v[j];
        p[i] = 2 * sum;
        along += v[i] * p[i];
    }
    for (size_t i = 0; i < n; i++) p[i] -= along * v[i];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) a[i * stride + j] -= v[i] * p[j] + p[i] * v[j];
}

/* q [n, n] becomes H q, H acting on rows `first` and on. */
static void reflect_rows(double *q, size_t n, size_t first, const double *v, double *sum)
{
    memset(sum, 0, n * sizeof *sum);
    for (size_t i = first; i < n; i++)
        for (size_t j = 0; j < n; j++) sum[j] += v[i - first] * q[i * n + j];
    for (size_t i = first; i < n; i++)
        for (size_t j = 0; j < n; j++) q[i * n + j] -= 2 * v[i - first] * sum[j];
}

/* a = q^T T q with T of the diagonal d [n] and, beside it, e [n - 1]. */
static void reduce(double *a, size_t n, double *q, double *d, double *e, double *scratch)
{
    double *v = scratch, *p = scratch + n;
    memset(q, 0, n * n * sizeof *q);
    for (size_t i = 0; i < n; i++) q[i * n + i] = 1;
    for (size_t k = 0; k + 1 < n; k++) {
        size_t size = n - k - 1;
        for (size_t i = 0; i < size; i++) v[i] = a[(k + 1 + i) * n + k];
        d[k] = a[k * n + k];
        e[k] = householder(v, size);
        reflect_both(a + (k + 1) * n + k + 1, size, n, v, p);
        reflect_rows(q, n, k + 1, v, p);
    }
    d[n - 1] = a[n * n - 1];
}

static void rotate(double *x, double *y, size_t n, double c, double s)
{
    for (size_t i = 0; i < n; i++) {
        double below = y[i];
        y[i] = s * x[i] + c * below;
        x[i] = c * x[i] - s * below;
    }
}

/* One step on the unreduced block first … last, shifted by the eigenvalue near d[first]. */
static void chase(double *d, double *e, double *q, size_t n, size_t first, size_t last)
{
    double g = (d[first + 1] - d[first]) / (2 * e[first]), r = hypot(g, 1);
    double s = 1, c = 1, p = 0;
    g = d[last] - d[first] + e[first] / (g + copysign(r, g));
    for (size_t i = last; i-- > first;) {
        double f = s * e[i], b = c * e[i];
        r = hypot(f, g);
        if (i + 1 < last) e[i + 1] = r;
        if (r == 0) {
            d[i + 1] -= p;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        rotate(q + i * n, q + (i + 1) * n, n, c, s);
    }
    d[first] -= p;
    e[first] = g;
}

static SutraStatus solve(double *d, double *e, double *q, size_t n, SutraError *err)
{
    for (size_t first = 0; first < n; first++) {
        for (int sweep = 0;; sweep++) {
            size_t last = first;
            while (last + 1 < n &&
                   !(fabs(e[last]) <= DBL_EPSILON * (fabs(d[last]) + fabs(d[last + 1]))))
                last++;
            if (last == first) break;
            if (sweep == MOST_SWEEPS)
                SU_RAISE(err, SUTRA_E_NUMERIC, "the eigenvalues of the vectors do not converge");
            chase(d, e, q, n, first, last);
        }
    }
    return SUTRA_OK;
}

/* By falling value, which is few exchanges of rows. */
static void sort(double *d, double *q, size_t n, double *row)
{
    for (size_t i = 0; i < n; i++) {
        size_t most = i;
        for (size_t j = i + 1; j < n; j++)
            if (d[j] > d[most]) most = j;
        if (most == i) continue;
        double value = d[i];
        d[i] = d[most];
        d[most] = value;
        memcpy(row, q + i * n, n * sizeof *row);
        memcpy(q + i * n, q + most * n, n * sizeof *row);
        memcpy(q + most * n, row, n * sizeof *row);
    }
}

SutraStatus su_symmetric_eigen(double *a, size_t n, double *values, SutraError *err)
{
    double *q = su_alloc(n * n + 3 * n, sizeof *q);
    if (!q) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu eigenvectors", n);
    double *e = q + n * n, *scratch = e + n;
    reduce(a, n, q, values, e, scratch);
    SutraStatus status = solve(values, e, q, n, err);
    if (status == SUTRA_OK) {
        sort(values, q, n, scratch);
        memcpy(a, q, n * n * sizeof *a);
    }
    su_free(q);
    return status;
}
