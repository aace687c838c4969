#include "weights/safetensors.h"

#include "base/json_file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8u
#define MAX_HEADER_BYTES 100000000u

static uint64_t read_u64_le(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

/* The header's bytes, within the file. */
static SutraStatus find_header(const SuWeightFile *file, size_t *header_size, SutraError *err)
{
    if (file->map.size < LENGTH_BYTES)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %zu bytes are too few for a safetensors file",
                 file->path, file->map.size);
    uint64_t size = read_u64_le(file->map.data);
    if (size > MAX_HEADER_BYTES)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: header of %llu bytes is larger than the limit of 100 MB (not a safetensors "
                 "file?)",
                 file->path, (unsigned long long)size);
    if (size > file->map.size - LENGTH_BYTES)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: header of %llu bytes goes beyond the end of the file (truncated?)",
                 file->path, (unsigned long long)size);
    if (size == 0 || file->map.data[LENGTH_BYTES] != '{')
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: header is not a JSON object", file->path);
    *header_size = (size_t)size;
    return SUTRA_OK;
}

static SutraStatus read_size(const json_t *value, const char *path, const char *name,
                             const char *field, uint64_t *size, SutraError *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: %s is not a list of sizes", path, name,
                 field);
    *size = (uint64_t)json_integer_value(value);
    return SUTRA_OK;
}

static SutraStatus read_shape(const json_t *info, const char *path, SuTensorView *view,
                              SutraError *err)
{
    const json_t *shape = json_object_get(info, "shape");
    if (!json_is_array(shape))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: shape is not a list of sizes", path,
                 view->name);
    if (json_array_size(shape) > SU_TENSOR_MAX_DIMS)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: tensor %s has %zu dimensions; at most %d are read",
                 path, view->name, json_array_size(shape), SU_TENSOR_MAX_DIMS);
    view->num_dims = (uint32_t)json_array_size(shape);
    for (uint32_t i = 0; i < view->num_dims; i++)
        SU_TRY(
            read_size(json_array_get(shape, i), path, view->name, "shape", &view->shape[i], err));
    return SUTRA_OK;
}

/* Bytes that the shape and the element type ask for. */
static SutraStatus expected_size(const char *path, const SuTensorView *view, size_t *size,
                                 SutraError *err)
{
    size_t bits = su_element_bits(view->element);
    bool overflow = false;
    for (uint32_t i = 0; i < view->num_dims; i++)
        overflow |= su_mul_overflows(bits, view->shape[i], &bits);
    if (overflow) SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: shape overflows", path, view->name);
    if (bits % 8 != 0)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: %s elements do not end at a byte", path,
                 view->name, su_element_name(view->element));
    *size = bits / 8;
    return SUTRA_OK;
}

/* data_offsets, checked against the shape and the file; the order of spans is checked later. */
static SutraStatus read_span(const json_t *info, const SuWeightFile *file, size_t header_size,
                             SuTensorView *view, SutraError *err)
{
    const json_t *offsets = json_object_get(info, "data_offsets");
    uint64_t begin = 0, end = 0;
    size_t expected = 0;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: data_offsets is not a pair", file->path,
                 view->name);
    SU_TRY(
        read_size(json_array_get(offsets, 0), file->path, view->name, "data_offsets", &begin, err));
    SU_TRY(
        read_size(json_array_get(offsets, 1), file->path, view->name, "data_offsets", &end, err));
    size_t data_size = file->map.size - LENGTH_BYTES - header_size;
    if (begin > end || end > data_size)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: tensor %s: data_offsets [%llu, %llu] are outside the %zu bytes of data "
                 "(truncated?)",
                 file->path, view->name, (unsigned long long)begin, (unsigned long long)end,
                 data_size);
    SU_TRY(expected_size(file->path, view, &expected, err));
    if (end - begin != expected) {
        char shape[128];
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: tensor %s: %s %s takes %zu bytes, data_offsets span %llu", file->path,
                 view->name, su_element_name(view->element),
                 su_shape_format(view->shape, view->num_dims, shape, sizeof shape), expected,
                 (unsigned long long)(end - begin));
    }
    view->data = file->map.data + LENGTH_BYTES + header_size + begin;
    view->size = expected;
    return SUTRA_OK;
}

