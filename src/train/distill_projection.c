/* Method "projection". */
#include "base/clock.h"
#include "base/memory.h"
#include "tools/report.h"
#include "train/distill.h"
#include "train/projection.h"
#include "train/student_folder.h"

static SutraStatus settle(SuDistill *distill, SutraError *err)
{
    size_t in = distill->teacher_dim;
    uint32_t *dim = &distill->options.dim;
    if (!*dim) *dim = in < 3 ? 1 : (uint32_t)(in / 3);
    if (*dim >= in)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "a student of %u dimensions is no smaller than %s, of %zu",
                 *dim, distill->teacher, in);
    distill->num_weights = in * *dim;
    return SUTRA_OK;
}

static SutraStatus report_weights(SuDistill *distill, SuProjection *projection, const char *method,
                                  const float *weights, SutraError *err)
{
    const SuTrainTexts *texts = &distill->texts;
    const SuStudent student = su_projection_student(projection);
    double loss = student.loss(projection, weights, texts->order, texts->held_out, NULL);
    const float *y = su_projection_apply(projection, weights, texts->order, texts->held_out);
    return su_distill_report_student(distill, method, loss, y, err);
}

/* The student beside projections that need no training. */
static SutraStatus report(SuDistill *distill, SuProjection *projection, SutraError *err)
{
    const SuTrainTexts *texts = &distill->texts;
    float *weights = su_alloc(distill->state.n, sizeof *weights);
    if (!weights) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the report");
    su_projection_truncate(projection, weights);
    SutraStatus status = report_weights(distill, projection, "truncation", weights, err);
    su_projection_random(projection, weights);
    if (status == SUTRA_OK) status = report_weights(distill, projection, "random", weights, err);
    if (status == SUTRA_OK)
        status = su_projection_pca(projection, texts->order + texts->held_out,
                                   texts->count - texts->held_out, weights, err);
    if (status == SUTRA_OK) status = report_weights(distill, projection, "pca", weights, err);
    if (status == SUTRA_OK)
        status = report_weights(distill, projection, "projection", distill->state.best, err);
    su_free(weights);
    return status;
}

static SutraStatus train_and_report(SuDistill *distill, SuProjection *projection, SutraError *err)
{
    const SuStudent student = su_projection_student(projection);
    uint64_t begin_ns = su_clock_ns();
    projection->seed = distill->options.seed;
    projection->loss.weights = (SuLossWeights){.neighbour = distill->options.neighbour_weight,
                                               .temperature = distill->options.temperature,
                                               .mse = distill->options.mse_weight,
                                               .cosine = distill->options.cosine_weight};
    SU_TRY(su_train(&distill->plan, &student, &distill->texts, &distill->state, err));
    distill->training_s = (double)(su_clock_ns() - begin_ns) * 1e-9;
    return distill->report ? report(distill, projection, err) : SUTRA_OK;
}

static SutraStatus train(SuDistill *distill, SutraError *err)
{
    SuProjection projection;
    size_t batch = su_train_batch(&distill->plan, &distill->texts);
    size_t most = batch > distill->texts.held_out ? batch : distill->texts.held_out;
    SutraStatus status = su_projection_open(&projection, &distill->matmul, distill->vectors,
                                            distill->teacher_dim, distill->options.dim, most, err);
    if (status == SUTRA_OK) status = train_and_report(distill, &projection, err);
    su_projection_close(&projection);
    return status;
}

static SutraStatus write(const SuDistill *distill, const char *folder, SutraError *err)
{
    return su_student_write(distill->teacher, folder, distill->state.best, distill->teacher_dim,
                            distill->options.dim, err);
}

const SuDistillMethod su_distill_projection = {"projection", 0.01, settle, train, write};
