/* sutra_train.h - distillation: a student model whose vectors have the similarities of a teacher's.
 *
 * Part of libsutra_tools.a; versioning, errors and threads are those of sutra.h. Inputs are
 * borrowed until return. Method, loss and figures: docs/DISTILLATION.md.
 */
#ifndef SUTRA_TRAIN_H
#define SUTRA_TRAIN_H

#include "sutra_tools.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum SutraDistillMethod {
    /* The teacher with a Dense module that projects its vectors to fewer dimensions. */
    SUTRA_DISTILL_PROJECTION = 0,
    /* A table of token vectors, without layers: StaticEmbedding and Normalize. */
    SUTRA_DISTILL_STATIC
} SutraDistillMethod;

/* What zero means stands in brackets. */
typedef struct SutraDistillOptions {
    uint32_t struct_size;
    SutraDistillMethod method;
    uint32_t dim; /* of the student's vectors: PROJECTION: below the teacher's (a third of it);
                             STATIC: up to the teacher's (256) */
    uint32_t num_threads;     /* (every core this process may run on); no bit depends on it */
    uint64_t seed;            /* of the start, the split and the order of texts */
    const SutraInput *inputs; /* [num_inputs]; of equal texts the first counts */
    size_t num_inputs;
    uint32_t epochs;      /* passes over the texts at most (15) */
    uint32_t batch;       /* texts of a step, 3 … 4096 (512) */
    uint32_t patience;    /* epochs without a lower held-out loss that end the training (5) */
    double learning_rate; /* of Adam; it falls to 0 along a cosine (0.01; STATIC: 0.004) */
    /* PROJECTION: weights of the loss's terms, 0 or more (all 0: 1, 100 and 0). */
    double neighbour_weight; /* divergence of a text's neighbours: see docs/DISTILLATION.md */
    double mse_weight;       /* squared errors of cosines */
    double cosine_weight;    /* angles between rows of the matrices of cosines */
    double temperature;      /* of neighbours (0.05) */
    uint32_t resume;         /* 1: goes on from OUTPUT.partial, and keeps it when it fails */
    uint32_t checkpoint_s;   /* with resume: seconds between two checkpoints (10) */
    void (*progress)(void *user, const char *line); /* what is being done; NULL: no call */
    void (*log)(void *user, const char *line);      /* what is to stay on record */
    void (*writing)(void *user);                    /* called once, before the student is written */
    void *user;
    /* [num_inputs, the teacher's dim] its vectors of the inputs, where they are known, and the rows
     * and columns there are; NULL: they are computed. */
    const float *vectors;
    uint64_t vector_rows;
    uint32_t vector_columns;
} SutraDistillOptions;

/* Trains a student of the model in folder `teacher` on texts and writes it to `output`: a folder
 * that sentence-transformers opens too, or a bundle where the name ends in ".sutra". All or
 * nothing: it is made in the folder OUTPUT.partial and renamed.
 *
 * With resume that folder also holds the teacher's vectors and the state of the training, and a
 * call with the same teacher, texts and options goes on from there, to the same bytes.
 *
 * report may be NULL; else to be freed by sutra_bench_report_free:
 *
 *   table      columns
 *   students   method    "truncation", "random" (the start), "pca", "projection"; or "tokens"
 *                        (the teacher's vectors of tokens), "weighted" (the start), "static"
 *              dim
 *              loss      on held-out texts
 *              error     percent: root of the mean squared error of the cosines of all pairs
 *              spearman  x100, of these cosines and the teacher's
 *   totals     what, value, unit
 *
 * Errors: ARGUMENT (fewer than 8 different texts; dim is not below the teacher's; options out of
 * range; vectors of other rows or columns; OUTPUT exists, or is in the teacher's folder;
 * OUTPUT.partial is of another teacher, tokenizer, texts or options, of a run at work, or of none);
 * UNSUPPORTED (the teacher gives no vectors, is packed, or cuts its vectors); NUMERIC (a loss that
 * is not finite); IO; FORMAT; ABI; MEMORY; those of sutra_model_open
 * and sutra_embed. */
SUTRA_API SutraStatus sutra_distill(const char *teacher, const char *output,
                                    const SutraDistillOptions *options, SutraBenchReport **report,
                                    SutraError *err);

#ifdef __cplusplus
}
#endif
#endif
