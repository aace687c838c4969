/* sutra.h: bundles, and the cache of bundles that opening a folder uses.
 *
 *   cache_dir/<name>-<packing>-<hash of folder, packing, version>.sutra
 *
 * One folder has one bundle a packing; when the folder's files change it is written again. Whatever
 * goes wrong with the cache, the folder itself is opened: a cache can make opening fast, not
 * fail. */
#include "api/model_open.h"

#include "backend/cpu_backend.h"
#include "base/file_write.h"
#include "base/memory.h"
#include "model/bundle.h"

#include <stdio.h>
#include <string.h>

#define STALE_SECONDS 3600u /* a temporary file as old as this has lost its writer */

static SutraStatus write_bundle(const SutraModel *model, const SuByteWriter *source,
                                const char *path, SutraError *err)
{
    const SutraBackend *backend = su_cpu_backend();
    void *handle = NULL;
    SutraTensor packed;
    if (su_model_tensor(model, SUTRA_ROLE_PACKED_CPU, 0))
        return su_bundle_write(model, NULL, 0, source, path, err);
    SutraError reason = {0}; /* a backend's err is never NULL */
    SutraStatus status = backend->load(0, &model->spec, model->tensors, model->num_tensors,
                                       model->compute, &handle, &reason);
    if (status != SUTRA_OK) SU_RAISE(err, status, "%s: %s", model->path, reason.message);
    su_cpu_backend_packed(handle, model->compute, &packed);
    status = su_bundle_write(model, &packed, 1, source, path, err);
    backend->unload(handle);
    return status;
}

SutraStatus sutra_model_save(const SutraModel *model, const char *path, SutraError *err)
{
    SuByteWriter source = {0};
    if (!model) SU_RAISE(err, SUTRA_E_ARGUMENT, "model is NULL");
    if (!path || !*path) SU_RAISE(err, SUTRA_E_ARGUMENT, "path is NULL or empty");
    if (su_directory_exists(model->path)) SU_TRY(su_bundle_source(model->path, &source, err));
    SutraStatus status = write_bundle(model, &source, path, err);
    su_byte_writer_free(&source);
    return status;
}

SutraStatus sutra_model_verify(const char *path, SutraError *err)
{
    SutraModel *model;
    if (!path || !*path) SU_RAISE(err, SUTRA_E_ARGUMENT, "path is NULL or empty");
    if (su_bundle_is_path(path)) return su_bundle_verify(path, err);
    SU_TRY(su_model_open(path, NULL, &model, err));
    su_model_destroy(model);
    return SUTRA_OK;
}

/* Writes the bundle of an opened folder; *written is false if the folder has changed since `source`
 * was taken. */
static SutraStatus fill_cache(const SutraModel *model, const SuByteWriter *source,
                              const char *cache_dir, const char *file, bool *written,
                              SutraError *err)
{
    SuByteWriter now;
    *written = false;
    SU_TRY(su_directory_create(cache_dir, err));
    su_directory_sweep(cache_dir, STALE_SECONDS);
    SU_TRY(su_bundle_source(model->path, &now, err));
    bool same = now.size == source->size && memcmp(now.data, source->data, now.size) == 0;
    su_byte_writer_free(&now);
    if (same) SU_TRY(write_bundle(model, source, file, err));
    *written = same;
    return SUTRA_OK;
}

/* Bundles are packed for the cpu backend. That it cannot run a model is no fault of the cache: who
 * uses the model says so. */
static bool can_be_packed(const SutraModel *model)
{
    SutraError reason = {0};
    SutraOutput output = su_model_is_reranker(model) ? SUTRA_OUT_SCORES : SUTRA_OUT_POOLED;
    return su_cpu_backend()->supports(0, &model->spec, model->compute, output, &reason) == SUTRA_OK;
}

static SutraStatus open_with_cache(const char *path, const SutraModelOptions *options,
                                   const SuByteWriter *source, const char *file, SutraModel **model,
                                   SutraError *err)
{
    SutraModel *bundled;
    SutraError problem = {0};
    bool written;
    if (su_bundle_is_current(file, source) && su_model_open(file, options, model, NULL) == SUTRA_OK)
        return SUTRA_OK;
    SU_TRY(su_model_open(path, options, model, err));
    if (!can_be_packed(*model)) return SUTRA_OK;
    if (fill_cache(*model, source, options->cache_dir, file, &written, &problem) != SUTRA_OK) {
        (*model)->cache_problem = su_strdup(problem.message);
    } else if (written && su_model_open(file, options, &bundled, NULL) == SUTRA_OK) {
        su_model_destroy(*model);
        *model = bundled;
    }
    return SUTRA_OK;
}

SutraStatus su_open_through_cache(const char *path, const SutraModelOptions *options,
                                  SutraModel **model, SutraError *err)
{
    SuByteWriter source;
    char packing[SU_CPU_PACKING_NAME];
    SU_TRY(su_cpu_backend_packing(options->compute, packing, err));
    if (su_bundle_source(path, &source, NULL) != SUTRA_OK)
        return su_model_open(path, options, model, err);
    char *file = su_bundle_cache_path(options->cache_dir, path, packing);
    SutraStatus status = file ? open_with_cache(path, options, &source, file, model, err)
                              : su_model_open(path, options, model, err);
    su_free(file);
    su_byte_writer_free(&source);
    return status;
}
