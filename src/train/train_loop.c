#include "train/train_loop.h"

#include "base/clock.h"
#include "base/memory.h"
#include "train/adam.h"
#include "train/seeded.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct Training {
    const SuTrainPlan *plan;
    const SuStudent *student;
    const SuTrainTexts *texts;
    SuTrainState *state;
    float *gradient; /* [num_weights] */
    uint32_t *order; /* [count - held_out] of the epoch */
    size_t batch, steps_per_epoch;
    double epoch_loss;
    uint64_t checkpoint_ns; /* when the last one was */
} Training;

size_t su_train_batch(const SuTrainPlan *plan, const SuTrainTexts *texts)
{
    size_t others = texts->count - texts->held_out;
    return others < plan->batch ? others : plan->batch;
}

static void draw_epoch(Training *training, uint64_t epoch)
{
    const SuTrainTexts *texts = training->texts;
    size_t others = texts->count - texts->held_out;
    SuSeeded seeded = su_seeded(training->plan->seed, 1 + epoch);
    memcpy(training->order, texts->order + texts->held_out, others * sizeof *training->order);
    su_seeded_shuffle(&seeded, training->order, others);
}

static double held_out_loss(const Training *training, const float *weights)
{
    const SuStudent *student = training->student;
    return student->loss(student->self, weights, training->texts->order, training->texts->held_out,
                         NULL);
}

static SutraStatus check_finite(const Training *training, double loss, SutraError *err)
{
    if (isfinite(loss)) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_NUMERIC,
             "step %llu: the loss is not finite; try a learning rate below %g",
             (unsigned long long)training->state->step + 1, training->plan->learning_rate);
}

static SutraStatus checkpoint(Training *training, bool now, SutraError *err)
{
    if (!training->plan->folder) return SUTRA_OK;
    uint64_t clock = su_clock_ns();
    if (!now && clock - training->checkpoint_ns < training->plan->checkpoint_ns) return SUTRA_OK;
    SutraStatus status = su_train_state_write(training->plan->folder, training->state, err);
    training->checkpoint_ns = su_clock_ns();
    return status;
}

static void say(const Training *training, uint64_t total, double loss, double held_out)
{
    char line[160];
    if (!training->plan->progress) return;
    snprintf(line, sizeof line, "step %llu of %llu  loss %.6f  held out %.6f  best %.6f",
             (unsigned long long)training->state->step, (unsigned long long)total, loss, held_out,
             training->state->best_loss);
    training->plan->progress(training->plan->user, line);
}

/* After an epoch's last step. */
static SutraStatus judge(Training *training, uint64_t total, double loss, SutraError *err)
{
    SuTrainState *state = training->state;
    double held_out = held_out_loss(training, state->params);
    SU_TRY(check_finite(training, held_out, err));
    state->worse++;
    if (held_out < state->best_loss) {
        state->best_loss = held_out;
        state->best_step = state->step;
        state->worse = 0;
        memcpy(state->best, state->params, state->n * sizeof *state->best);
    }
    say(training, total, loss, held_out);
    state->trained = state->step == total || state->worse >= training->plan->patience;
    return SUTRA_OK;
}

static SutraStatus take_step(Training *training, uint64_t total, SutraError *err)
{
    SuTrainState *state = training->state;
    const double pi = 3.14159265358979323846;
    const SuStudent *student = training->student;
    size_t place = state->step % training->steps_per_epoch;
    double loss =
        student->loss(student->self, state->params, training->order + place * training->batch,
                      training->batch, training->gradient);
    SU_TRY(check_finite(training, loss, err));
    double rate =
        training->plan->learning_rate * 0.5 * (1 + cos(pi * (double)state->step / (double)total));
    const SuAdam adam = {state->params, state->m, state->v, state->n};
    su_adam_step(&adam, training->gradient, ++state->step, rate);
    if (place + 1 == training->steps_per_epoch) return judge(training, total, loss, err);
    return SUTRA_OK;
}

static SutraStatus run(Training *training, SutraError *err)
{
    SuTrainState *state = training->state;
    uint64_t total = (uint64_t)training->plan->epochs * training->steps_per_epoch;
    if (state->step == 0) {
        training->student->start(training->student->self, state->params);
        memcpy(state->best, state->params, state->n * sizeof *state->best);
        state->best_loss = held_out_loss(training, state->params);
        SU_TRY(check_finite(training, state->best_loss, err));
    }
    if (!state->trained) draw_epoch(training, state->step / training->steps_per_epoch);
    training->checkpoint_ns = su_clock_ns();
    while (!state->trained) {
        if (state->step % training->steps_per_epoch == 0)
            draw_epoch(training, state->step / training->steps_per_epoch);
        SU_TRY(take_step(training, total, err));
        SU_TRY(checkpoint(training, state->trained, err));
    }
    return SUTRA_OK;
}

SutraStatus su_train(const SuTrainPlan *plan, const SuStudent *student, const SuTrainTexts *texts,
                     SuTrainState *state, SutraError *err)
{
    Training training = {.plan = plan, .student = student, .texts = texts, .state = state};
    size_t others = texts->count - texts->held_out;
    training.batch = su_train_batch(plan, texts);
    training.steps_per_epoch = others / training.batch;
    training.gradient = su_alloc(student->num_weights, sizeof *training.gradient);
    training.order = su_alloc(others, sizeof *training.order);
    SutraStatus status = SUTRA_OK;
    if (!training.gradient || !training.order)
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for the training");
    if (status == SUTRA_OK) status = run(&training, err);
    su_free(training.gradient);
    su_free(training.order);
    return status;
}
