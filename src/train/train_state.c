#include "train/train_state.h"

#include "base/byte_codec.h"
#include "base/memory.h"
#include "container/container.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

SutraStatus su_train_state_allocate(SuTrainState *state, size_t n, SutraError *err)
{
    state->n = n;
    state->params = su_calloc(4 * n, sizeof *state->params);
    if (!state->params) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu weights", n);
    state->m = state->params + n;
    state->v = state->m + n;
    state->best = state->v + n;
    return SUTRA_OK;
}

void su_train_state_free(SuTrainState *state)
{
    su_free(state->params);
    *state = (SuTrainState){.n = 0};
}

/* ---- recipes ---- */

/* The part of a recipe that begins at *at, "dim=384", without its ';', which *at passes. */
static size_t next_part(const char **at, const char **part)
{
    *part = *at;
    size_t size = strcspn(*at, ";");
    *at += size + ((*at)[size] == ';');
    return size;
}

static SutraStatus check_recipe(const char *folder, const char *wanted, const char *found,
                                SutraError *err)
{
    while (*wanted || *found) {
        const char *want, *have;
        size_t want_size = next_part(&wanted, &want), have_size = next_part(&found, &have);
        if (want_size == have_size && memcmp(want, have, want_size) == 0) continue;
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "%s was begun with %.*s, not %.*s; remove it to begin again", folder,
                 (int)have_size, have, (int)want_size, want);
    }
    return SUTRA_OK;
}

/* ---- the state ---- */

static void write_double(SuByteWriter *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    su_write_u64(writer, bits);
}

