/* distill.h - a distillation at work, and the table of methods. */
#ifndef SU_DISTILL_H
#define SU_DISTILL_H

#include "sutra_train.h"
#include "train/matmul.h"
#include "train/train_loop.h"

typedef struct SuDistill {
    SutraDistillOptions options; /* defaults filled in */
    const char *teacher;
    char *output, *partial; /* partial: OUTPUT.partial */
    int lock;               /* of OUTPUT.partial; -1: not held */
    SutraModel *model;
    size_t teacher_dim, num_weights; /* of the student, that are trained */
    SuTrainTexts texts;
    float *vectors; /* [texts.count, teacher_dim] of the teacher, of length 1 */
    SuMatmul matmul;
    SuTrainPlan plan;
    SuTrainState state;
    SutraBenchReport *report;
    double teacher_s, training_s; /* seconds of this run */
} SuDistill;

/* What differs between methods. */
typedef struct SuDistillMethod {
    const char *name;
    double learning_rate; /* the default */
    /* Once teacher_dim is known: fills in options.dim and num_weights. Errors: ARGUMENT (a student
     * of so many dimensions is none), UNSUPPORTED. */
    SutraStatus (*settle)(SuDistill *distill, SutraError *err);
    /* Trains from distill->state on, and fills the report's table "students" if there is one. */
    SutraStatus (*train)(SuDistill *distill, SutraError *err);
    /* Writes the student to a folder that is not there. */
    SutraStatus (*write)(const SuDistill *distill, const char *folder, SutraError *err);
} SuDistillMethod;

extern const SuDistillMethod su_distill_projection, su_distill_static;

/* A row of the table "students": y [texts.held_out, dim] are the held-out texts' vectors. */
SutraStatus su_distill_report_student(SuDistill *distill, const char *method, double loss,
                                      const float *y, SutraError *err);

#endif
