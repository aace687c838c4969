/* sutra_distill: opens the teacher, embeds the texts, trains by a method, writes the student. */
#include "train/distill.h"

#include "base/clock.h"
#include "base/file_map.h"
#include "base/file_write.h"
#include "base/folder_claim.h"
#include "base/folder_tree.h"
#include "base/memory.h"
#include "base/number_text.h"
#include "tools/report.h"
#include "train/partial_folder.h"
#include "train/student_folder.h"
#include "train/teacher_vectors.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const SuDistillMethod *const methods[] = {
    [SUTRA_DISTILL_PROJECTION] = &su_distill_projection,
    [SUTRA_DISTILL_STATIC] = &su_distill_static,
};
enum { NUM_METHODS = sizeof methods / sizeof *methods, FEWEST_BATCH = 3, MOST_BATCH = 4096 };

/* ---- options ---- */

static SutraStatus check_options(const SutraDistillOptions *options, SutraError *err)
{
    if ((uint32_t)options->method >= NUM_METHODS)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: unknown method %u", (unsigned)options->method);
    if (options->batch < FEWEST_BATCH || options->batch > MOST_BATCH)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: a batch of %u texts is not in %d to %d",
                 options->batch, FEWEST_BATCH, MOST_BATCH);
    if (!(options->learning_rate > 0 && options->learning_rate <= DBL_MAX))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: a learning rate of %g is not above 0",
                 options->learning_rate);
    if (!(options->temperature > 0 && options->temperature <= DBL_MAX))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: a temperature of %g is not above 0",
                 options->temperature);
    const double weights[] = {options->neighbour_weight, options->mse_weight,
                              options->cosine_weight};
    for (size_t i = 0; i < 3; i++)
        if (!(weights[i] >= 0 && weights[i] <= DBL_MAX))
            SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: a weight of %g is not 0 or above",
                     weights[i]);
    return SUTRA_OK;
}

static SutraStatus read_options(const SutraDistillOptions *given, SutraDistillOptions *options,
                                SutraError *err)
{
    *options = (SutraDistillOptions){0};
    if (!given) SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: options is NULL");
    if (given->struct_size < sizeof given->struct_size || given->struct_size > sizeof *options)
        SU_RAISE(err, SUTRA_E_ABI, "SutraDistillOptions: struct_size %u", given->struct_size);
    memcpy(options, given, given->struct_size);
    if (!options->epochs) options->epochs = 15;
    if (!options->batch) options->batch = 512;
    if (!options->patience) options->patience = 5;
    if (!options->checkpoint_s) options->checkpoint_s = 10;
    if (options->learning_rate == 0 && (uint32_t)options->method < NUM_METHODS)
        options->learning_rate = methods[options->method]->learning_rate;
    if (options->temperature == 0) options->temperature = 0.05;
    if (options->neighbour_weight == 0 && options->mse_weight == 0 && options->cosine_weight == 0) {
        options->neighbour_weight = 1;
        options->mse_weight = 100;
    }
    return check_options(options, err);
}

/* ---- the teacher ---- */

/* Once the model is open. */
static SutraStatus check_teacher(SuDistill *distill, SutraError *err)
{
    SutraModelInfo info = {.struct_size = sizeof info};
    SU_TRY(sutra_model_info(distill->model, &info, err));
    if (*info.bundle)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: its weights are packed: give the folder that it was made from",
                 distill->teacher);
    if (!(info.outputs & 1u << SUTRA_OUT_POOLED))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: a reranker gives no vectors to learn from",
                 distill->teacher);
    if (strcmp(info.family, "model2vec") == 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: a static model without modules.json, which a student would be written into; "
                 "model2vec's save_pretrained makes one",
                 distill->teacher);
    if (info.dim == info.truncate_dim)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: its vectors are cut to %u elements (truncate_dim), which a student is not "
                 "made of",
                 distill->teacher, info.dim);
    distill->teacher_dim = info.dim;
    if (distill->options.vectors && (distill->options.vector_columns != info.dim ||
                                     distill->options.vector_rows != distill->options.num_inputs))
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "vectors of %llu x %u do not go with %zu texts and a teacher of %u dimensions",
                 (unsigned long long)distill->options.vector_rows, distill->options.vector_columns,
                 distill->options.num_inputs, info.dim);
    return methods[distill->options.method]->settle(distill, err);
}

