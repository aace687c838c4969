#include "base/memory.h"
#include "tools/report.h"
#include "train/distill.h"

#include <math.h>

/* cosines [n (n - 1) / 2] of all pairs of rows x [n, dim] */
static SutraStatus all_cosines(const float *x, size_t n, size_t dim, double *cosines,
                               SutraError *err)
{
    float *square = su_alloc(n * n, sizeof *square);
    if (!square) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the report");
    SutraStatus status = sutra_similarity(SUTRA_F32, (uint32_t)dim, x, n, x, n, square, err);
    for (size_t i = 0, at = 0; status == SUTRA_OK && i < n; i++)
        for (size_t j = 0; j < i; j++) cosines[at++] = square[i * n + j];
    su_free(square);
    return status;
}

static SutraStatus gather(const SuDistill *distill, float **x, SutraError *err)
{
    const SuTrainTexts *texts = &distill->texts;
    size_t dim = distill->teacher_dim;
    *x = su_alloc(texts->held_out * dim, sizeof **x);
    if (!*x) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the report");
    for (size_t i = 0; i < texts->held_out; i++)
        for (size_t k = 0; k < dim; k++)
            (*x)[i * dim + k] = distill->vectors[texts->order[i] * dim + k];
    return SUTRA_OK;
}

/* wanted, found: cosines [pairs] */
static SutraStatus compare(SuDistill *distill, const char *method, double loss,
                           const double *wanted, const double *found, size_t pairs, SutraError *err)
{
    double squares = 0, rho = NAN;
    for (size_t i = 0; i < pairs; i++) squares += (found[i] - wanted[i]) * (found[i] - wanted[i]);
    /* of one pair, or equal cosines, there is none */
    SutraStatus status = sutra_spearman(wanted, found, pairs, &rho, err);
    if (status == SUTRA_E_ARGUMENT || status == SUTRA_E_NUMERIC) status = SUTRA_OK;
    su_report_text(distill->report, "%s", method);
    su_report_number(distill->report, distill->options.dim);
    su_report_number(distill->report, loss);
    su_report_number(distill->report, 100 * sqrt(squares / (double)pairs));
    su_report_number(distill->report, 100 * rho);
    return status;
}

SutraStatus su_distill_report_student(SuDistill *distill, const char *method, double loss,
                                      const float *y, SutraError *err)
{
    size_t n = distill->texts.held_out, pairs = n * (n - 1) / 2;
    float *x = NULL;
    double *cosines = su_alloc(2 * pairs, sizeof *cosines);
    if (!cosines) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the report");
    SutraStatus status = gather(distill, &x, err);
    if (status == SUTRA_OK) status = all_cosines(x, n, distill->teacher_dim, cosines, err);
    if (status == SUTRA_OK) status = all_cosines(y, n, distill->options.dim, cosines + pairs, err);
    if (status == SUTRA_OK)
        status = compare(distill, method, loss, cosines, cosines + pairs, pairs, err);
    su_free(x);
    su_free(cosines);
    return status;
}