static SutraStatus read_tensor(const json_t *info, const SuWeightFile *file, size_t header_size,
                               SuTensorView *view, SutraError *err)
{
    if (!json_is_object(info))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: not described by an object", file->path,
                 view->name);
    const json_t *dtype = json_object_get(info, "dtype");
    if (!json_is_string(dtype))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: dtype is not a string", file->path,
                 view->name);
    if (!su_element_from_name(json_string_value(dtype), &view->element))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: unknown dtype \"%.40s\"", file->path,
                 view->name, json_string_value(dtype));
    SU_TRY(read_shape(info, file->path, view, err));
    return read_span(info, file, header_size, view, err);
}

static SutraStatus check_metadata(const json_t *metadata, const char *path, SutraError *err)
{
    if (!json_is_object(metadata) && !json_is_null(metadata))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: __metadata__ is not an object", path);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata, key, value) if (!json_is_string(value))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: __metadata__: %s is not a string", path, key);
    return SUTRA_OK;
}

static int compare_spans(const void *a, const void *b)
{
    const SuTensorView *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

/* Sorted by place, the spans follow each other from the first byte of data to the last. */
static SutraStatus check_cover(const SuWeightFile *file, size_t header_size, SuTensorView *views,
                               size_t count, SutraError *err)
{
    if (count) qsort(views, count, sizeof *views, compare_spans);
    const unsigned char *next = file->map.data + LENGTH_BYTES + header_size;
    for (size_t i = 0; i < count; i++) {
        if (views[i].data != next)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s: data_offsets %s", file->path,
                     views[i].name,
                     views[i].data < next ? "overlap another tensor" : "leave a gap before it");
        next += views[i].size;
    }
    size_t rest = file->map.size - (size_t)(next - file->map.data);
    if (rest)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the last %zu bytes belong to no tensor", file->path,
                 rest);
    return SUTRA_OK;
}

/* Copies the tensors' names into one block, in the header's order. */
static SutraStatus copy_names(const json_t *header, SuWeightFile *file, SuTensorView *views,
                              SutraError *err)
{
    const char *key;
    json_t *value;
    size_t bytes = 0;
    json_object_foreach((json_t *)header, key, value) bytes += strlen(key) + 1;
    char *next = file->names = su_alloc(bytes, 1);
    if (!next) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", file->path);
    json_object_foreach((json_t *)header, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) continue;
        size_t size = strlen(key) + 1;
        views++->name = memcpy(next, key, size);
        next += size;
    }
    return SUTRA_OK;
}

static SutraStatus read_header(SuTensorTable *table, uint32_t index, const json_t *header,
                               size_t header_size, SutraError *err)
{
    SuWeightFile *file = &table->files[index];
    const char *key;
    json_t *value;
    if (!json_is_object(header))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: header is not a JSON object", file->path);
    SU_TRY(su_tensor_table_reserve(table, json_object_size(header), err));
    SuTensorView *views = table->tensors + table->num_tensors;
    size_t count = 0;
    SU_TRY(copy_names(header, file, views, err));
    json_object_foreach((json_t *)header, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) {
            SU_TRY(check_metadata(value, file->path, err));
            continue;
        }
        SuTensorView *view = &views[count++];
        *view = (SuTensorView){.name = view->name, .file = index};
        SU_TRY(read_tensor(value, file, header_size, view, err));
    }
    SU_TRY(check_cover(file, header_size, views, count, err));
    table->num_tensors += count;
    return SUTRA_OK;
}

SutraStatus su_safetensors_add(SuTensorTable *table, const char *path, SutraError *err)
{
    uint32_t index;
    size_t header_size = 0;
    json_t *header = NULL;
    SU_TRY(su_tensor_table_map(table, path, &index, err));
    SU_TRY(find_header(&table->files[index], &header_size, err));
    SU_TRY(su_json_parse(table->files[index].map.data + LENGTH_BYTES, header_size, path, &header,
                         err));
    SutraStatus status = read_header(table, index, header, header_size, err);
    json_decref(header);
    return status;
}
