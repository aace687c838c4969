/* tensor_table.h - name -> tensor view over mapped weight files, whatever their format.
 *
 * A reader (safetensors; others can follow) maps a file, checks its header completely and adds one
 * view a tensor. su_tensor_table_seal sorts the views by name; after that the table is immutable
 * and su_tensor_table_find is a binary search. Views point into the mapped files: nothing is
 * copied, and data may be unaligned.
 *
 *   files    [ path, map, names ] [ path, map, names ] …      names: one block of NUL-ended strings
 *   tensors  [ name, dtype, shape, data, size, file ] …       sorted by name once sealed
 */
#ifndef SU_TENSOR_TABLE_H
#define SU_TENSOR_TABLE_H

#include "base/file_map.h"

#define SU_TENSOR_MAX_DIMS 8

/* Every element type that a weight file may hold; the engine computes from F32, F16 and BF16. */
typedef enum SuElement {
    SU_ELEMENT_BOOL = 0,
    SU_ELEMENT_U8,
    SU_ELEMENT_I8,
    SU_ELEMENT_I16,
    SU_ELEMENT_U16,
    SU_ELEMENT_I32,
    SU_ELEMENT_U32,
    SU_ELEMENT_I64,
    SU_ELEMENT_U64,
    SU_ELEMENT_F16,
    SU_ELEMENT_BF16,
    SU_ELEMENT_F32,
    SU_ELEMENT_F64,
    SU_ELEMENT_C64,
    SU_ELEMENT_F4,
    SU_ELEMENT_F6_E2M3,
    SU_ELEMENT_F6_E3M2,
    SU_ELEMENT_F8_E5M2,
    SU_ELEMENT_F8_E4M3,
    SU_ELEMENT_F8_E8M0,
    SU_ELEMENT_F8_E4M3FNUZ,
    SU_ELEMENT_F8_E5M2FNUZ,
    SU_ELEMENT_COUNT
} SuElement;

typedef struct SuTensorView {
    const char *name;
    SuElement element;
    uint32_t num_dims;
    uint64_t shape[SU_TENSOR_MAX_DIMS];
    const unsigned char *data; /* borrowed from the file's map */
    size_t size;               /* bytes */
    uint32_t file;             /* index into SuTensorTable.files */
} SuTensorView;

typedef struct SuWeightFile {
    char *path;
    SuFileMap map;
    char *names; /* the strings that the views of this file point to */
} SuWeightFile;

typedef struct SuTensorTable {
    SuWeightFile *files; /* [num_files] */
    size_t num_files;
    SuTensorView *tensors; /* [num_tensors] */
    size_t num_tensors, capacity;
} SuTensorTable;

/* Maps `path` as one more file of the table; *file is its index. Errors: IO, MEMORY. */
SutraStatus su_tensor_table_map(SuTensorTable *table, const char *path, uint32_t *file,
                                SutraError *err);

/* Room for `count` more views. */
SutraStatus su_tensor_table_reserve(SuTensorTable *table, size_t count, SutraError *err);

/* Sorts by name. FORMAT when two tensors have one name. */
SutraStatus su_tensor_table_seal(SuTensorTable *table, SutraError *err);

/* NULL when there is none. Of a sealed table. */
const SuTensorView *su_tensor_table_find(const SuTensorTable *table, const char *name);

/* Unmaps the files. */
void su_tensor_table_free(SuTensorTable *table);

const char *su_element_name(SuElement element); /* "BF16" */
uint32_t su_element_bits(SuElement element);
/* False for a name that is no element type. */
bool su_element_from_name(const char *name, SuElement *element);

/* Writes "[2, 3]" cut to fit `capacity`; returns `text`. */
const char *su_shape_format(const uint64_t *shape, uint32_t num_dims, char *text, size_t capacity);

#endif
