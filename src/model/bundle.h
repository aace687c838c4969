/* bundle.h - a model as a .sutra file: everything that opening a folder finds out, ready to be used
 * where it lies in the mapped file.
 *
 *   model.spec      SutraSpec and its heads, field by field (bundle_spec.c)
 *   model.facts     name, family, digest, revision, limits, pooling, prompts, tokenizer
 *                   class
 *   model.source    what the bundle was made from: library version, folder, its files
 *   model.tensors   role, layer, type, shape and section of each tensor below
 *   tokenizer       the compiled tokenizer (tokenizer/tokenizer_image.h)
 *   tensor.N        embedding tables as stored, or of int8 with their scales; the weights packed
 *                   for one GEMM
 *
 * docs/FORMATS.md has every field. */
#ifndef SU_BUNDLE_H
#define SU_BUNDLE_H

#include "base/byte_codec.h"
#include "model/model.h"

#define SU_BUNDLE_VERSION 5u
#define SU_BUNDLE_STATIC_VERSION 6u /* of static models, which version 5 has not */

/* Writes model to `path`: given [num_given], which are the packed weights (SUTRA_ROLE_PACKED_CPU)
 * and the embedding tables that are to be others than the model's, and the model's own tables.
 * source: of su_bundle_source, or empty. All or nothing, see base/file_write.h. Errors: IO,
 * MEMORY. */
SutraStatus su_bundle_write(const SutraModel *model, const SutraTensor *given, size_t num_given,
                            const SuByteWriter *source, const char *path, SutraError *err);

/* Fills a model that su_model_open made. Reads the small sections only. Errors: IO, FORMAT,
 * UNSUPPORTED (another version; compute is not what was asked for), MEMORY. */
SutraStatus su_bundle_read(SutraModel *model, const char *path, const SutraModelOptions *options,
                           SutraError *err);

/* Reads and checks every byte of a bundle. Errors: as su_bundle_read. */
SutraStatus su_bundle_verify(const char *path, SutraError *err);

/* What a model in `folder` is made from: name, size, times of change and inode of every file that
 * it could be read from. Equal bytes: nothing has changed. Errors: IO, MEMORY. */
SutraStatus su_bundle_source(const char *folder, SuByteWriter *source, SutraError *err);

/* True if there is a bundle at `path` that was made from this source by this version. */
bool su_bundle_is_current(const char *path, const SuByteWriter *source);

/* Where the bundle of `folder` in that packing is kept, to be su_free'd; NULL when the folder
 * cannot be found or out of memory. */
char *su_bundle_cache_path(const char *cache_dir, const char *folder, const char *packing);

/* True if `path` is a file that is taken for a bundle. */
bool su_bundle_is_path(const char *path);

#endif
