/* teacher_vectors.h - what the teacher makes of the texts, computed once. */
#ifndef SU_TEACHER_VECTORS_H
#define SU_TEACHER_VECTORS_H

#include "train/train_state.h"

typedef struct SuTeacherJob {
    const SutraModel *model;
    const SutraInput *inputs; /* [n] */
    size_t n, dim;
    uint32_t num_threads;
    const float *known;     /* [.., dim] row places[i] is text i's; NULL: to be computed */
    const uint32_t *places; /* [n] */
    const char *folder;     /* where pieces are kept; NULL: nowhere */
    uint64_t checkpoint_ns;
    void (*progress)(void *user, const char *line);
    void (*log)(void *user, const char *line);
    void *user;
} SuTeacherJob;

/* rows [n, dim], of length 1 (those of zeros stay). Errors: those of sutra_embed, NUMERIC, IO. */
SutraStatus su_teacher_vectors(const SuTeacherJob *job, float *rows, SutraError *err);

#endif