static SutraStatus open_teacher(SuDistill *distill, SutraError *err)
{
    const SutraModelOptions options = {.struct_size = sizeof options};
    SU_TRY(sutra_model_open(distill->teacher, &options, &distill->model, err));
    return check_teacher(distill, err);
}

static void digest_text(const SuDigest *digest, char hex[33])
{
    for (size_t i = 0; i < 16; i++) sprintf(hex + 2 * i, "%02x", digest->bytes[i]);
}

/* Everything that decides the student's bytes. */
static SutraStatus make_recipe(SuDistill *distill, SutraError *err)
{
    const SutraDistillOptions *options = &distill->options;
    SuDigest digests[4];
    char hex[4][33];
    SU_TRY(su_teacher_digest(distill->teacher, &digests[0], &digests[1], err));
    digests[2] = distill->texts.digest;
    digests[3] = su_digest(options->vectors ? (const void *)options->vectors : "",
                           options->vectors ? options->num_inputs * distill->teacher_dim *
                                                  sizeof *options->vectors
                                            : 0);
    for (size_t i = 0; i < 4; i++) digest_text(&digests[i], hex[i]);
    char rate[SU_NUMBER_TEXT], mse[SU_NUMBER_TEXT], cosine[SU_NUMBER_TEXT];
    char neighbour[SU_NUMBER_TEXT], temperature[SU_NUMBER_TEXT];
    su_double_text(options->neighbour_weight, neighbour);
    su_double_text(options->temperature, temperature);
    su_double_text(options->learning_rate, rate);
    su_double_text(options->mse_weight, mse);
    su_double_text(options->cosine_weight, cosine);
    snprintf(distill->state.recipe, sizeof distill->state.recipe,
             "method=%s;dim=%u;seed=%llu;epochs=%u;batch=%u;patience=%u;learning-rate=%s;"
             "neighbour-weight=%s;temperature=%s;mse-weight=%s;cosine-weight=%s;teacher=%s;"
             "tokenizer=%s;texts=%s;vectors=%s",
             methods[options->method]->name, options->dim, (unsigned long long)options->seed,
             options->epochs, options->batch, options->patience, rate, neighbour, temperature, mse,
             cosine, hex[0], hex[1], hex[2], options->vectors ? hex[3] : "computed");
    return SUTRA_OK;
}

/* ---- OUTPUT.partial ---- */

static void log_line(const SuDistill *distill, const char *line)
{
    if (distill->options.log) distill->options.log(distill->options.user, line);
}

static bool is_bundle_name(const char *path)
{
    static const char ending[] = ".sutra";
    size_t size = strlen(path), tail = sizeof ending - 1;
    return size > tail && strcmp(path + size - tail, ending) == 0;
}

/* All of the teacher's folder becomes the student's. */
static SutraStatus refuse_inside(const SuDistill *distill, const char *above, SutraError *err)
{
    char *teacher = su_path_resolve(distill->teacher), *place = su_path_resolve(above);
    size_t size = teacher ? strlen(teacher) : 0;
    bool inside = teacher && place && strncmp(place, teacher, size) == 0 &&
                  (place[size] == '/' || !place[size]);
    su_free(teacher);
    su_free(place);
    if (inside)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: it is in the folder of its teacher", distill->output);
    return SUTRA_OK;
}

/* Can a folder be made beside OUTPUT? Those above it are not. */
static SutraStatus check_place(const SuDistill *distill, SutraError *err)
{
    const char *slash = strrchr(distill->output, '/');
    char *above =
        slash ? su_strndup(distill->output, (size_t)(slash - distill->output) + 1) : su_strdup(".");
    if (!above) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", distill->output);
    SutraStatus status = SUTRA_OK;
    if (!su_directory_exists(above))
        status = su_error_set(err, SUTRA_E_IO, "%s: there is no such folder to put it in",
                              distill->output);
    if (status == SUTRA_OK) status = refuse_inside(distill, above, err);
    if (status == SUTRA_OK) status = su_folder_check_writable(above, err);
    su_free(above);
    return status;
}

static SutraStatus refuse_existing(const SuDistill *distill, SutraError *err)
{
    if (su_path_exists(distill->output))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: it exists; give a new name, or remove it",
                 distill->output);
    return SUTRA_OK;
}

