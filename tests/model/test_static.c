/* Static models: every folder of tests/data/golden/static against what model2vec and
 * sentence-transformers computed, alone and in batches, and as a bundle; bad folders. */
#include "base/memory.h"
#include "model/model_folder.h"
#include "sutra.h"
#include "sutra_chunks.h"
#include "sutra_tools.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_TEXTS 64
#define TOLERANCE 2e-6 /* of an element, relative to the vector's norm */
#define STATIC_FOLDER GOLDEN_FOLDER "/static"

static SutraEngine *engine;

static SutraModel *open_model(const char *path)
{
    SutraModel *model = NULL;
    SutraError err = {0};
    if (sutra_model_open(path, NULL, &model, &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
    return model;
}

/* The caller frees it. */
static SutraResult *embed(const SutraModel *model, const SutraInput *inputs, size_t n,
                          const SutraEmbedOptions *options, SutraResultView *view)
{
    SutraResult *result = NULL;
    SutraError err = {0};
    if (sutra_embed(engine, model, inputs, n, options, &result, &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
    *view = (SutraResultView){.struct_size = sizeof *view};
    assert_int_equal(sutra_result_view(result, view, &err), SUTRA_OK);
    return result;
}

static SutraInput input_of(const char *text)
{
    return (SutraInput){.text = text, .text_size = strlen(text)};
}

/* ---- goldens ---- */

typedef struct Golden {
    json_t *expected, *texts;
    float *floats;
    size_t num_floats, num_texts, dim;
    SutraInput inputs[MAX_TEXTS];
    SutraModel *model;
} Golden;

static void open_golden(const char *name, Golden *golden)
{
    char folder[1024];
    size_t size, i;
    json_t *text, *more;
    snprintf(folder, sizeof folder, "%s/%s", STATIC_FOLDER, name);
    *golden = (Golden){.expected = folder_read_json(folder, "expected.json")};
    golden->texts = folder_read_json(GOLDEN_FOLDER, "texts.json");
    more = json_object_get(golden->expected, "texts");
    assert_int_equal(json_array_extend(golden->texts, more), 0);
    golden->floats = folder_read(folder, "expected.f32", &size);
    golden->num_floats = size / sizeof *golden->floats;
    golden->num_texts = json_array_size(golden->texts);
    golden->dim = (size_t)json_integer_value(json_object_get(golden->expected, "dim"));
    assert_in_range(golden->num_texts, 1, MAX_TEXTS);
    json_array_foreach(golden->texts, i, text)
    {
        golden->inputs[i] =
            (SutraInput){.text = json_string_value(text), .text_size = json_string_length(text)};
    }
    golden->model = open_model(folder);
}

static void close_golden(Golden *golden)
{
    sutra_model_free(golden->model);
    json_decref(golden->expected);
    json_decref(golden->texts);
    free(golden->floats);
}

static void compare_row(const char *name, const Golden *golden, size_t text, const float *vector,
                        const float *expected)
{
    double norm = 0;
    for (size_t i = 0; i < golden->dim; i++) norm += (double)expected[i] * expected[i];
    norm = norm > 0 ? sqrt(norm) : 1;
    for (size_t i = 0; i < golden->dim; i++) {
        double difference = fabs((double)vector[i] - expected[i]) / norm;
        if (!(difference <= TOLERANCE))
            fail_msg("%s: text %zu, element %zu: %.9g, the reference has %.9g (norm %g)", name,
                     text, i, (double)vector[i], (double)expected[i], norm);
    }
}

/* Rows do not depend on what else is in the batch. */
static void check_alone(const Golden *golden, const SutraEmbedOptions *options,
                        const SutraResultView *all)
{
    for (size_t i = 0; i < golden->num_texts; i++) {
        SutraResultView view;
        SutraResult *result = embed(golden->model, &golden->inputs[i], 1, options, &view);
        assert_memory_equal(view.data, (const char *)all->data + i * all->row_bytes,
                            all->row_bytes);
        assert_int_equal(view.items[0].tokens_used, all->items[i].tokens_used);
        assert_int_equal(view.items[0].flags, all->items[i].flags);
        sutra_result_free(result);
    }
}

static void check_bundle(const Golden *golden, const SutraEmbedOptions *options,
                         const SutraResultView *all)
{
    char path[1024];
    SutraError err = {0};
    SutraResultView view;
    char *folder = folder_scratch();
    snprintf(path, sizeof path, "%s/model.sutra", folder);
    assert_int_equal(sutra_model_save(golden->model, path, &err), SUTRA_OK);
    assert_int_equal(sutra_model_verify(path, &err), SUTRA_OK);
    SutraModel *bundle = open_model(path);
    SutraResult *result = embed(bundle, golden->inputs, golden->num_texts, options, &view);
    assert_memory_equal(view.data, all->data, golden->num_texts * all->row_bytes);
    for (size_t i = 0; i < golden->num_texts; i++)
        assert_int_equal(view.items[i].tokens_seen, all->items[i].tokens_seen);
    sutra_result_free(result);
    sutra_model_free(bundle);
    folder_remove(folder);
    free(folder);
}

static void check_golden(const char *name)
{
    Golden golden;
    size_t k;
    json_t *test_case;
    open_golden(name, &golden);
    const float *expected = golden.floats;
    json_array_foreach(json_object_get(golden.expected, "cases"), k, test_case)
    {
        SutraEmbedOptions options = {.struct_size = sizeof options};
        options.max_tokens = (uint32_t)json_integer_value(json_object_get(test_case, "max_tokens"));
        SutraResultView view;
        SutraResult *result = embed(golden.model, golden.inputs, golden.num_texts, &options, &view);
        assert_int_equal(view.dim, golden.dim);
        assert_true((size_t)(expected - golden.floats) + golden.num_texts * golden.dim <=
                    golden.num_floats);
        for (size_t i = 0; i < golden.num_texts; i++, expected += golden.dim)
            compare_row(name, &golden, i, (const float *)view.data + i * golden.dim, expected);
        check_alone(&golden, &options, &view);
        check_bundle(&golden, &options, &view);
        sutra_result_free(result);
    }
    assert_int_equal(expected - golden.floats, golden.num_floats);
    close_golden(&golden);
}

static void gives_the_vectors_of_the_reference(void **state)
{
    (void)state;
    size_t count = 0;
    DIR *folder = opendir(STATIC_FOLDER);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') {
            check_golden(entry->d_name);
            count++;
        }
    closedir(folder);
    assert_in_range(count, 19, 100);
}

/* ---- lengths ---- */

/* A text far longer than any buffer, once token by token: the same bits as its token ids. */
static void takes_texts_of_any_length(void **state)
{
    (void)state;
    enum { WORDS = 300000 };
    char *text = malloc(2 * WORDS);
    int32_t *ids = malloc(WORDS * sizeof *ids);
    assert_non_null(text);
    assert_non_null(ids);
    for (size_t i = 0; i < WORDS; i++) {
        text[2 * i] = (char)('a' + i * 7 % 26);
        text[2 * i + 1] = ' ';
    }
    SutraModel *model = open_model(STATIC_FOLDER "/unlimited");
    SutraEmbedOptions options = {.struct_size = sizeof options};
    SutraInput inputs[3] = {input_of("a b"), {.text = text, .text_size = 2 * WORDS}, input_of("")};
    SutraResultView view, by_ids;
    SutraResult *result = embed(model, inputs, 3, &options, &view);
    assert_int_equal(view.items[1].tokens_used, WORDS);
    assert_int_equal(view.items[1].flags, 0);
    assert_int_equal(view.items[2].tokens_used, 0);
    for (uint32_t i = 0; i < view.dim; i++)
        assert_true(((const float *)view.data)[2 * view.dim + i] == 0.0f);
    SutraTokens *tokens = NULL;
    SutraTokensView token_view = {.struct_size = sizeof token_view};
    SutraError err = {0};
    assert_int_equal(sutra_tokenize(model, &inputs[1], 1, 0, &tokens, &err), SUTRA_OK);
    assert_int_equal(sutra_tokens_view(tokens, &token_view, &err), SUTRA_OK);
    SutraInput as_ids = {.token_ids = token_view.token_ids, .num_token_ids = WORDS};
    SutraResult *again = embed(model, &as_ids, 1, &options, &by_ids);
    assert_memory_equal(by_ids.data, (const char *)view.data + view.row_bytes, view.row_bytes);
    sutra_result_free(again);
    sutra_tokens_free(tokens);
    sutra_result_free(result);
    sutra_model_free(model);
    free(ids);
    free(text);
}

/* ---- company ---- */

enum { COMPANY_TEXTS = 24, CALLERS = 4, CALLS = 12, MOST_LETTERS = 9000 };

typedef struct Company {
    const SutraModel *model;
    SutraInput inputs[COMPANY_TEXTS];
    const SutraResultView *expected;
    int wrong; /* of one caller */
} Company;

/* Other texts beside each other in every call. */
static void *call_often(void *user)
{
    Company *company = user;
    for (size_t call = 0; call < CALLS; call++) {
        SutraInput inputs[COMPANY_TEXTS];
        SutraResult *result = NULL;
        SutraResultView view = {.struct_size = sizeof view};
        SutraError err = {0};
        size_t n = 1 + call * 5 % COMPANY_TEXTS, step = 1 + call % 3;
        for (size_t i = 0; i < n; i++) inputs[i] = company->inputs[i * step % COMPANY_TEXTS];
        bool done =
            sutra_embed(engine, company->model, inputs, n, NULL, &result, &err) == SUTRA_OK &&
            sutra_result_view(result, &view, &err) == SUTRA_OK;
        for (size_t i = 0; done && i < n; i++)
            company->wrong += memcmp((const char *)view.data + i * view.row_bytes,
                                     (const char *)company->expected->data +
                                         i * step % COMPANY_TEXTS * view.row_bytes,
                                     view.row_bytes) != 0;
        company->wrong += !done;
        sutra_result_free(result);
    }
    return NULL;
}

/* Empty texts, short ones, and those that no batch has room for. */
static void gives_the_same_bits_in_any_company(void **state)
{
    (void)state;
    Company callers[CALLERS] = {{.model = open_model(STATIC_FOLDER "/unlimited")}};
    pthread_t threads[CALLERS];
    SutraResultView view;
    char *letters = malloc(2 * MOST_LETTERS);
    assert_non_null(letters);
    for (size_t i = 0; i < MOST_LETTERS; i++) memcpy(letters + 2 * i, &"ab cd ef "[i % 4 * 2], 2);
    for (size_t i = 0; i < COMPANY_TEXTS; i++)
        callers[0].inputs[i] = (SutraInput){
            .text = letters, .text_size = i % 5 == 4 ? 2 * MOST_LETTERS - 2 * i : i % 3 * 7 * i};
    SutraResult *result = embed(callers[0].model, callers[0].inputs, COMPANY_TEXTS, NULL, &view);
    callers[0].expected = &view;
    for (size_t i = 1; i < CALLERS; i++) callers[i] = callers[0];
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(callers[i].wrong, 0);
    }
    sutra_result_free(result);
    sutra_model_free((SutraModel *)callers[0].model);
    free(letters);
}

static SutraStatus embed_one(const SutraModel *model, const char *text,
                             const SutraEmbedOptions *options, SutraItem *item, SutraError *err)
{
    SutraInput input = input_of(text);
    SutraResult *result = NULL;
    SutraResultView view = {.struct_size = sizeof view};
    *err = (SutraError){0};
    SutraStatus status = sutra_embed(engine, model, &input, 1, options, &result, err);
    if (result && sutra_result_view(result, &view, err) == SUTRA_OK) *item = view.items[0];
    if (result && item->status != SUTRA_OK && status == SUTRA_OK) status = item->status;
    sutra_result_free(result);
    return status;
}

/* "plain" has tokens of 2 characters in the median, "a" 1. */
static void counts_a_cut_of_characters_as_truncated(void **state)
{
    (void)state;
    SutraModel *model = open_model(STATIC_FOLDER "/plain");
    SutraEmbedOptions options = {.struct_size = sizeof options, .max_tokens = 100};
    SutraItem item;
    SutraError err;
    char text[402] = "";
    memset(text, ' ', 400);
    text[0] = text[399] = 'a';
    assert_int_equal(embed_one(model, text, &options, &item, &err), SUTRA_OK);
    assert_int_equal(item.tokens_seen, 2);
    assert_int_equal(item.tokens_used, 1);
    assert_true(item.flags & SUTRA_ITEM_TRUNCATED);
    options.truncation = SUTRA_TRUNCATE_ERROR;
    assert_int_equal(embed_one(model, text, &options, &item, &err), SUTRA_E_LIMIT);
    assert_non_null(strstr(err.message, "400 characters"));
    options.truncation = SUTRA_TRUNCATE_WINDOW;
    assert_int_equal(embed_one(model, text, &options, &item, &err), SUTRA_OK);
    assert_int_equal(item.tokens_used, 2);
    assert_int_equal(item.flags & SUTRA_ITEM_TRUNCATED, 0);
    sutra_model_free(model);
}

static void has_no_vectors_of_tokens_and_no_other_pooling(void **state)
{
    (void)state;
    SutraModel *model = open_model(STATIC_FOLDER "/plain");
    SutraItem item;
    SutraError err;
    SutraEmbedOptions tokens = {.struct_size = sizeof tokens, .output = SUTRA_OUT_TOKENS};
    SutraEmbedOptions first = {.struct_size = sizeof first, .pooling = SUTRA_POOL_CLS};
    assert_int_equal(embed_one(model, "a", &tokens, &item, &err), SUTRA_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "static model"));
    assert_int_equal(embed_one(model, "a", &first, &item, &err), SUTRA_E_UNSUPPORTED);
    SutraInput text = input_of("a b c");
    SutraChunk parts[1] = {{.begin = 0, .end = 3}};
    float rows[40];
    assert_int_equal(
        sutra_embed_late(engine, model, &text, parts, 1, NULL, rows, sizeof rows, NULL, &err),
        SUTRA_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "static model"));
    sutra_model_free(model);
}

