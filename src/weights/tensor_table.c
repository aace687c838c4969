#include "weights/tensor_table.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t bits;
} elements[SU_ELEMENT_COUNT] = {
    [SU_ELEMENT_BOOL] = {"BOOL", 8},
    [SU_ELEMENT_U8] = {"U8", 8},
    [SU_ELEMENT_I8] = {"I8", 8},
    [SU_ELEMENT_I16] = {"I16", 16},
    [SU_ELEMENT_U16] = {"U16", 16},
    [SU_ELEMENT_I32] = {"I32", 32},
    [SU_ELEMENT_U32] = {"U32", 32},
    [SU_ELEMENT_I64] = {"I64", 64},
    [SU_ELEMENT_U64] = {"U64", 64},
    [SU_ELEMENT_F16] = {"F16", 16},
    [SU_ELEMENT_BF16] = {"BF16", 16},
    [SU_ELEMENT_F32] = {"F32", 32},
    [SU_ELEMENT_F64] = {"F64", 64},
    [SU_ELEMENT_C64] = {"C64", 64},
    [SU_ELEMENT_F4] = {"F4", 4},
    [SU_ELEMENT_F6_E2M3] = {"F6_E2M3", 6},
    [SU_ELEMENT_F6_E3M2] = {"F6_E3M2", 6},
    [SU_ELEMENT_F8_E5M2] = {"F8_E5M2", 8},
    [SU_ELEMENT_F8_E4M3] = {"F8_E4M3", 8},
    [SU_ELEMENT_F8_E8M0] = {"F8_E8M0", 8},
    [SU_ELEMENT_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [SU_ELEMENT_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
};

const char *su_element_name(SuElement element) { return elements[element].name; }
uint32_t su_element_bits(SuElement element) { return elements[element].bits; }

bool su_element_from_name(const char *name, SuElement *element)
{
    for (unsigned i = 0; i < SU_ELEMENT_COUNT; i++)
        if (strcmp(elements[i].name, name) == 0) {
            *element = (SuElement)i;
            return true;
        }
    return false;
}

const char *su_shape_format(const uint64_t *shape, uint32_t num_dims, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "[");
    for (uint32_t i = 0; i < num_dims && used < capacity; i++)
        used +=
            (size_t)snprintf(text + used, capacity - used, "%s%" PRIu64, i ? ", " : "", shape[i]);
    if (used < capacity) snprintf(text + used, capacity - used, "]");
    return text;
}

SutraStatus su_tensor_table_map(SuTensorTable *table, const char *path, uint32_t *file,
                                SutraError *err)
{
    SuWeightFile *files = su_realloc(table->files, table->num_files + 1, sizeof *files);
    if (!files) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    table->files = files;
    SuWeightFile added = {.path = su_strdup(path)};
    if (!added.path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    SutraStatus status = su_file_map_open(path, &added.map, err);
    if (status != SUTRA_OK) {
        su_free(added.path);
        return status;
    }
    *file = (uint32_t)table->num_files;
    files[table->num_files++] = added;
    return SUTRA_OK;
}

SutraStatus su_tensor_table_reserve(SuTensorTable *table, size_t count, SutraError *err)
{
    size_t capacity;
    SuTensorView *tensors = NULL;
    if (!su_add_overflows(table->num_tensors, count, &capacity))
        tensors = su_realloc(table->tensors, capacity, sizeof *tensors);
    if (!tensors) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tensors", count);
    table->tensors = tensors;
    table->capacity = capacity;
    return SUTRA_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const SuTensorView *)a)->name, ((const SuTensorView *)b)->name);
}

SutraStatus su_tensor_table_seal(SuTensorTable *table, SutraError *err)
{
    if (table->num_tensors == 0) return SUTRA_OK;
    qsort(table->tensors, table->num_tensors, sizeof *table->tensors, compare_names);
    for (size_t i = 1; i < table->num_tensors; i++) {
        const SuTensorView *a = &table->tensors[i - 1], *b = &table->tensors[i];
        if (strcmp(a->name, b->name) == 0)
            SU_RAISE(err, SUTRA_E_FORMAT, "tensor %s is in both %s and %s", a->name,
                     table->files[a->file].path, table->files[b->file].path);
    }
    return SUTRA_OK;
}

const SuTensorView *su_tensor_table_find(const SuTensorTable *table, const char *name)
{
    if (table->num_tensors == 0) return NULL;
    SuTensorView key = {.name = name};
    return bsearch(&key, table->tensors, table->num_tensors, sizeof key, compare_names);
}

void su_tensor_table_free(SuTensorTable *table)
{
    for (size_t i = 0; i < table->num_files; i++) {
        su_file_map_close(&table->files[i].map);
        su_free(table->files[i].path);
        su_free(table->files[i].names);
    }
    su_free(table->files);
    su_free(table->tensors);
    *table = (SuTensorTable){0};
}
