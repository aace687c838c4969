#include "train/teacher_vectors.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TEXTS_AT_ONCE = 256 };

static SutraStatus read_pieces(const SuTeacherJob *job, float *rows, size_t *done, uint32_t *piece,
                               SutraError *err)
{
    char line[160];
    bool found = job->folder != NULL;
    while (found && *done < job->n) {
        SU_TRY(su_train_piece_read(job->folder, *piece, rows, done, job->n, job->dim, &found, err));
        *piece += found;
    }
    if (!*done || !job->log) return SUTRA_OK;
    snprintf(line, sizeof line, "going on after %zu of the teacher's %zu vectors", *done, job->n);
    job->log(job->user, line);
    return SUTRA_OK;
}

static void say(const SuTeacherJob *job, size_t done, uint64_t begin_ns, size_t before)
{
    char line[160];
    double seconds = (double)(su_clock_ns() - begin_ns) * 1e-9;
    if (!job->progress) return;
    snprintf(line, sizeof line, "teacher  %zu of %zu texts  %.0f/s", done, job->n,
             (double)(done - before) / (seconds > 0 ? seconds : 1));
    job->progress(job->user, line);
}

static SutraStatus embed(const SuTeacherJob *job, SutraEngine *engine, float *rows, size_t done,
                         uint32_t piece, SutraError *err)
{
    const SutraEmbedOptions options = {.struct_size = sizeof options};
    uint64_t begin_ns = su_clock_ns(), piece_ns = begin_ns;
    size_t kept = done, before = done;
    while (done < job->n) {
        size_t count = job->n - done < TEXTS_AT_ONCE ? job->n - done : TEXTS_AT_ONCE;
        SU_TRY(sutra_embed_into(engine, job->model, job->inputs + done, count, &options,
                                rows + done * job->dim, count * job->dim * sizeof *rows, NULL,
                                err));
        done += count;
        say(job, done, begin_ns, before);
        bool due = done == job->n || su_clock_ns() - piece_ns >= job->checkpoint_ns;
        if (!job->folder || !due) continue;
        SU_TRY(su_train_piece_write(job->folder, piece++, kept, rows + kept * job->dim, done - kept,
                                    job->dim, err));
        kept = done;
        piece_ns = su_clock_ns();
    }
    return SUTRA_OK;
}

static SutraStatus normalise(const SuTeacherJob *job, float *rows, SutraError *err)
{
    for (size_t i = 0; i < job->n; i++) {
        float *row = rows + i * job->dim;
        double sum = 0;
        for (size_t k = 0; k < job->dim; k++) sum += (double)row[k] * row[k];
        if (!isfinite(sum))
            SU_RAISE(err, SUTRA_E_NUMERIC, "the teacher's vector %u is not finite", job->places[i]);
        double scale = sum > 0 ? 1 / sqrt(sum) : 0;
        for (size_t k = 0; k < job->dim; k++) row[k] = (float)(row[k] * scale);
    }
    return SUTRA_OK;
}

static SutraStatus compute(const SuTeacherJob *job, float *rows, SutraError *err)
{
    SutraEngine *engine = NULL;
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = job->num_threads};
    size_t done = 0;
    uint32_t piece = 0;
    SU_TRY(read_pieces(job, rows, &done, &piece, err));
    if (done == job->n) return SUTRA_OK;
    SU_TRY(sutra_engine_create(&options, &engine, err));
    SutraStatus status = embed(job, engine, rows, done, piece, err);
    sutra_engine_free(engine);
    return status;
}

SutraStatus su_teacher_vectors(const SuTeacherJob *job, float *rows, SutraError *err)
{
    if (!job->known) SU_TRY(compute(job, rows, err));
    for (size_t i = 0; job->known && i < job->n; i++)
        memcpy(rows + i * job->dim, job->known + job->places[i] * job->dim,
               job->dim * sizeof *rows);
    return normalise(job, rows, err);
}
