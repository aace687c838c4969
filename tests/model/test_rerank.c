/* What sutra.h says of scores and of rerankers, on the golden model `bert`. */
#include "base/memory.h"
#include "model/model_folder.h"
#include "sutra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *folder;
static SutraModel *model, *embedder;
static SutraEngine *engine;

static const SutraEmbedOptions scores_only = {.struct_size = sizeof scores_only,
                                              .output = SUTRA_OUT_SCORES};

static int set_up(void **state)
{
    (void)state;
    json_t *expected;
    SutraError err = {0};
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    folder = folder_scratch();
    folder_assemble("rerankers", "bert", folder, &expected);
    json_decref(expected);
    if (sutra_model_open(folder, NULL, &model, &err) != SUTRA_OK ||
        sutra_model_open(GOLDEN_FOLDER "/models/base", NULL, &embedder, &err) != SUTRA_OK ||
        sutra_engine_create(&options, &engine, &err) != SUTRA_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sutra_engine_free(engine);
    sutra_model_free(model);
    sutra_model_free(embedder);
    folder_remove(folder);
    free(folder);
    return 0;
}

static SutraInput text_of(const char *text)
{
    return (SutraInput){.text = text, .text_size = strlen(text)};
}

static SutraInput pair_of(const char *text, const char *pair)
{
    return (SutraInput){
        .text = text, .text_size = strlen(text), .pair = pair, .pair_size = strlen(pair)};
}

static void expect(SutraStatus found, const SutraError *err, SutraStatus status, const char *words)
{
    if (found != status || !strstr(err->message, words))
        fail_msg("%s \"%s\" in place of %s \"%s\"", sutra_status_name(found), err->message,
                 sutra_status_name(status), words);
}

static void each_kind_of_model_refuses_the_other_output(void **state)
{
    (void)state;
    SutraError err = {0};
    SutraResult *result;
    SutraInput text = text_of("the river"), pair = pair_of("the river", "stone");
    SutraEmbedOptions options = {.struct_size = sizeof options};
    expect(sutra_embed(engine, model, &text, 1, &options, &result, &err), &err, SUTRA_E_UNSUPPORTED,
           "is a reranker: it gives scores of pairs of texts, no embeddings");
    options.output = SUTRA_OUT_TOKENS;
    expect(sutra_embed(engine, model, &text, 1, &options, &result, &err), &err, SUTRA_E_UNSUPPORTED,
           "is a reranker");
    expect(sutra_embed(engine, embedder, &pair, 1, &scores_only, &result, &err), &err,
           SUTRA_E_UNSUPPORTED, "base is an embedding model: it has no head for scores of pairs");
    assert_null(result);
}

static void the_facts_say_what_it_is(void **state)
{
    (void)state;
    SutraError err;
    SutraModelInfo info = {.struct_size = sizeof info};
    assert_int_equal(sutra_model_info(model, &info, &err), SUTRA_OK);
    assert_int_equal(info.outputs, 1u << SUTRA_OUT_SCORES);
    assert_string_equal(info.score_activation, "sigmoid");
    assert_string_equal(info.pooling, "cls");
    assert_int_equal(info.dim, 1);
    assert_int_equal(sutra_model_info(embedder, &info, &err), SUTRA_OK);
    assert_int_equal(info.outputs, 1u << SUTRA_OUT_POOLED | 1u << SUTRA_OUT_TOKENS);
    assert_string_equal(info.score_activation, "");
}

static void options_of_vectors_are_refused(void **state)
{
    (void)state;
    SutraInput pair = pair_of("the river", "stone");
    SutraEmbedOptions rows[] = {scores_only, scores_only, scores_only, scores_only, scores_only};
    static const char *const words[] = {"dtype is for vectors", "normalize is for vectors",
                                        "pooling is for vectors", "dim 2", "max_tokens 3 leaves"};
    rows[0].dtype = SUTRA_I8;
    rows[1].normalize = SUTRA_NORMALIZE_YES;
    rows[2].pooling = SUTRA_POOL_MEAN;
    rows[3].dim = 2;
    rows[4].max_tokens = 3; /* of the three special tokens of a pair */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SutraError err = {0};
        float score;
        expect(
            sutra_embed_into(engine, model, &pair, 1, &rows[i], &score, sizeof score, NULL, &err),
            &err, SUTRA_E_ARGUMENT, words[i]);
    }
}

