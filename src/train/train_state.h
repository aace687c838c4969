/* train_state.h - where a training is, and the folder OUTPUT.partial that keeps it:
 *
 *   state            what the run was begun with (its recipe), the step, weights and moments
 *   vectors-00000    the teacher's vectors of texts 0 …, as they are embedded, piece by piece
 *   vectors-00001 …
 *   model            the student under construction
 *
 * Each file is a container with digests (container/container.h) that appears whole. */
#ifndef SU_TRAIN_STATE_H
#define SU_TRAIN_STATE_H

#include "base/status.h"

#define SU_TRAIN_PARTIAL ".partial"
enum { SU_RECIPE_SIZE = 1024 };

typedef struct SuTrainState {
    char recipe[SU_RECIPE_SIZE]; /* "method=projection;dim=128;…": what must be the same to go on */
    uint64_t step, best_step;    /* steps done; those when the best weights were found */
    uint64_t worse;              /* epochs since */
    uint64_t trained, written;   /* 1: the training is over; the student has its name, or gets it */
    double best_loss;
    size_t n;
    float *params, *m, *v, *best; /* [n]; NULL before su_train_state_allocate */
} SuTrainState;

/* Zeros. Errors: MEMORY. */
SutraStatus su_train_state_allocate(SuTrainState *state, size_t n, SutraError *err);
void su_train_state_free(SuTrainState *state);

/* Of the folder; *found: it has one. The recipe must be state->recipe. Errors: ARGUMENT (begun with
 * another one; names the part that differs), FORMAT, IO, MEMORY. */
SutraStatus su_train_state_read(const char *folder, SuTrainState *state, bool *found,
                                SutraError *err);
SutraStatus su_train_state_write(const char *folder, const SuTrainState *state, SutraError *err);

/* A piece of rows [count, dim] from row `first` on. */
SutraStatus su_train_piece_write(const char *folder, uint32_t piece, uint64_t first,
                                 const float *rows, size_t count, size_t dim, SutraError *err);
/* Appends a piece to rows [*done, dim], which has room for n; *found: it is there and fits. */
SutraStatus su_train_piece_read(const char *folder, uint32_t piece, float *rows, size_t *done,
                                size_t n, size_t dim, bool *found, SutraError *err);

#endif