static double read_double(SuByteReader *reader)
{
    uint64_t bits = su_read_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static SutraStatus path_of(const char *folder, const char *name, char **path, SutraError *err)
{
    *path = su_path_join(folder, name);
    if (!*path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    return SUTRA_OK;
}

static SutraStatus damaged(const char *path, const char *folder, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_FORMAT, "%s: not a checkpoint of this program; remove %s to begin again",
             path, folder);
}

/* Every bit of a file, if it is there. */
static SutraStatus open_whole(const char *path, const char *folder, SuContainer *file, bool *found,
                              SutraError *err)
{
    *found = su_file_exists(path);
    if (!*found) return SUTRA_OK;
    SutraStatus status = su_container_open(path, file, err);
    if (status == SUTRA_OK) {
        status = su_container_verify(file, err);
        if (status != SUTRA_OK) su_container_close(file);
    }
    bool is_other = status == SUTRA_E_FORMAT || status == SUTRA_E_UNSUPPORTED;
    return is_other ? damaged(path, folder, err) : status;
}

static SutraStatus write_sections(const char *path, const SuByteWriter *head, const float *floats,
                                  size_t count, SutraError *err)
{
    SuContainerWriter file;
    SutraStatus status = su_container_writer_open(path, 2, &file, err);
    if (status == SUTRA_OK)
        status = su_container_writer_add(&file, "head", head->data, head->size, err);
    if (status == SUTRA_OK)
        status = su_container_writer_add(&file, "floats", floats, count * sizeof *floats, err);
    if (status == SUTRA_OK) return su_container_writer_commit(&file, err);
    su_container_writer_discard(&file);
    return status;
}

SutraStatus su_train_state_write(const char *folder, const SuTrainState *state, SutraError *err)
{
    char *path;
    SuByteWriter head = {0};
    SU_TRY(path_of(folder, "state", &path, err));
    su_write_string(&head, state->recipe);
    su_write_u64(&head, state->step);
    su_write_u64(&head, state->best_step);
    su_write_u64(&head, state->worse);
    su_write_u64(&head, state->trained);
    su_write_u64(&head, state->written);
    write_double(&head, state->best_loss);
    su_write_u64(&head, state->n);
    SutraStatus status = SUTRA_OK;
    if (head.failed) status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    if (status == SUTRA_OK) status = write_sections(path, &head, state->params, 4 * state->n, err);
    su_byte_writer_free(&head);
    su_free(path);
    return status;
}

static SutraStatus parse(const SuContainer *file, const char *folder, SuTrainState *state,
                         SutraError *err)
{
    const SuSection *head = su_container_find(file, "head"),
                    *floats = su_container_find(file, "floats");
    if (!head || !floats) return damaged(file->path, folder, err);
    SuByteReader reader = {head->data, head->data + head->size, false};
    char *recipe = su_read_string(&reader);
    if (!recipe) return damaged(file->path, folder, err);
    SutraStatus status = check_recipe(folder, state->recipe, recipe, err);
    su_free(recipe);
    if (status != SUTRA_OK) return status;
    state->step = su_read_u64(&reader);
    state->best_step = su_read_u64(&reader);
    state->worse = su_read_u64(&reader);
    state->trained = su_read_u64(&reader);
    state->written = su_read_u64(&reader);
    state->best_loss = read_double(&reader);
    size_t n = (size_t)su_read_u64(&reader);
    if (reader.failed || floats->size != 4 * n * sizeof(float) || (n && n != state->n))
        return damaged(file->path, folder, err);
    if (n) memcpy(state->params, floats->data, floats->size);
    return SUTRA_OK;
}

SutraStatus su_train_state_read(const char *folder, SuTrainState *state, bool *found,
                                SutraError *err)
{
    char *path;
    SuContainer file;
    SU_TRY(path_of(folder, "state", &path, err));
    SutraStatus status = open_whole(path, folder, &file, found, err);
    if (*found && status == SUTRA_OK) {
        status = parse(&file, folder, state, err);
        su_container_close(&file);
    }
    su_free(path);
    return status;
}

/* ---- pieces of vectors ---- */

static SutraStatus piece_path(const char *folder, uint32_t piece, char **path, SutraError *err)
{
    char name[32];
    snprintf(name, sizeof name, "vectors-%05u", piece);
    return path_of(folder, name, path, err);
}

SutraStatus su_train_piece_write(const char *folder, uint32_t piece, uint64_t first,
                                 const float *rows, size_t count, size_t dim, SutraError *err)
{
    char *path;
    SuByteWriter head = {0};
    SU_TRY(piece_path(folder, piece, &path, err));
    su_write_u64(&head, first);
    su_write_u64(&head, count);
    su_write_u64(&head, dim);
    SutraStatus status = SUTRA_OK;
    if (head.failed) status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    if (status == SUTRA_OK) status = write_sections(path, &head, rows, count * dim, err);
    su_byte_writer_free(&head);
    su_free(path);
    return status;
}

static SutraStatus take_piece(const SuContainer *file, const char *folder, float *rows,
                              size_t *done, size_t n, size_t dim, SutraError *err)
{
    const SuSection *head = su_container_find(file, "head"),
                    *floats = su_container_find(file, "floats");
    if (!head || !floats) return damaged(file->path, folder, err);
    SuByteReader reader = {head->data, head->data + head->size, false};
    uint64_t first = su_read_u64(&reader), count = su_read_u64(&reader);
    uint64_t columns = su_read_u64(&reader);
    if (reader.failed || first != *done || columns != dim || count > n - *done ||
        floats->size != count * dim * sizeof(float))
        return damaged(file->path, folder, err);
    memcpy(rows + *done * dim, floats->data, floats->size);
    *done += count;
    return SUTRA_OK;
}

SutraStatus su_train_piece_read(const char *folder, uint32_t piece, float *rows, size_t *done,
                                size_t n, size_t dim, bool *found, SutraError *err)
{
    char *path;
    SuContainer file;
    SU_TRY(piece_path(folder, piece, &path, err));
    SutraStatus status = open_whole(path, folder, &file, found, err);
    if (*found && status == SUTRA_OK) {
        status = take_piece(&file, folder, rows, done, n, dim, err);
        su_container_close(&file);
    }
    su_free(path);
    return status;
}
