/* The safetensors reader on well-formed, damaged and hostile files. */
#include "base/memory.h"
#include "model/model_folder.h"
#include "weights/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILE_NAME "model.safetensors"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = folder_scratch();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    free(folder);
    return 0;
}

static void write_length(unsigned char *bytes, uint64_t length)
{
    for (unsigned i = 0; i < 8; i++) bytes[i] = (unsigned char)(length >> (8 * i));
}

/* length, header, `data_size` bytes 1, 2, 3, …; free(). */
static unsigned char *make_file(const char *header, size_t data_size, size_t *size)
{
    size_t header_size = strlen(header);
    *size = 8 + header_size + data_size;
    unsigned char *file = malloc(*size);
    write_length(file, header_size);
    memcpy(file + 8, header, header_size);
    for (size_t i = 0; i < data_size; i++) file[8 + header_size + i] = (unsigned char)(i + 1);
    return file;
}

static void write_model(const char *name, const char *header, size_t data_size)
{
    size_t size;
    unsigned char *file = make_file(header, data_size, &size);
    folder_write(folder, name, file, size);
    free(file);
}

static SutraStatus open_folder(SuTensorTable *table, SutraError *err)
{
    *err = (SutraError){0};
    SutraStatus status = su_safetensors_open_folder(folder, table, err);
    assert_int_equal(status, err->status);
    if (status != SUTRA_OK) {
        assert_null(table->files);
        assert_null(table->tensors);
        assert_non_null(strstr(err->message, folder));
    }
    return status;
}

static void expect_error(SutraStatus status, const char *words)
{
    SuTensorTable table;
    SutraError err;
    assert_int_equal(open_folder(&table, &err), status);
    if (!strstr(err.message, words)) fail_msg("'%s' is not in: %s", words, err.message);
}

static const char two_tensors[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[4,28]},"
    "\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}  ";

static void tensors_are_found_by_name(void **state)
{
    (void)state;
    SuTensorTable table;
    SutraError err;
    write_model(FILE_NAME, two_tensors, 28);
    assert_int_equal(open_folder(&table, &err), SUTRA_OK);
    assert_int_equal(table.num_tensors, 2);
    assert_null(su_tensor_table_find(&table, "c"));
    assert_null(su_tensor_table_find(&table, "__metadata__"));
    const SuTensorView *a = su_tensor_table_find(&table, "a"),
                       *b = su_tensor_table_find(&table, "b");
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(a->element, SU_ELEMENT_BF16);
    assert_int_equal(a->num_dims, 1);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->size, 4);
    assert_int_equal(a->data[0], 1);
    assert_int_equal(b->element, SU_ELEMENT_F32);
    assert_int_equal(b->num_dims, 2);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal(b->size, 24);
    assert_int_equal(b->data[0], 5);
    assert_ptr_equal(b->data + 24, table.files[0].map.data + table.files[0].map.size);
    su_tensor_table_free(&table);
}

static void every_dtype_has_its_size(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned bytes_of_8;
    } types[] = {{"BOOL", 8},        {"U8", 8},         {"I8", 8},      {"I16", 16},
                 {"U16", 16},        {"I32", 32},       {"U32", 32},    {"I64", 64},
                 {"U64", 64},        {"F16", 16},       {"BF16", 16},   {"F32", 32},
                 {"F64", 64},        {"C64", 64},       {"F4", 4},      {"F6_E2M3", 6},
                 {"F6_E3M2", 6},     {"F8_E5M2", 8},    {"F8_E4M3", 8}, {"F8_E8M0", 8},
                 {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[200];
        SuTensorTable table;
        SutraError err;
        unsigned bytes = types[i].bytes_of_8;
        snprintf(header, sizeof header,
                 "{\"x\":{\"dtype\":\"%s\",\"shape\":[2,4],\"data_offsets\":[0,%u]}}",
                 types[i].name, bytes);
        write_model(FILE_NAME, header, bytes);
        if (open_folder(&table, &err) != SUTRA_OK) fail_msg("%s", err.message);
        assert_string_equal(su_element_name(table.tensors[0].element), types[i].name);
        su_tensor_table_free(&table);
    }
}