static void an_input_that_is_no_pair_fails_alone(void **state)
{
    (void)state;
    static const int32_t ids[] = {2, 70, 3};
    const SutraInput inputs[] = {pair_of("the river", "stone"),
                                 text_of("the river"),
                                 {.token_ids = ids, .num_token_ids = 3},
                                 pair_of("the river", "\xff"),
                                 pair_of("the river", "stone")};
    float scores[5];
    SutraItem items[5];
    SutraError err = {0};
    expect(sutra_embed_into(engine, model, inputs, 5, &scores_only, scores, sizeof scores, items,
                            &err),
           &err, SUTRA_E_ARGUMENT, "item 1: score output takes a text and its pair: pair is NULL");
    assert_int_equal(items[0].status, SUTRA_OK);
    assert_int_equal(items[2].status, SUTRA_E_ARGUMENT);
    assert_int_equal(items[3].status, SUTRA_E_ARGUMENT);
    assert_memory_equal(&scores[0], &scores[4], sizeof *scores);
    assert_true(scores[1] == 0 && scores[2] == 0 && scores[3] == 0);
}

static void too_long_a_pair_is_an_error_where_asked(void **state)
{
    (void)state;
    SutraEmbedOptions options = scores_only;
    SutraInput pair = pair_of("the river", "stone light water house night small green");
    SutraError err = {0};
    float score;
    options.truncation = SUTRA_TRUNCATE_ERROR;
    options.max_tokens = 10;
    expect(sutra_embed_into(engine, model, &pair, 1, &options, &score, sizeof score, NULL, &err),
           &err, SUTRA_E_LIMIT, "the pair has 12 tokens, more than 10");
}

static void rerank_sorts_and_keeps_the_order_of_equals(void **state)
{
    (void)state;
    enum { N = 6 };
    static const char *const texts[N] = {"stone", "light water", "stone", "house at night",
                                         "",      "stone"};
    SutraInput query = text_of("the river"), documents[N];
    float scores[N];
    size_t order[N];
    SutraItem items[N];
    SutraError err = {0};
    for (size_t i = 0; i < N; i++) documents[i] = text_of(texts[i]);
    documents[4] = (SutraInput){0}; /* the empty text */
    assert_int_equal(
        sutra_rerank(engine, model, &query, documents, N, NULL, scores, order, items, &err),
        SUTRA_OK);
    for (size_t i = 0; i < N; i++) {
        SutraInput pair = pair_of("the river", texts[i]);
        float alone;
        assert_int_equal(sutra_embed_into(engine, model, &pair, 1, &scores_only, &alone,
                                          sizeof alone, NULL, &err),
                         SUTRA_OK);
        assert_memory_equal(&alone, &scores[i], sizeof alone);
        assert_true(items[i].tokens_seen >= 5 && items[i].tokens_used == items[i].tokens_seen);
    }
    for (size_t i = 1; i < N; i++) {
        float before = scores[order[i - 1]], score = scores[order[i]];
        assert_true(before > score || (before == score && order[i - 1] < order[i]));
    }
    documents[1].text = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    expect(
        sutra_rerank(engine, model, &query, documents, N, &scores_only, scores, order, NULL, &err),
        &err, SUTRA_E_ARGUMENT, "item 1: pair is not valid UTF-8");
    assert_int_equal(order[N - 1], 1);
    assert_int_equal(sutra_rerank(engine, model, &query, NULL, 0, NULL, NULL, NULL, NULL, &err),
                     SUTRA_OK);
}

