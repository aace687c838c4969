/* Every reranker of tests/data/golden, through the public API alone, against what the reference
 * computed: token ids and types of pairs, scores. Then what scores promise: the same bytes in any
 * batch, from bundles, and near ones in the other precisions. An argument names one reranker. */
#include "model/model_folder.h"
#include "sutra.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_RERANKERS 32
#define MAX_PAIRS 64
#define TOLERANCE 2e-6 /* of a score, which is of order one */

static SutraEngine *engine;

typedef struct Reranker {
    const char *name;
    json_t *expected;
    const json_t *pairs; /* [num_pairs] of [text, text] */
    size_t num_pairs;
    SutraInput inputs[MAX_PAIRS];
    char *folder;
    float *scores; /* of all cases */
    double worst;  /* largest deviation so far */
} Reranker;

static SutraModel *open_path(const char *path, SutraCompute compute)
{
    SutraModel *model;
    SutraError err = {0};
    SutraModelOptions options = {.struct_size = sizeof options, .compute = compute};
    if (sutra_model_open(path, &options, &model, &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
    return model;
}

static void score(const SutraModel *model, const SutraInput *inputs, size_t n, float *scores,
                  SutraItem *items)
{
    const SutraEmbedOptions options = {.struct_size = sizeof options, .output = SUTRA_OUT_SCORES};
    SutraError err = {0};
    if (sutra_embed_into(engine, model, inputs, n, &options, scores, n * sizeof *scores, items,
                         &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
}

static SutraInput pair_input(const json_t *pair, const char *prompt_name)
{
    const json_t *text = json_array_get(pair, 0), *other = json_array_get(pair, 1);
    return (SutraInput){.text = json_string_value(text),
                        .text_size = json_string_length(text),
                        .pair = json_string_value(other),
                        .pair_size = json_string_length(other),
                        .prompt_name = prompt_name};
}

static void same_numbers(const json_t *expected, const int32_t *found, size_t count,
                         const char *what, size_t pair)
{
    assert_int_equal(json_array_size(expected), count);
    for (size_t i = 0; i < count; i++)
        if (json_integer_value(json_array_get(expected, i)) != found[i])
            fail_msg("%s %zu of pair %zu: %d, the reference has %lld", what, i, pair, found[i],
                     (long long)json_integer_value(json_array_get(expected, i)));
}

/* Ids and types as the reference cuts and joins them; the first case has no prompt of its own. */
static void tokens_are_those_of_the_reference(Reranker *reranker, const SutraModel *model)
{
    SutraTokens *tokens;
    SutraTokensView view = {.struct_size = sizeof view};
    SutraModelInfo info = {.struct_size = sizeof info};
    SutraError err = {0};
    assert_int_equal(sutra_model_info(model, &info, &err), SUTRA_OK);
    if (info.default_prompt) return;
    assert_int_equal(sutra_tokenize(model, reranker->inputs, reranker->num_pairs, info.max_tokens,
                                    &tokens, &err),
                     SUTRA_OK);
    assert_int_equal(sutra_tokens_view(tokens, &view, &err), SUTRA_OK);
    for (size_t i = 0; i < reranker->num_pairs; i++) {
        size_t first = view.cu_seqlens[i], count = view.cu_seqlens[i + 1] - first;
        const json_t *ids = json_array_get(json_object_get(reranker->expected, "token_ids"), i);
        const json_t *types = json_array_get(json_object_get(reranker->expected, "type_ids"), i);
        same_numbers(ids, view.token_ids + first, count, "token id", i);
        same_numbers(types, view.type_ids + first, count, "type", i);
    }
    sutra_tokens_free(tokens);
}

static void scores_are_those_of_the_reference(Reranker *reranker, const SutraModel *model,
                                              const float *expected)
{
    float scores[MAX_PAIRS];
    SutraItem items[MAX_PAIRS];
    score(model, reranker->inputs, reranker->num_pairs, scores, items);
    for (size_t i = 0; i < reranker->num_pairs; i++) {
        double difference = fabs((double)scores[i] - (double)expected[i]);
        if (!(difference <= TOLERANCE))
            fail_msg("score of pair %zu: %.9g, the reference has %.9g", i, (double)scores[i],
                     (double)expected[i]);
        if (difference > reranker->worst) reranker->worst = difference;
        bool cut = items[i].tokens_seen > items[i].tokens_used;
        assert_int_equal(items[i].status, SUTRA_OK);
        assert_int_equal(items[i].flags, cut ? SUTRA_ITEM_TRUNCATED : 0);
    }
}

static void a_pair_alone_has_the_same_bytes(Reranker *reranker, const SutraModel *model)
{
    float together[MAX_PAIRS], alone;
    score(model, reranker->inputs, reranker->num_pairs, together, NULL);
    for (size_t i = 0; i < reranker->num_pairs; i++) {
        score(model, &reranker->inputs[i], 1, &alone, NULL);
        assert_memory_equal(&alone, &together[i], sizeof alone);
    }
}

/* Of these the model's activation makes its scores; both kinds may meet in a batch. */
static void raw_scores_are_logits(Reranker *reranker, const SutraModel *model,
                                  const float *expected)
{
    float logits[MAX_PAIRS];
    SutraModelInfo info = {.struct_size = sizeof info};
    SutraEmbedOptions options = {
        .struct_size = sizeof options, .output = SUTRA_OUT_SCORES, .raw_scores = 1};
    size_t n = reranker->num_pairs;
    assert_int_equal(sutra_model_info(model, &info, NULL), SUTRA_OK);
    assert_int_equal(sutra_embed_into(engine, model, reranker->inputs, n, &options, logits,
                                      sizeof logits, NULL, NULL),
                     SUTRA_OK);
    bool is_sigmoid = strcmp(info.score_activation, "sigmoid") == 0;
    for (size_t i = 0; i < n; i++) {
        double score = is_sigmoid ? 1 / (1 + exp(-(double)logits[i])) : (double)logits[i];
        assert_true(fabs(score - (double)expected[i]) <= TOLERANCE);
    }
    options.raw_scores = 2;
    assert_int_equal(sutra_embed_into(engine, model, reranker->inputs, n, &options, logits,
                                      sizeof logits, NULL, NULL),
                     SUTRA_E_ARGUMENT);
}

static void a_bundle_has_the_same_bytes(Reranker *reranker, SutraCompute compute)
{
    char path[1024];
    float scores[MAX_PAIRS], again[MAX_PAIRS];
    SutraError err = {0};
    SutraModel *model = open_path(reranker->folder, compute);
    snprintf(path, sizeof path, "%s/model.sutra", reranker->folder);
    if (sutra_model_save(model, path, &err) != SUTRA_OK) fail_msg("%s", err.message);
    SutraModel *bundle = open_path(path, SUTRA_COMPUTE_DEFAULT);
    score(model, reranker->inputs, reranker->num_pairs, scores, NULL);
    score(bundle, reranker->inputs, reranker->num_pairs, again, NULL);
    assert_memory_equal(scores, again, reranker->num_pairs * sizeof *scores);
    sutra_model_free(bundle);
    sutra_model_free(model);
    folder_delete(reranker->folder, "model.sutra");
}

/* Root of the mean square of the differences to fp32. */
static double error_in(const Reranker *reranker, SutraCompute compute, const float *expected)
{
    float scores[MAX_PAIRS];
    double sum = 0;
    SutraModel *model = open_path(reranker->folder, compute);
    score(model, reranker->inputs, reranker->num_pairs, scores, NULL);
    for (size_t i = 0; i < reranker->num_pairs; i++)
        sum += pow((double)scores[i] - (double)expected[i], 2);
    sutra_model_free(model);
    return sqrt(sum / (double)reranker->num_pairs);
}

/* Bounds are twice what the worst of these models has, whose attention is peaked. */
static void other_precisions_are_near(const Reranker *reranker, const float *expected)
{
    double fp16 = error_in(reranker, SUTRA_COMPUTE_FP16, expected);
    double bf16 = error_in(reranker, SUTRA_COMPUTE_BF16, expected);
    double int8 = error_in(reranker, SUTRA_COMPUTE_INT8, expected);
    print_message("           error in fp16 %.1e, bf16 %.1e, int8 %.1e\n", fp16, bf16, int8);
    assert_true(fp16 <= 1e-3);
    assert_true(bf16 <= 1e-2);
    assert_true(int8 <= 2.5e-2);
}

static void apply_case(Reranker *reranker, const json_t *test_case)
{
    const char *prompt = json_string_value(json_object_get(test_case, "prompt_name"));
    char *changes = json_dumps(json_object_get(test_case, "config"), 0);
    folder_patch(reranker->folder, "config.json", changes);
    free(changes);
    for (size_t i = 0; i < reranker->num_pairs; i++)
        reranker->inputs[i] = pair_input(json_array_get(reranker->pairs, i), prompt);
}

static void lay_out(Reranker *reranker)
{
    json_t *expected;
    reranker->folder = folder_scratch();
    folder_assemble("rerankers", reranker->name, reranker->folder, &expected);
    json_decref(expected);
}

static void drop_folder(Reranker *reranker)
{
    folder_remove(reranker->folder);
    free(reranker->folder);
}

static void reranker_equals_the_reference(void **state)
{
    Reranker *reranker = *state;
    size_t k;
    json_t *test_case;
    const float *expected = reranker->scores;
    json_array_foreach(json_object_get(reranker->expected, "cases"), k, test_case)
    {
        lay_out(reranker);
        apply_case(reranker, test_case);
        SutraModel *model = open_path(reranker->folder, SUTRA_COMPUTE_DEFAULT);
        tokens_are_those_of_the_reference(reranker, model);
        scores_are_those_of_the_reference(reranker, model, expected);
        a_pair_alone_has_the_same_bytes(reranker, model);
        raw_scores_are_logits(reranker, model, expected);
        sutra_model_free(model);
        if (k == 0) {
            a_bundle_has_the_same_bytes(reranker, SUTRA_COMPUTE_FP32);
            a_bundle_has_the_same_bytes(reranker, SUTRA_COMPUTE_INT8);
            other_precisions_are_near(reranker, expected);
        }
        expected += reranker->num_pairs;
        drop_folder(reranker);
    }
    print_message("           largest deviation %.1e\n", reranker->worst);
}

static int set_up(void **state)
{
    char overlay[512];
    size_t size;
    Reranker *reranker = calloc(1, sizeof *reranker);
    reranker->name = *state;
    snprintf(overlay, sizeof overlay, GOLDEN_FOLDER "/rerankers/%s", reranker->name);
    reranker->expected = folder_read_json(overlay, "expected.json");
    reranker->scores = folder_read(overlay, "expected.f32", &size);
    reranker->pairs = json_object_get(reranker->expected, "pairs");
    reranker->num_pairs = json_array_size(reranker->pairs);
    assert_in_range(reranker->num_pairs, 1, MAX_PAIRS);
    size_t num_cases = json_array_size(json_object_get(reranker->expected, "cases"));
    assert_int_equal(size, num_cases * reranker->num_pairs * sizeof(float));
    *state = reranker;
    return 0;
}

static int tear_down(void **state)
{
    Reranker *reranker = *state;
    json_decref(reranker->expected);
    free(reranker->scores);
    free(reranker);
    return 0;
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

int main(int argc, char **argv)
{
    struct CMUnitTest tests[MAX_RERANKERS];
    struct dirent **names;
    size_t count = 0;
    int found = scandir(GOLDEN_FOLDER "/rerankers", &names, is_visible, alphasort);
    for (int i = 0; i < found; i++)
        if (count < MAX_RERANKERS && (argc < 2 || strcmp(argv[1], names[i]->d_name) == 0))
            tests[count++] = (struct CMUnitTest){.name = names[i]->d_name,
                                                 .test_func = reranker_equals_the_reference,
                                                 .setup_func = set_up,
                                                 .teardown_func = tear_down,
                                                 .initial_state = names[i]->d_name};
    if (count == 0) {
        fprintf(stderr, "no such reranker in " GOLDEN_FOLDER "/rerankers\n");
        return 1;
    }
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    SutraError err = {0};
    if (sutra_engine_create(&options, &engine, &err) != SUTRA_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int failed = _cmocka_run_group_tests("rerankers", tests, count, NULL, NULL);
    sutra_engine_free(engine);
    for (int i = 0; i < found; i++) free(names[i]);
    free(names);
    return failed;
}