/* Before anything costs time. */
static SutraStatus check_output(const SuDistill *distill, SutraError *err)
{
    SU_TRY(check_place(distill, err));
    if (!distill->options.resume && su_path_exists(distill->partial))
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "%s is there, from a run that was ended: remove it, or go on with resume",
                 distill->partial);
    if (distill->options.resume && su_path_exists(distill->partial)) return SUTRA_OK;
    return refuse_existing(distill, err);
}

/* Reads how far an earlier run has come. */
static SutraStatus go_on(SuDistill *distill, SutraError *err)
{
    char line[640];
    bool found;
    SuTrainState *state = &distill->state;
    SU_TRY(su_partial_claim(distill->partial, true, &distill->lock, err));
    SU_TRY(su_train_state_read(distill->partial, state, &found, err));
    if (!state->written) SU_TRY(refuse_existing(distill, err));
    if (!found) return su_train_state_write(distill->partial, state, err);
    if (state->written && su_path_exists(distill->output))
        snprintf(line, sizeof line, "%s: an earlier run had written all of it", distill->output);
    else
        snprintf(line, sizeof line, "%s: going on after step %llu", distill->partial,
                 (unsigned long long)state->step);
    log_line(distill, line);
    return SUTRA_OK;
}

/* ---- the work ---- */

static SutraStatus embed_texts(SuDistill *distill, SutraError *err)
{
    const SutraDistillOptions *options = &distill->options;
    const SuTrainTexts *texts = &distill->texts;
    uint64_t begin_ns = su_clock_ns();
    distill->vectors = su_alloc(texts->count * distill->teacher_dim, sizeof *distill->vectors);
    if (!distill->vectors)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu vectors", texts->count);
    const SuTeacherJob job = {.model = distill->model,
                              .inputs = texts->inputs,
                              .n = texts->count,
                              .dim = distill->teacher_dim,
                              .num_threads = options->num_threads,
                              .known = options->vectors,
                              .places = texts->places,
                              .folder = options->resume ? distill->partial : NULL,
                              .checkpoint_ns = distill->plan.checkpoint_ns,
                              .progress = options->progress,
                              .log = options->log,
                              .user = options->user};
    SU_TRY(su_teacher_vectors(&job, distill->vectors, err));
    distill->teacher_s = (double)(su_clock_ns() - begin_ns) * 1e-9;
    return SUTRA_OK;
}

static SutraStatus report_totals(SuDistill *distill, SutraError *err)
{
    SutraBenchReport *report = distill->report;
    const SuTrainState *state = &distill->state;
    su_report_table(report, "totals", "what|value|unit");
    su_report_fact(report, "different texts", (double)distill->texts.count, "texts");
    su_report_fact(report, "duplicates", (double)distill->texts.duplicates, "texts");
    su_report_fact(report, "held out", (double)distill->texts.held_out, "texts");
    su_report_fact(report, "steps", (double)state->step, "steps");
    su_report_fact(report, "best after", (double)state->best_step, "steps");
    su_report_fact(report, "teacher's vectors, this run", distill->teacher_s, "s");
    su_report_fact(report, "training, this run", distill->training_s, "s");
    return su_report_status(report, err);
}

static SutraStatus train(SuDistill *distill, SutraError *err)
{
    const SutraDistillOptions *options = &distill->options;
    SU_TRY(su_matmul_open(&distill->matmul, options->num_threads, err));
    if (distill->report)
        su_report_table(distill->report, "students", "method|dim|loss|error %|spearman x100");
    SU_TRY(methods[options->method]->train(distill, err));
    if (!distill->state.best_step)
        log_line(distill, "no step made the loss on the texts held out less: nothing was learnt");
    return distill->report ? report_totals(distill, err) : SUTRA_OK;
}

/* ---- the student ---- */

static SutraStatus save_bundle(const char *folder, const char *output, SutraError *err)
{
    SutraModel *model;
    const SutraModelOptions options = {.struct_size = sizeof options};
    SU_TRY(sutra_model_open(folder, &options, &model, err));
    SutraStatus status = sutra_model_save(model, output, err);
    sutra_model_free(model);
    return status;
}

/* What was written can be opened. */
static SutraStatus check_student(const char *folder, SutraError *err)
{
    SutraModel *model;
    const SutraModelOptions options = {.struct_size = sizeof options};
    SU_TRY(sutra_model_open(folder, &options, &model, err));
    sutra_model_free(model);
    return SUTRA_OK;
}