/* ---- folders that are no models ---- */

typedef struct Bad {
    const char *header; /* of model.safetensors, before 64 bytes of data */
    const char *message;
} Bad;

static void write_tensors(const char *folder, const char *header, unsigned char fill)
{
    unsigned char file[1024];
    uint64_t size = strlen(header);
    memcpy(file, &size, 8);
    memcpy(file + 8, header, size);
    memset(file + 8 + size, fill, 64);
    folder_write(folder, "model.safetensors", file, 8 + size + 64);
}

static void expect_refused(const char *folder, const char *message)
{
    SutraModel *model = NULL;
    SutraError err = {0};
    assert_int_not_equal(sutra_model_open(folder, NULL, &model, &err), SUTRA_OK);
    if (!strstr(err.message, message)) fail_msg("%s is not in: %s", message, err.message);
    assert_null(strchr(err.message, '\n'));
}

#define TABLE(rows, dims, type, end)                                     \
    "\"embeddings\":{\"dtype\":\"" type "\",\"shape\":[" #rows "," #dims \
    "],\"data_offsets\":[0," #end "]}"
#define VECTOR(name, n, type, begin) \
    ",\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" #n "],\"data_offsets\":[" #begin ",64]}"

static void refuses_tables_that_fit_no_tokenizer(void **state)
{
    (void)state;
    static const Bad bad[] = {
        {"{\"embedding\":{\"dtype\":\"F32\",\"shape\":[16],\"data_offsets\":[0,64]}}",
         "tensor embeddings is missing"},
        {"{" TABLE(2, 8, "F32", 64) "}", ", and there are vectors of 2 tokens"},
        {"{\"embeddings\":{\"dtype\":\"F32\",\"shape\":[16],\"data_offsets\":[0,64]}}",
         "has shape [16], no [rows, dimensions]"},
        {"{" TABLE(8, 2, "I32", 64) "}", "stored as I32, which is not supported"},
        {"{" TABLE(2, 4, "F32", 32) VECTOR("weights", 8, "F32", 32) "}",
         "tensor weights has shape [8], not [2]"},
        {"{" TABLE(2, 4, "F32", 32) VECTOR("mapping", 4, "F64", 32) "}",
         "tensor mapping is stored as F64"},
        {"{" TABLE(2, 8, "F32", 64) VECTOR("mapping", 0, "I32", 64) "}",
         "tensor mapping has shape [0], not [vocab]"},
        {"{" TABLE(2, 4, "F32", 32) ",\"mapping\":{\"dtype\":\"I32\",\"shape\":[8,1],"
                                    "\"data_offsets\":[32,64]}}",
         "tensor mapping has shape [8, 1], not [vocab]"},
        {"{" TABLE(2, 4, "F32", 32) VECTOR("mapping", 8, "I32", 32) "}",
         "mapping gives token 0 the row 1077952576, of 2 that there are"},
    };
    char *folder = folder_scratch();
    folder_copy(STATIC_FOLDER "/plain", folder);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_tensors(folder, bad[i].header, 0x40);
        expect_refused(folder, bad[i].message);
    }
    write_tensors(folder, "{" TABLE(4, 2, "F32", 32) VECTOR("weights", 4, "F64", 32) "}", 0xff);
    expect_refused(folder, "weights gives token 0 the weight");
    write_tensors(folder, "{" TABLE(2, 4, "F32", 32) VECTOR("mapping", 4, "I64", 32) "}", 0xff);
    expect_refused(folder, "the row -1, of 2 that there are");
    folder_remove(folder);
    free(folder);
}

