/* ONNX files: protobuf's wire format to the byte, options and models that are refused, weights in a
 * second file, masks of a causal encoder, and every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "model/model.h"
#include "onnx/protobuf.h"
#include "support/tiny_model.h"
#include "sutra_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Fixture {
    char *folder;
    char output[512], data[512];
    SutraModel *model;
} Fixture;

static int set_up(void **state)
{
    static Fixture fixture;
    SutraError err = {0};
    fixture.folder = tiny_model_write(&(TinyModel){.hidden_size = 32,
                                                   .num_heads = 2,
                                                   .num_layers = 2,
                                                   .ffn_size = 48,
                                                   .max_positions = 24,
                                                   .seed = 3});
    snprintf(fixture.output, sizeof fixture.output, "%s/out.onnx", fixture.folder);
    snprintf(fixture.data, sizeof fixture.data, "%s/out.onnx_data", fixture.folder);
    assert_int_equal(sutra_model_open(fixture.folder, NULL, &fixture.model, &err), SUTRA_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;
    su_memory_fail_after(-1, false);
    sutra_model_free(fixture->model);
    unlink(fixture->output);
    unlink(fixture->data);
    tiny_model_remove(fixture->folder);
    return 0;
}

/* ---- wire format ---- */

static void assert_written(SuByteWriter *writer, const char *bytes, size_t size)
{
    assert_false(writer->failed);
    assert_int_equal(writer->size, size);
    assert_memory_equal(writer->data, bytes, size);
    su_byte_writer_free(writer);
}

static void numbers_are_varints(void **state)
{
    SuByteWriter writer = {0};
    (void)state;
    su_protobuf_varint(&writer, 1, 0);
    assert_written(&writer, "\x08\x00", 2);
    su_protobuf_varint(&writer, 1, 127);
    assert_written(&writer, "\x08\x7f", 2);
    su_protobuf_varint(&writer, 1, 128);
    assert_written(&writer, "\x08\x80\x01", 3);
    su_protobuf_varint(&writer, 1, 150); /* the specification's example */
    assert_written(&writer, "\x08\x96\x01", 3);
    su_protobuf_varint(&writer, 15, 1);
    assert_written(&writer, "\x78\x01", 2);
    su_protobuf_varint(&writer, 16, 1);
    assert_written(&writer, "\x80\x01\x01", 3);
    su_protobuf_varint(&writer, 3, (uint64_t)-1); /* int64's -1 */
    assert_written(&writer, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    su_protobuf_varint(&writer, 3, UINT64_C(1) << 63);
    assert_written(&writer, "\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11);
}

static void other_fields(void **state)
{
    SuByteWriter writer = {0}, inner = {0};
    (void)state;
    su_protobuf_f32(&writer, 2, -1.5f);
    assert_written(&writer, "\x15\x00\x00\xc0\xbf", 5);
    su_protobuf_string(&writer, 2, "testing");
    assert_written(&writer, "\x12\x07testing", 9);
    su_protobuf_string(&writer, 2, "");
    assert_written(&writer, "\x12\x00", 2);
    su_protobuf_varint(&inner, 1, 150);
    su_protobuf_message(&writer, 3, &inner);
    assert_null(inner.data);
    assert_written(&writer, "\x1a\x03\x08\x96\x01", 5);
}

/* What su_protobuf_sized_bytes says is what is written, around each size where a byte is added. */
static void lengths_are_those_written(void **state)
{
    static const uint64_t sizes[] = {0,         1,         127,        128,
                                     16383,     16384,     2097151,    2097152,
                                     268435455, 268435456, UINT32_MAX, UINT64_C(1) << 40};
    static const uint32_t fields[] = {1, 15, 16, 2047, 2048};
    (void)state;
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            SuByteWriter writer = {0};
            su_protobuf_sized(&writer, fields[f], sizes[i]);
            assert_int_equal(su_protobuf_sized_bytes(fields[f], sizes[i]), writer.size + sizes[i]);
            su_byte_writer_free(&writer);
        }
}

static void a_failed_message_fails_what_holds_it(void **state)
{
    SuByteWriter writer = {0}, inner = {.failed = true};
    (void)state;
    su_protobuf_message(&writer, 3, &inner);
    assert_true(writer.failed);
    su_byte_writer_free(&writer);
}

/* ---- files ---- */

static SutraOnnxOptions options_of(SutraCompute compute, uint64_t most)
{
    return (SutraOnnxOptions){
        .struct_size = sizeof(SutraOnnxOptions), .compute = compute, .max_file_bytes = most};
}

static bool exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0;
}

static unsigned char *read_file(const char *path, size_t *size)
{
    struct stat facts;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &facts), 0);
    *size = (size_t)facts.st_size;
    unsigned char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

static bool holds(const Fixture *fixture, const char *word)
{
    size_t size;
    unsigned char *data = read_file(fixture->output, &size);
    bool found = memmem(data, size, word, strlen(word)) != NULL;
    free(data);
    return found;
}