static SutraStatus put_student(SuDistill *distill, const char *folder, SutraError *err)
{
    SU_TRY(su_tree_remove(folder, err));
    SU_TRY(methods[distill->options.method]->write(distill, folder, err));
    SU_TRY(check_student(folder, err));
    SU_TRY(refuse_existing(distill, err));
    if (distill->options.resume) {
        distill->state.written = 1;
        SU_TRY(su_train_state_write(distill->partial, &distill->state, err));
    }
    if (is_bundle_name(distill->output)) return save_bundle(folder, distill->output, err);
    return su_tree_rename(folder, distill->output, err);
}

static SutraStatus write_student(SuDistill *distill, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    char *folder = su_path_join(distill->partial, "model");
    if (!folder) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", distill->partial);
    if (distill->options.writing) distill->options.writing(distill->options.user);
    if (distill->lock < 0) status = su_partial_claim(distill->partial, false, &distill->lock, err);
    if (status == SUTRA_OK && !(distill->state.written && su_path_exists(distill->output)))
        status = put_student(distill, folder, err);
    su_free(folder);
    if (status == SUTRA_OK) return su_partial_remove(distill->partial, err);
    if (!distill->options.resume && distill->lock >= 0)
        (void)su_tree_remove(distill->partial, NULL);
    return status;
}

static SutraStatus run(SuDistill *distill, SutraError *err)
{
    const SutraDistillOptions *options = &distill->options;
    SU_TRY(check_output(distill, err));
    SU_TRY(open_teacher(distill, err));
    SU_TRY(su_train_texts_open(&distill->texts, options->inputs, options->num_inputs, options->seed,
                               err));
    SU_TRY(make_recipe(distill, err));
    SU_TRY(su_train_state_allocate(&distill->state, distill->num_weights, err));
    if (options->resume) SU_TRY(go_on(distill, err));
    distill->plan = (SuTrainPlan){.epochs = options->epochs,
                                  .batch = options->batch,
                                  .patience = options->patience,
                                  .learning_rate = options->learning_rate,
                                  .seed = options->seed,
                                  .folder = options->resume ? distill->partial : NULL,
                                  .checkpoint_ns = (uint64_t)options->checkpoint_s * 1000000000u,
                                  .progress = options->progress,
                                  .user = options->user};
    SU_TRY(embed_texts(distill, err));
    SU_TRY(train(distill, err));
    return write_student(distill, err);
}

static void close_distill(SuDistill *distill)
{
    sutra_model_free(distill->model);
    su_train_texts_close(&distill->texts);
    su_train_state_free(&distill->state);
    su_matmul_close(&distill->matmul);
    su_folder_release(distill->lock);
    su_free(distill->vectors);
    su_free(distill->output);
    su_free(distill->partial);
}

/* Slashes at the end are no part of the name. */
static SutraStatus name_output(SuDistill *distill, const char *output, SutraError *err)
{
    size_t size = strlen(output), capacity = size + sizeof SU_TRAIN_PARTIAL;
    while (size > 1 && output[size - 1] == '/') size--;
    distill->output = su_strndup(output, size);
    distill->partial = su_alloc(capacity, 1);
    if (!distill->output || !distill->partial)
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", output);
    snprintf(distill->partial, capacity, "%s" SU_TRAIN_PARTIAL, distill->output);
    return SUTRA_OK;
}

SutraStatus sutra_distill(const char *teacher, const char *output,
                          const SutraDistillOptions *options, SutraBenchReport **report,
                          SutraError *err)
{
    SuDistill distill = {.teacher = teacher, .lock = -1};
    if (report) *report = NULL;
    if (!teacher || !output) SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: teacher or output is NULL");
    if (!*output) SU_RAISE(err, SUTRA_E_ARGUMENT, "distill: output is empty");
    SU_TRY(read_options(options, &distill.options, err));
    SutraStatus status = name_output(&distill, output, err);
    if (status == SUTRA_OK && report) status = su_report_create(&distill.report, err);
    if (status == SUTRA_OK) status = run(&distill, err);
    close_distill(&distill);
    if (status == SUTRA_OK && report)
        *report = distill.report;
    else
        sutra_bench_report_free(distill.report);
    return status;
}
