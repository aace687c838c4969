/* measures.c - rank correlation and ranking quality. */
#include "base/memory.h"
#include "base/status.h"
#include "sutra_tools.h"

#include <math.h>
#include <stdlib.h>

typedef struct Ranked {
    double value;
    size_t place; /* in the caller's array */
} Ranked;

static int by_value(const void *a, const void *b)
{
    double x = ((const Ranked *)a)->value, y = ((const Ranked *)b)->value;
    return (x > y) - (x < y);
}

/* ranks [n] from 1; equal values share the average of theirs. */
static SutraStatus average_ranks(const double *values, size_t n, const char *name, double *ranks,
                                 SutraError *err)
{
    Ranked *order = su_alloc(n, sizeof *order);
    if (!order) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu ranks", n);
    bool valid = true;
    for (size_t i = 0; i < n; i++) {
        valid = valid && !isnan(values[i]);
        order[i] = (Ranked){values[i], i};
    }
    if (valid) qsort(order, n, sizeof *order, by_value);
    for (size_t first = 0, end; valid && first < n; first = end) {
        for (end = first + 1; end < n && order[end].value == order[first].value;) end++;
        double rank = ((double)first + 1 + (double)end) / 2;
        for (size_t i = first; i < end; i++) ranks[order[i].place] = rank;
    }
    su_free(order);
    if (!valid) SU_RAISE(err, SUTRA_E_NUMERIC, "spearman: %s holds NaN", name);
    return SUTRA_OK;
}

/* Ranks add up to n (n + 1) / 2, so their mean is known. */
static SutraStatus correlate_ranks(const double *x, const double *y, size_t n, double *rho,
                                   SutraError *err)
{
    double mean = ((double)n + 1) / 2, xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        xy += (x[i] - mean) * (y[i] - mean);
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
    }
    if (xx == 0 || yy == 0)
        SU_RAISE(err, SUTRA_E_NUMERIC, "spearman: all values of %s are equal", xx == 0 ? "x" : "y");
    *rho = xy / sqrt(xx * yy);
    return SUTRA_OK;
}

SutraStatus sutra_spearman(const double *x, const double *y, size_t n, double *rho, SutraError *err)
{
    if (!x || !y || !rho) SU_RAISE(err, SUTRA_E_ARGUMENT, "spearman: x, y or rho is NULL");
    if (n < 2) SU_RAISE(err, SUTRA_E_ARGUMENT, "spearman: %zu pairs are too few", n);
    double *ranks = su_alloc(n, 2 * sizeof *ranks);
    if (!ranks) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu ranks", n);
    SutraStatus status = average_ranks(x, n, "x", ranks, err);
    if (status == SUTRA_OK) status = average_ranks(y, n, "y", ranks + n, err);
    if (status == SUTRA_OK) status = correlate_ranks(ranks, ranks + n, n, rho, err);
    su_free(ranks);
    return status;
}

static int greater_first(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static double discounted_gain(const double *relevances, size_t n, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < n && i < k; i++)
        if (relevances[i] > 0) sum += relevances[i] / log2((double)i + 2);
    return sum;
}

SutraStatus sutra_ndcg(const double *ranked, size_t num_ranked, const double *judged,
                       size_t num_judged, size_t k, double *ndcg, SutraError *err)
{
    if ((!ranked && num_ranked) || (!judged && num_judged) || !ndcg)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "ndcg: ranked, judged or ndcg is NULL");
    double *ideal = su_alloc(num_judged, sizeof *ideal);
    if (!ideal) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu relevances", num_judged);
    for (size_t i = 0; i < num_judged; i++) ideal[i] = judged[i];
    if (num_judged) qsort(ideal, num_judged, sizeof *ideal, greater_first);
    double best = discounted_gain(ideal, num_judged, k);
    *ndcg = best > 0 ? discounted_gain(ranked, num_ranked, k) / best : 0;
    su_free(ideal);
    return SUTRA_OK;
}
