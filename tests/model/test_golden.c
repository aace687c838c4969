/* Every variant of tests/data/golden, through the public API alone, against what the reference
 * computed: token counts, pooled vectors, hidden states. An argument names one variant. */
#include "model/model_folder.h"
#include "sutra.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_VARIANTS 160
#define MAX_TEXTS 100
#define MAX_TOKENS 1024
#define TOLERANCE 2e-6 /* of an element, relative to the vector's norm */

static const char *const golden = GOLDEN_FOLDER;
static json_t *common_texts; /* list of strings */
static SutraEngine *engine;

typedef struct Variant {
    json_t *expected;
    const json_t *texts; /* its own, or the common ones */
    size_t num_texts;
    char *folder;
    float *floats, *next; /* expected.f32, and what of it is still to be compared */
    size_t num_floats;
    uint32_t dim, hidden; /* of a vector, of a hidden state */
    SutraModel *model;
    double worst; /* largest deviation so far, relative to the norm */
} Variant;

static const float *take(Variant *variant, size_t count)
{
    const float *taken = variant->next;
    variant->next += count;
    assert_true((size_t)(variant->next - variant->floats) <= variant->num_floats);
    return taken;
}

/* One vector [dim] against the reference's. */
static void compare_vector(Variant *variant, const float *vector, uint32_t dim, const char *what,
                           size_t text)
{
    const float *expected = take(variant, dim);
    double norm = 0;
    for (uint32_t i = 0; i < dim; i++) norm += (double)expected[i] * expected[i];
    norm = sqrt(norm);
    for (uint32_t i = 0; i < dim; i++) {
        double difference = fabs((double)vector[i] - expected[i]) / norm;
        if (!(difference <= TOLERANCE))
            fail_msg("%s of text %zu, element %u: %.9g, the reference has %.9g (norm %g)", what,
                     text, i, (double)vector[i], (double)expected[i], norm);
        if (difference > variant->worst) variant->worst = difference;
    }
}

static SutraInput text_input(const Variant *variant, size_t i, const char *prompt_name)
{
    const json_t *text = json_array_get(variant->texts, i);
    return (SutraInput){.text = json_string_value(text),
                        .text_size = json_string_length(text),
                        .prompt_name = prompt_name};
}

static const json_t *expected_ids(const json_t *test_case, size_t text)
{
    return json_array_get(json_object_get(test_case, "token_ids"), text);
}