static void refuses_folders_without_their_files(void **state)
{
    (void)state;
    char *folder = folder_scratch();
    folder_copy(STATIC_FOLDER "/both", folder);
    folder_delete(folder, "tokenizer.json");
    expect_refused(folder, "expected tokenizer.json in this folder");
    folder_copy(STATIC_FOLDER "/plain", folder);
    folder_patch(folder, "config.json", "{\"max_length\": 0}");
    folder_delete(folder, "modules.json");
    expect_refused(folder, "max_length");
    folder_remove(folder);
    free(folder);
}

static void refuses_truncation_that_cuts_neither_side(void **state)
{
    (void)state;
    char *folder = folder_scratch();
    folder_copy(STATIC_FOLDER "/module", folder);
    folder_patch(folder, "tokenizer.json",
                 "{\"truncation\": {\"max_length\": 3, \"direction\": \"Up\"}}");
    expect_refused(folder, "truncation.direction is \"Up\", not Right or Left");
    folder_patch(folder, "tokenizer.json", "{\"truncation\": 3}");
    expect_refused(folder, "truncation is not an object");
    folder_remove(folder);
    free(folder);
}

/* Rows that hold NaN are no vectors. */
static void notices_rows_that_are_no_numbers(void **state)
{
    (void)state;
    SutraItem item;
    SutraError err;
    char *folder = folder_scratch();
    size_t size;
    folder_copy(STATIC_FOLDER "/plain", folder);
    unsigned char *file = folder_read(folder, "model.safetensors", &size);
    memset(file + size - 165 * 40 * 4, 0xff, 165 * 40 * 4);
    folder_write(folder, "model.safetensors", file, size);
    SutraModel *model = open_model(folder);
    SutraEmbedOptions options = {.struct_size = sizeof options};
    assert_int_equal(embed_one(model, "a", &options, &item, &err), SUTRA_E_NUMERIC);
    sutra_model_free(model);
    free(file);
    folder_remove(folder);
    free(folder);
}

