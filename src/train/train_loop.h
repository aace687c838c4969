/* train_loop.h - steps of Adam on mini-batches until the held-out loss falls no more: what all
 * methods share. A method is a student: weights, a loss and its gradient.
 *
 * An epoch goes through all texts but those held out, in an order drawn from the seed and its
 * number; what is left of them when no batch can be filled waits for the next epoch. So a training
 * is told by its step, and one that goes on takes the same steps. */
#ifndef SU_TRAIN_LOOP_H
#define SU_TRAIN_LOOP_H

#include "train/train_state.h"
#include "train/train_texts.h"

typedef struct SuStudent {
    void *self;
    size_t num_weights;
    void (*start)(void *self, float *weights); /* [num_weights] */
    /* Of texts [count], numbers into SuTrainTexts.inputs; gradient [num_weights], NULL: not wanted.
     */
    double (*loss)(void *self, const float *weights, const uint32_t *texts, size_t count,
                   float *gradient);
} SuStudent;

typedef struct SuTrainPlan {
    uint32_t epochs, batch, patience;
    double learning_rate;
    uint64_t seed;
    const char *folder; /* of checkpoints; NULL: none */
    uint64_t checkpoint_ns;
    void (*progress)(void *user, const char *line);
    void *user;
} SuTrainPlan;

/* Goes on from state->step, and leaves the weights with the least held-out loss in state->best.
 * Errors: NUMERIC (a loss that is not finite), those of su_train_state_write, MEMORY. */
SutraStatus su_train(const SuTrainPlan *plan, const SuStudent *student, const SuTrainTexts *texts,
                     SuTrainState *state, SutraError *err);

/* Texts of a step, at most plan->batch. */
size_t su_train_batch(const SuTrainPlan *plan, const SuTrainTexts *texts);

#endif
