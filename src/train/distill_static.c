/* Method "static": a table of token vectors, tuned so that their means are the teacher's vectors.
 *
 *   basis     the first `dim` principal axes of the teacher's vectors of the texts
 *   targets   the teacher's vectors in that basis, of length 1
 *   start     what the teacher makes of each token alone, less the mean of that, in the same basis,
 *             times SIF / (SIF + the token's share of all tokens) (Arora, Liang, Ma 2017), scaled
 *             so that rows have a length of 1 on average */
#include "base/clock.h"
#include "base/memory.h"
#include "tools/report.h"
#include "train/distill.h"
#include "train/projection.h"
#include "train/static_student.h"
#include "train/student_folder.h"
#include "train/token_vectors.h"

#include <math.h>
#include <string.h>

#define SIF 1e-3

typedef struct StaticDistill {
    SuDistill *distill;
    SuTextTokens tokens;
    SuStaticStudent student;
    float *basis;   /* [dim, teacher_dim] */
    float *targets; /* [texts, dim] */
    float *bare;    /* [vocab, dim] the start without the weights of tokens */
    float *first;   /* [vocab, dim] */
} StaticDistill;

static SutraStatus settle(SuDistill *distill, SutraError *err)
{
    enum { DEFAULT_DIM = 256 };
    size_t in = distill->teacher_dim;
    uint32_t *dim = &distill->options.dim;
    SutraModelInfo info = {.struct_size = sizeof info};
    SU_TRY(sutra_model_info(distill->model, &info, err));
    if (!*dim) *dim = in < DEFAULT_DIM ? (uint32_t)in : DEFAULT_DIM;
    if (*dim > in)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "a student of %u dimensions is larger than %s, of %zu",
                 *dim, distill->teacher, in);
    distill->num_weights = (size_t)info.vocab_size * *dim;
    return su_student_has_tokenizer(distill->teacher, err);
}

/* ---- what it starts from ---- */

static SutraStatus find_basis(StaticDistill *s, SutraError *err)
{
    SuDistill *distill = s->distill;
    const SuTrainTexts *texts = &distill->texts;
    size_t in = distill->teacher_dim, dim = distill->options.dim;
    const SuProjection axes = {.vectors = distill->vectors, .in = in, .out = dim};
    s->basis = su_alloc(dim * in, sizeof *s->basis);
    s->targets = su_alloc(texts->count * dim, sizeof *s->targets);
    if (!s->basis || !s->targets)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu targets", texts->count);
    SU_TRY(su_projection_pca(&axes, texts->order + texts->held_out, texts->count - texts->held_out,
                             s->basis, err));
    SU_TRY(su_matmul_reserve(&distill->matmul, dim, in, err));
    su_matmul(&distill->matmul, distill->vectors, texts->count, in, s->basis, dim, s->targets);
    for (size_t i = 0; i < texts->count; i++) {
        float *row = s->targets + i * dim;
        double squares = 0;
        for (size_t k = 0; k < dim; k++) squares += (double)row[k] * row[k];
        double scale = squares > 0 ? 1 / sqrt(squares) : 0;
        for (size_t k = 0; k < dim; k++) row[k] = (float)(row[k] * scale);
    }
    return SUTRA_OK;
}

/* Takes the mean of rows [vocab, dim] off each. */
static void centre(float *rows, size_t vocab, size_t dim)
{
    for (size_t k = 0; k < dim; k++) {
        double sum = 0;
        for (size_t i = 0; i < vocab; i++) sum += rows[i * dim + k];
        float mean = (float)(sum / (double)vocab);
        for (size_t i = 0; i < vocab; i++) rows[i * dim + k] -= mean;
    }
}

static void scale_to_one(float *rows, size_t vocab, size_t dim)
{
    double lengths = 0;
    for (size_t i = 0; i < vocab; i++) {
        double squares = 0;
        for (size_t k = 0; k < dim; k++) squares += (double)rows[i * dim + k] * rows[i * dim + k];
        lengths += sqrt(squares);
    }
    double scale = lengths > 0 ? (double)vocab / lengths : 0;
    for (size_t i = 0; i < vocab * dim; i++) rows[i] = (float)(rows[i] * scale);
}