static void refuse(const Fixture *fixture, const SutraModel *model, const SutraOnnxOptions *options,
                   const char *output, SutraStatus status, const char *words)
{
    SutraError err = {0};
    assert_int_equal(sutra_onnx_write(model, output, options, &err), status);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, words)) fail_msg("%s: not in: %s", words, err.message);
    assert_false(exists(fixture->output));
    assert_false(exists(fixture->data));
}

static void what_is_refused(void **state)
{
    const Fixture *fixture = *state;
    SutraModel *model = fixture->model;
    SutraOnnxOptions options = options_of(SUTRA_COMPUTE_FP16, 0);
    refuse(fixture, NULL, NULL, fixture->output, SUTRA_E_ARGUMENT, "NULL or empty");
    refuse(fixture, model, NULL, NULL, SUTRA_E_ARGUMENT, "NULL or empty");
    refuse(fixture, model, NULL, "", SUTRA_E_ARGUMENT, "NULL or empty");
    refuse(fixture, model, &options, fixture->output, SUTRA_E_UNSUPPORTED, "not in fp16");
    options.struct_size = 0;
    refuse(fixture, model, &options, fixture->output, SUTRA_E_ABI, "struct_size 0");
    options.struct_size = sizeof options + 4;
    refuse(fixture, model, &options, fixture->output, SUTRA_E_ABI, "struct_size");
    refuse(fixture, model, NULL, "/dev/null/x.onnx", SUTRA_E_IO, "/dev/null/x.onnx: cannot be");
    options = options_of(SUTRA_COMPUTE_FP32, UINT64_C(1) << 31);
    refuse(fixture, model, &options, fixture->output, SUTRA_E_ARGUMENT, "2147483648 bytes");
    model->spec.norm_kind = SUTRA_NORM_RMS;
    refuse(fixture, model, NULL, fixture->output, SUTRA_E_UNSUPPORTED, "cannot be written as ONNX");
    model->spec.norm_kind = SUTRA_NORM_LAYER;
}

static void weights_that_are_no_numbers_have_no_int8_form(void **state)
{
    const Fixture *fixture = *state;
    SutraOnnxOptions options = options_of(SUTRA_COMPUTE_INT8, 0);
    SutraTensor *tensor =
        (SutraTensor *)su_model_tensor(fixture->model, SUTRA_ROLE_FFN_UP_WEIGHT, 1);
    const void *stored = tensor->data;
    float *damaged = malloc(tensor->size);
    assert_non_null(damaged);
    memcpy(damaged, stored, tensor->size);
    memset(damaged + 37, 0xff, sizeof *damaged);
    tensor->data = damaged;
    refuse(fixture, fixture->model, &options, fixture->output, SUTRA_E_FORMAT,
           "layer.1.up.weight: element 37 is not a finite number");
    tensor->data = stored;
    free(damaged);
}

/* Up to the limit there is one file; a byte less makes two, whose bytes are as many in all but for
 * headers and alignment. */
static void weights_in_a_second_file(void **state)
{
    const Fixture *fixture = *state;
    SutraError err = {0};
    size_t size, start, rest;
    assert_int_equal(sutra_onnx_write(fixture->model, fixture->output, NULL, &err), SUTRA_OK);
    free(read_file(fixture->output, &size));
    assert_false(exists(fixture->data));
    SutraOnnxOptions options = options_of(SUTRA_COMPUTE_FP32, size + 1000);
    assert_int_equal(sutra_onnx_write(fixture->model, fixture->output, &options, &err), SUTRA_OK);
    assert_false(exists(fixture->data));
    options.max_file_bytes = size - 1000;
    assert_int_equal(sutra_onnx_write(fixture->model, fixture->output, &options, &err), SUTRA_OK);
    free(read_file(fixture->output, &start));
    free(read_file(fixture->data, &rest));
    assert_true(start < size);
    assert_true(start + rest > size - 4096);
    unlink(fixture->output);
    unlink(fixture->data);
}

/* Its name is a string of the graph, and those are UTF-8. */
static void a_second_file_has_a_name(void **state)
{
    const Fixture *fixture = *state;
    SutraOnnxOptions options = options_of(SUTRA_COMPUTE_FP32, 1);
    SutraError err = {0};
    char path[600];
    snprintf(path, sizeof path, "%s/b\xe9.onnx", fixture->folder);
    refuse(fixture, fixture->model, &options, path, SUTRA_E_ARGUMENT, "the name is not UTF-8");
    assert_false(exists(path));
    assert_int_equal(sutra_onnx_write(fixture->model, path, NULL, &err), SUTRA_OK);
    unlink(path);
}

static void no_second_file_without_a_first(void **state)
{
    const Fixture *fixture = *state;
    SutraOnnxOptions options = options_of(SUTRA_COMPUTE_FP32, 1);
    SutraError err = {0};
    assert_int_equal(mkdir(fixture->output, 0777), 0);
    assert_int_equal(sutra_onnx_write(fixture->model, fixture->output, &options, &err), SUTRA_E_IO);
    assert_non_null(strstr(err.message, "Is a directory"));
    assert_false(exists(fixture->data));
    assert_int_equal(rmdir(fixture->output), 0);
}

