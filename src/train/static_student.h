/* static_student.h - a student that looks its tokens up: the loss of a table of token vectors.
 *
 *   h_i  = mean of the rows of text i's tokens, in their order
 *   loss = mean_i (1 - cos(h_i, y_i))      y [texts, dim] of length 1, the teacher's
 *
 * A text without tokens costs 1 and moves nothing. Threads share the columns, so that no bit
 * depends on their number. */
#ifndef SU_STATIC_STUDENT_H
#define SU_STATIC_STUDENT_H

#include "train/matmul.h"
#include "train/train_loop.h"

typedef struct SuStaticStudent {
    const SuMatmul *matmul; /* its threads */
    size_t vocab, dim;
    size_t most;           /* texts of a call */
    const size_t *begin;   /* [texts + 1] text i has tokens begin[i] … begin[i + 1] */
    const int32_t *tokens; /* [begin[texts]] below vocab */
    const float *targets;  /* [texts, dim] y */
    const float *first;    /* [vocab, dim] the table that training starts with */
    float *mean;           /* [most, dim] h of the texts of the last call without a gradient */
    double *losses;        /* [most] */
    struct {               /* of the call at hand */
        const float *weights;
        const uint32_t *texts;
        size_t count;
        float *gradient;
    } call;
} SuStaticStudent;

/* Memory of a student whose other fields are set. Errors: MEMORY. */
SutraStatus su_static_student_open(SuStaticStudent *student, SutraError *err);
void su_static_student_close(SuStaticStudent *student);

SuStudent su_static_student(SuStaticStudent *student);

#endif