static void rerank_refuses_what_is_no_text(void **state)
{
    (void)state;
    SutraInput query = text_of("the river"), document = text_of("stone");
    SutraInput pair = pair_of("the river", "stone");
    SutraEmbedOptions pooled = {.struct_size = sizeof pooled};
    SutraError err = {0};
    float score;
    expect(sutra_rerank(engine, model, &pair, &document, 1, NULL, &score, NULL, NULL, &err), &err,
           SUTRA_E_ARGUMENT, "the query is a text");
    expect(sutra_rerank(engine, model, &query, &pair, 1, NULL, &score, NULL, NULL, &err), &err,
           SUTRA_E_ARGUMENT, "item 0: a document is a text");
    expect(sutra_rerank(engine, model, &query, &document, 1, &pooled, &score, NULL, NULL, &err),
           &err, SUTRA_E_ARGUMENT, "output is another");
    expect(sutra_rerank(engine, embedder, &query, &document, 1, NULL, &score, NULL, NULL, &err),
           &err, SUTRA_E_UNSUPPORTED, "base is an embedding model");
    expect(sutra_rerank(engine, model, NULL, &document, 1, NULL, &score, NULL, NULL, &err), &err,
           SUTRA_E_ARGUMENT, "NULL");
}

static void rerank_reports_each_failing_allocation(void **state)
{
    (void)state;
    SutraInput query = text_of("the river"), documents[] = {text_of("stone"), text_of("light")};
    float scores[2];
    size_t order[2];
    SutraError err = {0};
    assert_int_equal(sutra_model_warmup(engine, model, &scores_only, &err), SUTRA_OK);
    for (int64_t n = 0; n < 3; n++) {
        su_memory_fail_after(n, true);
        SutraStatus status =
            sutra_rerank(engine, model, &query, documents, 2, NULL, scores, order, NULL, &err);
        su_memory_fail_after(-1, false);
        expect(status, &err, SUTRA_E_MEMORY, "out of memory for 2 pairs");
    }
}

static void scores_allocate_nothing_once_warm(void **state)
{
    (void)state;
    SutraInput inputs[40];
    float scores[40];
    SutraError err = {0};
    for (size_t i = 0; i < 40; i++)
        inputs[i] = pair_of("the river and the stone", "light water house night small green");
    assert_int_equal(sutra_model_warmup(engine, model, &scores_only, &err), SUTRA_OK);
    su_memory_fail_after(-1, false); /* counting begins */
    uint64_t before = su_memory_allocations();
    assert_int_equal(sutra_embed_into(engine, model, inputs, 40, &scores_only, scores,
                                      sizeof scores, NULL, &err),
                     SUTRA_OK);
    assert_int_equal(su_memory_allocations() - before, 0);
}

static void a_job_gives_the_same_bytes(void **state)
{
    (void)state;
    SutraInput inputs[] = {pair_of("the river", "stone light water"), pair_of("", "stone")};
    float scores[2];
    SutraJob *job;
    SutraResult *result;
    SutraResultView view = {.struct_size = sizeof view};
    SutraError err = {0};
    assert_int_equal(
        sutra_embed_into(engine, model, inputs, 2, &scores_only, scores, sizeof scores, NULL, &err),
        SUTRA_OK);
    assert_int_equal(sutra_submit(engine, model, inputs, 2, &scores_only, NULL, NULL, &job, &err),
                     SUTRA_OK);
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, &result, &err), SUTRA_OK);
    assert_int_equal(sutra_result_view(result, &view, &err), SUTRA_OK);
    assert_int_equal(view.output, SUTRA_OUT_SCORES);
    assert_int_equal(view.dim, 1);
    assert_null(view.offsets);
    assert_memory_equal(view.data, scores, sizeof scores);
    sutra_result_free(result);
    sutra_job_free(job);
}