static void odd_but_valid_files_open(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_size, num_tensors;
    } rows[] = {
        {"{}", 0, 0},
        {"{\"__metadata__\":null}", 0, 0},
        {"{\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, 1},
        {"{\"e\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]}}", 0, 1},
        {"{\"z\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
         "\"f\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}",
         4, 3},
        {"{\"\\u00e9 \\\"\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1],\"more\":[]}}",
         1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuTensorTable table;
        SutraError err;
        write_model(FILE_NAME, rows[i].header, rows[i].data_size);
        if (open_folder(&table, &err) != SUTRA_OK) fail_msg("%s: %s", rows[i].header, err.message);
        assert_int_equal(table.num_tensors, rows[i].num_tensors);
        su_tensor_table_free(&table);
    }
}

#define X "{\"x\":{\"dtype\":\"F32\",\"shape\":"
static void headers_that_contradict_the_file_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_size;
        SutraStatus status;
        const char *words;
    } rows[] = {
        {"", 0, SUTRA_E_FORMAT, "not a JSON object"},
        {"[]", 0, SUTRA_E_FORMAT, "not a JSON object"},
        {" {}", 0, SUTRA_E_FORMAT, "not a JSON object"},
        {"{", 0, SUTRA_E_FORMAT, "line 1"},
        {"{} x", 0, SUTRA_E_FORMAT, "line 1"},
        {"{\"x\":\"\xff\"}", 0, SUTRA_E_FORMAT, "0xff"},
        {"{\"x\":3}", 0, SUTRA_E_FORMAT, "tensor x: not described by an object"},
        {"{\"a\\u0000b\":3}", 0, SUTRA_E_FORMAT, "NUL"},
        {"{}", 1, SUTRA_E_FORMAT, "the last 1 bytes belong to no tensor"},
        {"{\"__metadata__\":3}", 0, SUTRA_E_FORMAT, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"k\":3}}", 0, SUTRA_E_FORMAT, "__metadata__: k is not a string"},
        {"{\"x\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT,
         "tensor x: dtype is not a string"},
        {"{\"x\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT,
         "unknown dtype \"F31\""},
        {"{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT, "shape"},
        {X "3,\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT, "shape is not a list of sizes"},
        {X "[-1],\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT, "shape is not a list of sizes"},
        {X "[1.0],\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT, "shape is not a list of sizes"},
        {X "[1e30],\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT, "shape is not a list of sizes"},
        {X "[99999999999999999999],\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT, "shape"},
        {X "[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, SUTRA_E_UNSUPPORTED,
         "tensor x has 9 dimensions"},
        {X "[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, SUTRA_E_FORMAT, "overflows"},
        {X "[4611686018427387904,2],\"data_offsets\":[0,0]}}", 0, SUTRA_E_FORMAT, "overflows"},
        {X "[576460752303423488],\"data_offsets\":[0,0]}}", 0, SUTRA_E_FORMAT, "overflows"},
        {X "[2],\"data_offsets\":[0,4]}}", 4, SUTRA_E_FORMAT,
         "tensor x: F32 [2] takes 8 bytes, data_offsets span 4"},
        {X "[1],\"data_offsets\":[0,8]}}", 8, SUTRA_E_FORMAT, "takes 4 bytes"},
        {X "[1],\"data_offsets\":[0,5]}}", 5, SUTRA_E_FORMAT, "takes 4 bytes"},
        {X "[1],\"data_offsets\":[0,4]}}", 3, SUTRA_E_FORMAT, "truncated"},
        {X "[1],\"data_offsets\":[0,4]}}", 5, SUTRA_E_FORMAT, "belong to no tensor"},
        {X "[1],\"data_offsets\":[4,8]}}", 8, SUTRA_E_FORMAT, "leave a gap"},
        {X "[1],\"data_offsets\":[4,0]}}", 4, SUTRA_E_FORMAT, "outside"},
        {X "[1],\"data_offsets\":[0]}}", 4, SUTRA_E_FORMAT, "not a pair"},
        {X "[1],\"data_offsets\":[0,4,8]}}", 4, SUTRA_E_FORMAT, "not a pair"},
        {X "[1],\"data_offsets\":[-4,0]}}", 4, SUTRA_E_FORMAT, "data_offsets"},
        {X "[1],\"data_offsets\":[9223372036854775804,9223372036854775807]}}", 4, SUTRA_E_FORMAT,
         "outside"},
        {X "[1],\"data_offsets\":[\"0\",4]}}", 4, SUTRA_E_FORMAT, "data_offsets"},
        {X "[1],\"data_offsets\":[0,4]},\"y\":{\"dtype\":\"F32\",\"shape\":[1],"
           "\"data_offsets\":[0,4]}}",
         4, SUTRA_E_FORMAT, "overlap"},
        {X "[2],\"data_offsets\":[0,8]},\"y\":{\"dtype\":\"F32\",\"shape\":[2],"
           "\"data_offsets\":[4,12]}}",
         12, SUTRA_E_FORMAT, "tensor y: data_offsets overlap"},
        {X "[1],\"data_offsets\":[0,4]},\"y\":{\"dtype\":\"F32\",\"shape\":[1],"
           "\"data_offsets\":[8,12]}}",
         12, SUTRA_E_FORMAT, "tensor y: data_offsets leave a gap"},
        {X "[1],\"data_offsets\":[0,4]},\"x\":{\"dtype\":\"F32\",\"shape\":[1],"
           "\"data_offsets\":[4,8]}}",
         8, SUTRA_E_FORMAT, "duplicate"},
        {"{\"x\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, SUTRA_E_FORMAT,
         "do not end at a byte"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_model(FILE_NAME, rows[i].header, rows[i].data_size);
        expect_error(rows[i].status, rows[i].words);
    }
}

static void lying_lengths_are_errors(void **state)
{
    (void)state;
    static const struct {
        uint64_t length;
        const char *words;
    } rows[] = {
        {0, "not a JSON object"},       {1, "line 1"},
        {UINT64_MAX, "100 MB"},         {UINT64_MAX - 7, "100 MB"},
        {1ull << 63, "100 MB"},         {100000001, "100 MB"},
        {100000000, "beyond the end"},  {sizeof two_tensors + 28, "beyond the end"},
        {sizeof two_tensors, "line 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size;
        unsigned char *file = make_file(two_tensors, 28, &size);
        write_length(file, rows[i].length);
        folder_write(folder, FILE_NAME, file, size);
        expect_error(SUTRA_E_FORMAT, rows[i].words);
        free(file);
    }
}

static void truncated_anywhere_is_an_error(void **state)
{
    (void)state;
    size_t size;
    unsigned char *file = make_file(two_tensors, 28, &size);
    for (size_t length = 0; length < size; length++) {
        SuTensorTable table;
        SutraError err;
        folder_write(folder, FILE_NAME, file, length);
        assert_int_equal(open_folder(&table, &err), SUTRA_E_FORMAT);
    }
    free(file);
}

/* Reads every byte that a view gives away: out of bounds, a sanitizer would tell. */
static unsigned sum_table(const SuTensorTable *table)
{
    unsigned sum = 0;
    for (size_t i = 0; i < table->num_tensors; i++) {
        const SuTensorView *view = &table->tensors[i];
        const SuFileMap *map = &table->files[view->file].map;
        assert_true(view->data >= map->data && view->data + view->size <= map->data + map->size);
        for (size_t k = 0; k < view->size; k++) sum += view->data[k];
        assert_ptr_equal(su_tensor_table_find(table, view->name), view);
    }
    return sum;
}

static void any_flipped_bit_is_an_error_or_a_valid_file(void **state)
{
    (void)state;
    size_t size, opened = 0;
    unsigned sum = 0;
    unsigned char *file = make_file(two_tensors, 28, &size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        SuTensorTable table;
        SutraError err;
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
        folder_write(folder, FILE_NAME, file, size);
        if (open_folder(&table, &err) == SUTRA_OK) {
            opened++;
            sum += sum_table(&table);
            su_tensor_table_free(&table);
        }
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    free(file);
    assert_true(sum > 0);
    assert_true(opened >= 8 * 28);         /* all flips in the data itself */
    assert_true(opened < 8 * 28 + 8 * 40); /* few elsewhere: names, metadata, spaces */
}

#define SHARD_A "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
#define SHARD_B "{\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}"

static void write_shards(const char *index)
{
    write_model("model-1.safetensors", SHARD_A, 4);
    write_model("model-2.safetensors", SHARD_B, 2);
    folder_write_text(folder, "model.safetensors.index.json", index);
}

static void shards_make_one_table(void **state)
{
    (void)state;
    SuTensorTable table;
    SutraError err;
    folder_delete(folder, FILE_NAME);
    write_shards("{\"metadata\":{},\"weight_map\":{\"b\":\"model-2.safetensors\","
                 "\"a\":\"model-1.safetensors\"}}");
    if (open_folder(&table, &err) != SUTRA_OK) fail_msg("%s", err.message);
    assert_int_equal(table.num_files, 2);
    assert_int_equal(table.num_tensors, 2);
    assert_int_equal(su_tensor_table_find(&table, "a")->size, 4);
    assert_int_equal(su_tensor_table_find(&table, "b")->size, 2);
    sum_table(&table);
    su_tensor_table_free(&table);
}

static void damaged_indexes_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *index;
        SutraStatus status;
        const char *words;
    } rows[] = {
        {"[]", SUTRA_E_FORMAT, "weight_map"},
        {"{}", SUTRA_E_FORMAT, "weight_map is missing or empty"},
        {"{\"weight_map\":{}}", SUTRA_E_FORMAT, "weight_map is missing or empty"},
        {"{\"weight_map\":{\"a\":3}}", SUTRA_E_FORMAT, "weight_map: a: shard"},
        {"{\"weight_map\":{\"a\":\"\"}}", SUTRA_E_FORMAT, "weight_map: a: shard"},
        {"{\"weight_map\":{\"a\":\"../x.safetensors\"}}", SUTRA_E_FORMAT, "in the folder"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", SUTRA_E_FORMAT, "in the folder"},
        {"{\"weight_map\":{\"a\":\"model-1.safetensors\\u0000x\"}}", SUTRA_E_FORMAT,
         "in the folder"},
        {"{\"weight_map\":{\"a\":\"model-9.safetensors\"}}", SUTRA_E_IO, "model-9.safetensors"},
        {"{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-1.safetensors\"}}",
         SUTRA_E_FORMAT, "tensor b is not in shard model-1.safetensors"},
        {"{\"weight_map\":{\"a\":\"model-2.safetensors\",\"b\":\"model-1.safetensors\"}}",
         SUTRA_E_FORMAT, "is not in shard"},
        {"{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"copy.safetensors\"}}",
         SUTRA_E_FORMAT, "tensor a is in both"},
    };
    write_model("copy.safetensors", SHARD_A, 4);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_shards(rows[i].index);
        expect_error(rows[i].status, rows[i].words);
    }
}

static void other_formats_are_named(void **state)
{
    (void)state;
    char *outer = folder;
    folder = folder_scratch();
    expect_error(SUTRA_E_IO, "expected model.safetensors");
    folder_write_text(folder, "pytorch_model.bin", "x");
    expect_error(SUTRA_E_UNSUPPORTED, "pytorch_model.bin only");
    folder_write_text(folder, FILE_NAME, "");
    expect_error(SUTRA_E_FORMAT, "0 bytes are too few");
    folder_remove(folder);
    free(folder);
    folder = outer;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_found_by_name),
        cmocka_unit_test(every_dtype_has_its_size),
        cmocka_unit_test(odd_but_valid_files_open),
        cmocka_unit_test(headers_that_contradict_the_file_are_errors),
        cmocka_unit_test(lying_lengths_are_errors),
        cmocka_unit_test(truncated_anywhere_is_an_error),
        cmocka_unit_test(any_flipped_bit_is_an_error_or_a_valid_file),
        cmocka_unit_test(shards_make_one_table),
        cmocka_unit_test(damaged_indexes_are_errors),
        cmocka_unit_test(other_formats_are_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