static SutraResult *embed(Variant *variant, const SutraInput *inputs, size_t n, SutraOutput output,
                          SutraResultView *view)
{
    SutraEmbedOptions options = {.struct_size = sizeof options, .output = output};
    if (output == SUTRA_OUT_TOKENS) options.normalize = SUTRA_NORMALIZE_NO;
    SutraResult *result = NULL;
    SutraError err = {0};
    if (sutra_embed(engine, variant->model, inputs, n, &options, &result, &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
    view->struct_size = sizeof *view;
    assert_int_equal(sutra_result_view(result, view, &err), SUTRA_OK);
    assert_int_equal(view->num_items, n);
    assert_int_equal(view->dim, output == SUTRA_OUT_TOKENS ? variant->hidden : variant->dim);
    return result;
}

static void check_items(const SutraResultView *view, const json_t *test_case)
{
    for (size_t i = 0; i < view->num_items; i++) {
        const SutraItem *item = &view->items[i];
        assert_int_equal(item->status, SUTRA_OK);
        assert_int_equal(item->tokens_used, json_array_size(expected_ids(test_case, i)));
        assert_int_equal(item->flags & SUTRA_ITEM_TRUNCATED,
                         item->tokens_seen > item->tokens_used ? SUTRA_ITEM_TRUNCATED : 0);
    }
}

static void run_texts(Variant *variant, const json_t *test_case)
{
    SutraInput inputs[MAX_TEXTS];
    SutraResultView view;
    const char *prompt_name = json_string_value(json_object_get(test_case, "prompt_name"));
    for (size_t i = 0; i < variant->num_texts; i++) inputs[i] = text_input(variant, i, prompt_name);
    SutraResult *result = embed(variant, inputs, variant->num_texts, SUTRA_OUT_POOLED, &view);
    check_items(&view, test_case);
    const float *vectors = view.data;
    for (size_t i = 0; i < variant->num_texts; i++)
        compare_vector(variant, vectors + i * variant->dim, variant->dim, "vector", i);
    sutra_result_free(result);
}

/* The reference's token ids give the same bits as the texts: so the tokenizer's ids are the same,
 * and batches of another composition change nothing. Not where tokens have types: token_ids have
 * none. */
static void run_token_ids(Variant *variant, const json_t *test_case)
{
    static int32_t ids[MAX_TOKENS];
    for (size_t i = 0; i < variant->num_texts; i++) {
        SutraResultView by_text, by_ids;
        const json_t *list = expected_ids(test_case, i);
        size_t n = json_array_size(list);
        assert_in_range(n, 1, MAX_TOKENS);
        for (size_t k = 0; k < n; k++)
            ids[k] = (int32_t)json_integer_value(json_array_get(list, k));
        SutraInput text = text_input(variant, i, ""),
                   tokens = {.token_ids = ids, .num_token_ids = n};
        SutraResult *a = embed(variant, &text, 1, SUTRA_OUT_POOLED, &by_text);
        SutraResult *b = embed(variant, &tokens, 1, SUTRA_OUT_POOLED, &by_ids);
        assert_memory_equal(by_text.data, by_ids.data, variant->dim * sizeof(float));
        sutra_result_free(a);
        sutra_result_free(b);
    }
}

/* A text with each prompt of the model, in turn in one call: the bits of a call of its own. */
static void run_mixed_prompts(Variant *variant, const json_t *cases)
{
    enum { ROUNDS = 3, MOST = 32 };
    SutraInput inputs[MOST];
    SutraResultView mixed, alone;
    size_t num_cases = json_array_size(cases), n = ROUNDS * num_cases;
    if (num_cases < 2) return;
    assert_in_range(n, 1, MOST);
    for (size_t i = 0; i < n; i++) {
        const json_t *test_case = json_array_get(cases, i % num_cases);
        const char *prompt = json_string_value(json_object_get(test_case, "prompt_name"));
        inputs[i] = text_input(variant, i / num_cases % variant->num_texts, prompt);
    }
    SutraResult *result = embed(variant, inputs, n, SUTRA_OUT_POOLED, &mixed);
    for (size_t i = 0; i < n; i++) {
        SutraResult *one = embed(variant, &inputs[i], 1, SUTRA_OUT_POOLED, &alone);
        const unsigned char *row = (const unsigned char *)mixed.data + i * mixed.row_bytes;
        assert_memory_equal(row, alone.data, mixed.row_bytes);
        sutra_result_free(one);
    }
    sutra_result_free(result);
}

static void run_states(Variant *variant, const json_t *test_case)
{
    size_t k;
    json_t *number;
    json_array_foreach(json_object_get(variant->expected, "states"), k, number)
    {
        size_t text = (size_t)json_integer_value(number);
        size_t tokens = json_array_size(expected_ids(test_case, text));
        SutraInput input = text_input(variant, text, "");
        SutraResultView view;
        SutraResult *result = embed(variant, &input, 1, SUTRA_OUT_TOKENS, &view);
        assert_int_equal(view.offsets[0], 0);
        assert_int_equal(view.offsets[1], tokens);
        const float *states = view.data;
        for (size_t t = 0; t < tokens; t++)
            compare_vector(variant, states + t * variant->hidden, variant->hidden, "hidden state",
                           text);
        sutra_result_free(result);
    }
}

/* A bundle of the model gives the same bytes. */
static void run_bundle(Variant *variant)
{
    char path[1024];
    SutraError err = {0};
    SutraModel *folder = variant->model, *bundle = NULL;
    SutraResultView view, again;
    SutraInput input = text_input(variant, 0, NULL);
    snprintf(path, sizeof path, "%s/model.sutra", variant->folder);
    if (sutra_model_save(folder, path, &err) != SUTRA_OK ||
        sutra_model_open(path, NULL, &bundle, &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
    SutraResult *by_folder = embed(variant, &input, 1, SUTRA_OUT_POOLED, &view);
    variant->model = bundle;
    SutraResult *by_bundle = embed(variant, &input, 1, SUTRA_OUT_POOLED, &again);
    assert_memory_equal(view.data, again.data, view.row_bytes);
    sutra_result_free(by_folder);
    sutra_result_free(by_bundle);
    variant->model = folder;
    sutra_model_free(bundle);
}

static void variant_equals_the_reference(void **state)
{
    Variant *variant = *state;
    SutraError err = {0};
    size_t k;
    json_t *test_case;
    if (sutra_model_open(variant->folder, NULL, &variant->model, &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
    const json_t *cases = json_object_get(variant->expected, "cases");
    json_array_foreach(cases, k, test_case)
    {
        run_texts(variant, test_case);
        const char *prompt = json_string_value(json_object_get(test_case, "prompt_name"));
        if (json_object_get(variant->expected, "typed")) continue;
        if (json_array_size(cases) == 1 || (prompt && !*prompt)) run_token_ids(variant, test_case);
    }
    run_mixed_prompts(variant, cases);
    run_states(variant, json_array_get(cases, 0));
    run_bundle(variant);
    assert_int_equal(variant->next - variant->floats, variant->num_floats);
    print_message("           largest deviation %.1e of the norm\n", variant->worst);
}

static int set_up(void **state)
{
    const char *name = *state;
    char overlay[512];
    size_t size;
    Variant *variant = calloc(1, sizeof *variant);
    snprintf(overlay, sizeof overlay, "%s/variants/%s", golden, name);
    variant->folder = folder_scratch();
    folder_assemble("variants", name, variant->folder, &variant->expected);
    variant->texts = json_object_get(variant->expected, "texts");
    if (!variant->texts) variant->texts = common_texts;
    variant->num_texts = json_array_size(variant->texts);
    assert_in_range(variant->num_texts, 1, MAX_TEXTS);
    variant->dim = (uint32_t)json_integer_value(json_object_get(variant->expected, "dim"));
    const json_t *hidden = json_object_get(variant->expected, "hidden");
    variant->hidden = hidden ? (uint32_t)json_integer_value(hidden) : variant->dim;
    variant->next = variant->floats = folder_read(overlay, "expected.f32", &size);
    variant->num_floats = size / sizeof(float);
    *state = variant;
    return 0;
}

static int tear_down(void **state)
{
    Variant *variant = *state;
    sutra_model_free(variant->model);
    folder_remove(variant->folder);
    json_decref(variant->expected);
    free(variant->folder);
    free(variant->floats);
    free(variant);
    return 0;
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

int main(int argc, char **argv)
{
    struct CMUnitTest tests[MAX_VARIANTS];
    struct dirent **names;
    size_t count = 0;
    int found = scandir(GOLDEN_FOLDER "/variants", &names, is_visible, alphasort);
    for (int i = 0; i < found; i++)
        if (count < MAX_VARIANTS && (argc < 2 || strcmp(argv[1], names[i]->d_name) == 0))
            tests[count++] = (struct CMUnitTest){.name = names[i]->d_name,
                                                 .test_func = variant_equals_the_reference,
                                                 .setup_func = set_up,
                                                 .teardown_func = tear_down,
                                                 .initial_state = names[i]->d_name};
    if (count == 0) {
        fprintf(stderr, "no such variant in %s/variants\n", golden);
        return 1;
    }
    common_texts = folder_read_json(golden, "texts.json");
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    SutraError err = {0};
    if (sutra_engine_create(&options, &engine, &err) != SUTRA_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int failed = _cmocka_run_group_tests("golden", tests, count, NULL, NULL);
    sutra_engine_free(engine);
    json_decref(common_texts);
    for (int i = 0; i < found; i++) free(names[i]);
    free(names);
    return failed;
}