/* Whole, however long; what is not UTF-8 is U+FFFD. */
static void names_in_metadata(void **state)
{
    const Fixture *fixture = *state;
    SutraModel *model = fixture->model;
    SutraError err = {0};
    char name[300], text[] = "the text", *model_name = model->name;
    char odd[] = "mod\xe9l \xe2\x82 \xc3\xa9";
    SuPrompt prompt = {.name = name, .text = text};
    memset(name, 'p', sizeof name);
    memcpy(name + sizeof name - 5, "end", sizeof "end");
    assert_int_equal(model->num_prompts, 0);
    model->prompts = &prompt;
    model->num_prompts = 1;
    model->name = odd;
    assert_int_equal(sutra_onnx_write(model, fixture->output, NULL, &err), SUTRA_OK);
    assert_true(holds(fixture, name));
    assert_true(holds(fixture, "pend\x12\x08the text"));
    assert_true(holds(fixture, "mod\xef\xbf\xbdl \xef\xbf\xbd \xc3\xa9"));
    model->prompts = NULL;
    model->num_prompts = 0;
    model->name = model_name;
    unlink(fixture->output);
}

static void a_causal_encoder_sees_what_came_before(void **state)
{
    const Fixture *fixture = *state;
    SutraError err = {0};
    assert_int_equal(sutra_onnx_write(fixture->model, fixture->output, NULL, &err), SUTRA_OK);
    assert_false(holds(fixture, "GreaterOrEqual"));
    fixture->model->spec.causal = 1;
    assert_int_equal(sutra_onnx_write(fixture->model, fixture->output, NULL, &err), SUTRA_OK);
    assert_true(holds(fixture, "GreaterOrEqual"));
    assert_false(holds(fixture, "LessOrEqual"));
    fixture->model->spec.causal = 0;
    unlink(fixture->output);
}

/* ---- failing allocations ---- */

/* With the n-th allocation failing, for every n that is reached. Some may fail without harm: those
 * that look for what dead writers left, and those that make the new name last. */
static void fail_each(const Fixture *fixture, const SutraModel *model,
                      const SutraOnnxOptions *options, bool persistent)
{
    enum { MOST_ALLOCATIONS = 20000 };
    int64_t n = 0, failures = 0;
    SutraStatus status;
    uint64_t reached;
    do {
        SutraError err = {0};
        uint64_t before = su_memory_allocations();
        su_memory_fail_after(n, persistent);
        status = sutra_onnx_write(model, fixture->output, options, &err);
        su_memory_fail_after(-1, false);
        reached = su_memory_allocations() - before;
        if (status != SUTRA_OK) {
            assert_int_equal(status, SUTRA_E_MEMORY);
            assert_int_equal(err.status, SUTRA_E_MEMORY);
            assert_true(*err.message != '\0');
            assert_false(exists(fixture->output));
            failures++;
        }
        unlink(fixture->output);
        assert_true(n < MOST_ALLOCATIONS);
    } while (reached > (uint64_t)n++);
    assert_int_equal(status, SUTRA_OK);
    assert_true(failures > (model->spec.num_layers ? 200 : 50));
    unlink(fixture->data);
}

static void every_allocation_may_fail(void **state)
{
    const Fixture *fixture = *state;
    SutraOnnxOptions narrow = options_of(SUTRA_COMPUTE_INT8, 0);
    SutraOnnxOptions parted = options_of(SUTRA_COMPUTE_FP32, 1);
    fail_each(fixture, fixture->model, NULL, false);
    fail_each(fixture, fixture->model, NULL, true);
    fail_each(fixture, fixture->model, &narrow, true);
    fail_each(fixture, fixture->model, &parted, true);
}

/* Of int8 rows that tokens share, with weights. */
static void every_allocation_of_a_static_model_may_fail(void **state)
{
    const Fixture *fixture = *state;
    SutraOnnxOptions narrow = options_of(SUTRA_COMPUTE_INT8, 0);
    SutraModel *model = NULL;
    SutraError err = {0};
    assert_int_equal(
        sutra_model_open(SU_SOURCE_DIR "/tests/data/golden/static/int8-shared", NULL, &model, &err),
        SUTRA_OK);
    fail_each(fixture, model, NULL, false);
    fail_each(fixture, model, &narrow, true);
    sutra_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_varints),
        cmocka_unit_test(other_fields),
        cmocka_unit_test(lengths_are_those_written),
        cmocka_unit_test(a_failed_message_fails_what_holds_it),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(weights_that_are_no_numbers_have_no_int8_form),
        cmocka_unit_test(weights_in_a_second_file),
        cmocka_unit_test(a_second_file_has_a_name),
        cmocka_unit_test(no_second_file_without_a_first),
        cmocka_unit_test(names_in_metadata),
        cmocka_unit_test(a_causal_encoder_sees_what_came_before),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_allocation_of_a_static_model_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