/* first = bare, each row times its token's weight */
static SutraStatus weigh(StaticDistill *s, size_t vocab, size_t dim, SutraError *err)
{
    const SuTrainTexts *texts = &s->distill->texts;
    size_t total = s->tokens.begin[texts->count];
    double *counts = su_calloc(vocab, sizeof *counts);
    if (!counts) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", vocab);
    for (size_t t = 0; t < total; t++) counts[s->tokens.tokens[t]]++;
    for (size_t i = 0; i < vocab; i++) {
        double share = (counts[i] + 0.5) / ((double)total + 0.5 * (double)vocab);
        float weight = (float)(SIF / (SIF + share));
        for (size_t k = 0; k < dim; k++) s->first[i * dim + k] = s->bare[i * dim + k] * weight;
    }
    su_free(counts);
    scale_to_one(s->first, vocab, dim);
    return SUTRA_OK;
}

static SutraStatus find_start(StaticDistill *s, SutraError *err)
{
    SuDistill *distill = s->distill;
    const SutraDistillOptions *options = &distill->options;
    size_t in = distill->teacher_dim, dim = options->dim, vocab = distill->num_weights / dim;
    const SuTokenJob job = {distill->model,    vocab,        in, options->num_threads,
                            options->progress, options->user};
    float *vectors = su_alloc(vocab * in, sizeof *vectors);
    s->bare = su_alloc(vocab * dim, sizeof *s->bare);
    s->first = su_alloc(vocab * dim, sizeof *s->first);
    SutraStatus status =
        vectors && s->bare && s->first
            ? su_token_vectors(&job, vectors, err)
            : su_error_set(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", vocab);
    if (status == SUTRA_OK) {
        centre(vectors, vocab, in);
        su_matmul(&distill->matmul, vectors, vocab, in, s->basis, dim, s->bare);
        status = weigh(s, vocab, dim, err);
    }
    su_free(vectors);
    return status;
}

/* ---- training ---- */

static SutraStatus report_table(StaticDistill *s, const char *method, const float *weights,
                                SutraError *err)
{
    const SuTrainTexts *texts = &s->distill->texts;
    const SuStudent student = su_static_student(&s->student);
    double loss = student.loss(student.self, weights, texts->order, texts->held_out, NULL);
    return su_distill_report_student(s->distill, method, loss, s->student.mean, err);
}

static SutraStatus open_student(StaticDistill *s, SutraError *err)
{
    SuDistill *distill = s->distill;
    size_t batch = su_train_batch(&distill->plan, &distill->texts);
    size_t held_out = distill->texts.held_out;
    s->student = (SuStaticStudent){.matmul = &distill->matmul,
                                   .vocab = distill->num_weights / distill->options.dim,
                                   .dim = distill->options.dim,
                                   .most = batch > held_out ? batch : held_out,
                                   .begin = s->tokens.begin,
                                   .tokens = s->tokens.tokens,
                                   .targets = s->targets,
                                   .first = s->first};
    return su_static_student_open(&s->student, err);
}

static SutraStatus prepare(StaticDistill *s, SutraError *err)
{
    const SuTrainTexts *texts = &s->distill->texts;
    SU_TRY(su_text_tokens_open(&s->tokens, s->distill->model, texts->inputs, texts->count, err));
    SU_TRY(find_basis(s, err));
    SU_TRY(find_start(s, err));
    return open_student(s, err);
}

static SutraStatus train_and_report(StaticDistill *s, SutraError *err)
{
    SuDistill *distill = s->distill;
    uint64_t begin_ns = su_clock_ns();
    SU_TRY(prepare(s, err));
    const SuStudent student = su_static_student(&s->student);
    SU_TRY(su_train(&distill->plan, &student, &distill->texts, &distill->state, err));
    distill->training_s = (double)(su_clock_ns() - begin_ns) * 1e-9;
    if (!distill->report) return SUTRA_OK;
    SU_TRY(report_table(s, "tokens", s->bare, err));
    SU_TRY(report_table(s, "weighted", s->first, err));
    return report_table(s, "static", distill->state.best, err);
}

static SutraStatus train(SuDistill *distill, SutraError *err)
{
    StaticDistill s = {.distill = distill};
    SutraStatus status = train_and_report(&s, err);
    su_static_student_close(&s.student);
    su_text_tokens_close(&s.tokens);
    su_free(s.basis);
    su_free(s.targets);
    su_free(s.bare);
    su_free(s.first);
    return status;
}

static SutraStatus write(const SuDistill *distill, const char *folder, SutraError *err)
{
    size_t dim = distill->options.dim;
    return su_student_write_table(distill->teacher, folder, distill->state.best,
                                  distill->num_weights / dim, dim, err);
}

const SuDistillMethod su_distill_static = {"static", 0.004, settle, train, write};
