/* safetensors.h - bounded, zero-copy reader of .safetensors files, whole or sharded.
 *
 *   0        8                    8 + n                                    file size
 *   | n: u64 | JSON header, n bytes | tensor data, back to back               |
 *
 * header: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …,
 *          "__metadata__": {"key": "value", …}}, offsets relative to the data.
 *
 * Held to be damaged, as by the reference implementation: n over 100 MB or beyond the file, a
 * header that is no such object, an unknown dtype, a shape that does not fill its span, and spans
 * that overlap, leave a gap or do not end with the file. Besides that, duplicate names are. */
#ifndef SU_SAFETENSORS_H
#define SU_SAFETENSORS_H

#include "weights/tensor_table.h"

/* Adds every tensor of one file. The table still has to be sealed. Errors: IO, FORMAT, UNSUPPORTED
 * (more than SU_TENSOR_MAX_DIMS dimensions), MEMORY. */
SutraStatus su_safetensors_add(SuTensorTable *table, const char *path, SutraError *err);

/* folder/model.safetensors, else the shards of folder/model.safetensors.index.json; the table comes
 * back sealed, or empty on failure. Errors: as above; IO when neither is there; UNSUPPORTED when
 * the folder has weights in another format. */
SutraStatus su_safetensors_open_folder(const char *folder, SuTensorTable *table, SutraError *err);

#endif