/* Opening it, with each allocation failing in turn. */
static void reports_each_allocation_that_fails(void **state)
{
    (void)state;
    static const char *const names[] = {"shared", "double", "int8", "module-dense"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char folder[1024];
        SutraModel *model = NULL;
        SutraError err = {0};
        int64_t n = 0;
        snprintf(folder, sizeof folder, "%s/%s", STATIC_FOLDER, names[i]);
        for (SutraStatus status = SUTRA_E_MEMORY; status != SUTRA_OK; n++) {
            err = (SutraError){0};
            su_memory_fail_after(n, false);
            status = sutra_model_open(folder, NULL, &model, &err);
            su_memory_fail_after(-1, false);
            if (status != SUTRA_OK && status != SUTRA_E_MEMORY)
                fail_msg("%s: allocation %lld: %s", names[i], (long long)n, err.message);
        }
        assert_in_range(n, 30, 10000);
        sutra_model_free(model);
    }
}

/* Vectors of int8 rows with scales are near those of the floats. */
static void bundles_of_int8_rows_are_near(void **state)
{
    (void)state;
    char path[1024];
    SutraError err = {0};
    SutraResultView exact, near;
    char *folder = folder_scratch();
    snprintf(path, sizeof path, "%s/model.sutra", folder);
    SutraQuantizeOptions options = {.struct_size = sizeof options, .compute = SUTRA_COMPUTE_INT8};
    if (sutra_quantize(STATIC_FOLDER "/shared", path, &options, NULL, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    SutraModel *model = open_model(STATIC_FOLDER "/shared"), *quantized = open_model(path);
    SutraInput input = input_of("the quick brown fox");
    SutraResult *a = embed(model, &input, 1, NULL, &exact);
    SutraResult *b = embed(quantized, &input, 1, NULL, &near);
    double cosine = 0, most = 0;
    for (uint32_t i = 0; i < exact.dim; i++) {
        double x = ((const float *)exact.data)[i], y = ((const float *)near.data)[i];
        cosine += x * y;
        most = fmax(most, fabs(x - y));
    }
    assert_true(cosine > 0.9998);
    assert_true(most > 0);
    sutra_result_free(a);
    sutra_result_free(b);
    sutra_model_free(model);
    sutra_model_free(quantized);
    folder_remove(folder);
    free(folder);
}

static int set_up(void **state)
{
    (void)state;
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    SutraError err = {0};
    return sutra_engine_create(&options, &engine, &err);
}

static int tear_down(void **state)
{
    (void)state;
    sutra_engine_free(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_vectors_of_the_reference),
        cmocka_unit_test(takes_texts_of_any_length),
        cmocka_unit_test(gives_the_same_bits_in_any_company),
        cmocka_unit_test(counts_a_cut_of_characters_as_truncated),
        cmocka_unit_test(has_no_vectors_of_tokens_and_no_other_pooling),
        cmocka_unit_test(refuses_tables_that_fit_no_tokenizer),
        cmocka_unit_test(refuses_folders_without_their_files),
        cmocka_unit_test(refuses_truncation_that_cuts_neither_side),
        cmocka_unit_test(notices_rows_that_are_no_numbers),
        cmocka_unit_test(reports_each_allocation_that_fails),
        cmocka_unit_test(bundles_of_int8_rows_are_near)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