/* Changes of config.json, and how the folder is refused. */
static void bad_classifiers_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *changes;
        SutraStatus status;
        const char *words;
    } rows[] = {
        {"{\"id2label\": {\"0\": \"contradiction\", \"1\": \"entailment\"}}", SUTRA_E_UNSUPPORTED,
         "config.json: a classifier of 2 labels (contradiction, entailment) is not supported"},
        {"{\"id2label\": null}", SUTRA_E_UNSUPPORTED, "a classifier of 2 labels is not supported"},
        {"{\"id2label\": null, \"num_labels\": 3}", SUTRA_E_UNSUPPORTED, "of 3 labels is not"},
        {"{\"id2label\": [\"a\"]}", SUTRA_E_FORMAT, "id2label is not an object"},
        {"{\"sentence_transformers\": {\"activation_fn\": \"own.Scale\"}}", SUTRA_E_UNSUPPORTED,
         "config.json: activation_fn \"own.Scale\" is not supported; known: Identity"},
        {"{\"sbert_ce_default_activation_function\": \"torch.nn.modules.activation.Softplus\"}",
         SUTRA_E_UNSUPPORTED, "sbert_ce_default_activation_function \"torch.nn"},
        {"{\"sentence_transformers\": 1}", SUTRA_E_FORMAT, "sentence_transformers is not"},
        {"{\"model_type\": \"roberta\", \"pad_token_id\": 1}", SUTRA_E_FORMAT, "is missing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SutraError err = {0};
        SutraModel *opened;
        char *copy = folder_scratch();
        folder_copy(folder, copy);
        folder_patch(copy, "config.json", rows[i].changes);
        expect(sutra_model_open(copy, NULL, &opened, &err), &err, rows[i].status, rows[i].words);
        folder_remove(copy);
        free(copy);
    }
}

/* With a modules.json that is not a CrossEncoder's, the encoder of a classifier is for vectors. */
static void modules_make_an_embedding_model_of_it(void **state)
{
    (void)state;
    static const char *const files[] = {"modules.json", "1_Pooling/config.json"};
    SutraModel *opened;
    SutraError err = {0};
    SutraModelInfo info = {.struct_size = sizeof info};
    char *copy = folder_scratch();
    folder_copy(folder, copy);
    for (size_t i = 0; i < 2; i++) {
        size_t size;
        void *data = folder_read(GOLDEN_FOLDER "/models/base", files[i], &size);
        folder_write(copy, files[i], data, size);
        free(data);
    }
    assert_int_equal(sutra_model_open(copy, NULL, &opened, &err), SUTRA_OK);
    assert_int_equal(sutra_model_info(opened, &info, &err), SUTRA_OK);
    assert_int_equal(info.outputs, 1u << SUTRA_OUT_POOLED | 1u << SUTRA_OUT_TOKENS);
    sutra_model_free(opened);
    folder_write_text(copy, "config_sentence_transformers.json",
                      "{\"model_type\": \"CrossEncoder\"}");
    expect(sutra_model_open(copy, NULL, &opened, &err), &err, SUTRA_E_UNSUPPORTED,
           "modules.json: a CrossEncoder of 3 modules is not supported");
    folder_remove(copy);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_model_refuses_the_other_output),
        cmocka_unit_test(the_facts_say_what_it_is),
        cmocka_unit_test(options_of_vectors_are_refused),
        cmocka_unit_test(an_input_that_is_no_pair_fails_alone),
        cmocka_unit_test(too_long_a_pair_is_an_error_where_asked),
        cmocka_unit_test(rerank_sorts_and_keeps_the_order_of_equals),
        cmocka_unit_test(rerank_refuses_what_is_no_text),
        cmocka_unit_test(rerank_reports_each_failing_allocation),
        cmocka_unit_test(scores_allocate_nothing_once_warm),
        cmocka_unit_test(a_job_gives_the_same_bytes),
        cmocka_unit_test(bad_classifiers_are_named),
        cmocka_unit_test(modules_make_an_embedding_model_of_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
