#include "train/static_student.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 64 }; /* of a piece of work */

SutraStatus su_static_student_open(SuStaticStudent *student, SutraError *err)
{
    student->mean = su_alloc(student->most * student->dim, sizeof *student->mean);
    student->losses = su_alloc(student->most, sizeof *student->losses);
    if (!student->mean || !student->losses)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a batch of %zu texts", student->most);
    return SUTRA_OK;
}

void su_static_student_close(SuStaticStudent *student)
{
    su_free(student->mean);
    su_free(student->losses);
    student->mean = NULL;
    student->losses = NULL;
}

static size_t columns_of(const SuStaticStudent *student, size_t piece)
{
    size_t left = student->dim - piece * COLUMNS;
    return left < COLUMNS ? left : COLUMNS;
}

/* Columns of all texts' means. */
static void look_up(void *arg, size_t piece)
{
    const SuStaticStudent *student = arg;
    size_t dim = student->dim, n = columns_of(student, piece);
    const float *table = student->call.weights + piece * COLUMNS;
    for (size_t i = 0; i < student->call.count; i++) {
        float sum[COLUMNS] = {0};
        uint32_t text = student->call.texts[i];
        size_t begin = student->begin[text], end = student->begin[text + 1];
        for (size_t t = begin; t < end; t++) {
            const float *row = table + (size_t)student->tokens[t] * dim;
            for (size_t k = 0; k < n; k++) sum[k] += row[k];
        }
        float share = end > begin ? 1 / (float)(end - begin) : 0;
        float *mean = student->mean + i * dim + piece * COLUMNS;
        for (size_t k = 0; k < n; k++) mean[k] = sum[k] * share;
    }
}

/* A text's loss; with a gradient, its mean becomes what each of its tokens' rows is moved by. */
static void judge(void *arg, size_t i)
{
    const SuStaticStudent *student = arg;
    size_t dim = student->dim;
    uint32_t text = student->call.texts[i];
    float *mean = student->mean + i * dim;
    const float *target = student->targets + (size_t)text * dim;
    double squares = 0, product = 0;
    for (size_t k = 0; k < dim; k++) {
        squares += (double)mean[k] * mean[k];
        product += (double)mean[k] * target[k];
    }
    double length = sqrt(squares), cosine = squares > 0 ? product / length : 0;
    student->losses[i] = 1 - cosine;
    if (!student->call.gradient) return;
    size_t tokens = student->begin[text + 1] - student->begin[text];
    double share = squares > 0 ? 1 / (length * (double)tokens * (double)student->call.count) : 0;
    for (size_t k = 0; k < dim; k++)
        mean[k] = (float)((cosine * mean[k] / (squares > 0 ? length : 1) - target[k]) * share);
}

/* Columns of the gradient. */
static void spread(void *arg, size_t piece)
{
    const SuStaticStudent *student = arg;
    size_t dim = student->dim, n = columns_of(student, piece);
    float *gradient = student->call.gradient + piece * COLUMNS;
    for (size_t row = 0; row < student->vocab; row++)
        memset(gradient + row * dim, 0, n * sizeof *gradient);
    for (size_t i = 0; i < student->call.count; i++) {
        uint32_t text = student->call.texts[i];
        const float *move = student->mean + i * dim + piece * COLUMNS;
        for (size_t t = student->begin[text]; t < student->begin[text + 1]; t++) {
            float *row = gradient + (size_t)student->tokens[t] * dim;
            for (size_t k = 0; k < n; k++) row[k] += move[k];
        }
    }
}

static double loss_of(void *self, const float *weights, const uint32_t *texts, size_t count,
                      float *gradient)
{
    SuStaticStudent *student = self;
    size_t pieces = (student->dim + COLUMNS - 1) / COLUMNS;
    double loss = 0;
    student->call.weights = weights;
    student->call.texts = texts;
    student->call.count = count;
    student->call.gradient = gradient;
    su_each_row(student->matmul, pieces, look_up, student);
    su_each_row(student->matmul, count, judge, student);
    if (gradient) su_each_row(student->matmul, pieces, spread, student);
    for (size_t i = 0; i < count; i++) loss += student->losses[i];
    return loss / (double)count;
}

static void start(void *self, float *weights)
{
    const SuStaticStudent *student = self;
    memcpy(weights, student->first, student->vocab * student->dim * sizeof *weights);
}

SuStudent su_static_student(SuStaticStudent *student)
{
    return (SuStudent){student, student->vocab * student->dim, start, loss_of};
}
