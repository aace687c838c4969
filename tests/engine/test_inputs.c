/* Inputs that contradict themselves: the same answer from every function that takes SutraInput. */
#include "support/tiny_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64 };

static TinyEngine tiny;
static const int32_t ids[] = {2, 40, 41, 3};

static int set_up(void **state)
{
    (void)state;
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 1};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, 128, NULL, 8}, &options, &tiny);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_engine_close(&tiny);
    return 0;
}

static void check(const char *function, SutraStatus status, const SutraError *err,
                  const char *expected)
{
    if (status != SUTRA_E_ARGUMENT || !strstr(err->message, expected))
        fail_msg("%s: %s: \"%s\", not \"%s\"", function, sutra_status_name(status), err->message,
                 expected);
    assert_int_equal(err->status, status);
}

static void embed_refuses(const SutraInput *input, const char *expected)
{
    SutraError err = {0};
    float vector[HIDDEN];
    SutraResult *result = NULL;
    SutraJob *job = NULL;
    const SutraEmbedOptions tokens = {.struct_size = sizeof tokens, .output = SUTRA_OUT_TOKENS};
    check("sutra_embed", sutra_embed(tiny.engine, tiny.model, input, 1, NULL, &result, &err), &err,
          expected);
    sutra_result_free(result);
    check("sutra_embed, tokens",
          sutra_embed(tiny.engine, tiny.model, input, 1, &tokens, &result, &err), &err, expected);
    sutra_result_free(result);
    check("sutra_embed_into",
          sutra_embed_into(tiny.engine, tiny.model, input, 1, NULL, vector, sizeof vector, NULL,
                           &err),
          &err, expected);
    assert_int_equal(sutra_submit(tiny.engine, tiny.model, input, 1, NULL, NULL, NULL, &job, &err),
                     SUTRA_OK);
    check("sutra_job_wait", sutra_job_wait(job, UINT64_MAX, &result, &err), &err, expected);
    sutra_job_free(job);
    sutra_result_free(result);
}

static void tokenize_refuses(const SutraInput *input, const char *expected)
{
    SutraError err = {0};
    SutraTokens *tokens = NULL;
    check("sutra_tokenize", sutra_tokenize(tiny.model, input, 1, 0, &tokens, &err), &err, expected);
    assert_null(tokens);
}

static void a_size_needs_its_pointer(void **state)
{
    (void)state;
    const SutraInput no_text = {.text_size = 1 << 20};
    const SutraInput no_pair = {.text = "a", .text_size = 1, .pair_size = 1 << 20};
    const SutraInput no_ids = {.num_token_ids = 4};
    embed_refuses(&no_text, "text is NULL");
    embed_refuses(&no_pair, "pair is NULL");
    embed_refuses(&no_ids, "token_ids is NULL");
    tokenize_refuses(&no_text, "text is NULL");
    tokenize_refuses(&no_pair, "pair is NULL");
    tokenize_refuses(&no_ids, "token_ids is NULL");
}

static void nothing_at_all_is_the_empty_text(void **state)
{
    (void)state;
    const SutraInput inputs[] = {{0}, {.text = ""}};
    float vectors[2][HIDDEN];
    SutraTokens *tokens = NULL;
    SutraTokensView view = {.struct_size = sizeof view};
    assert_int_equal(sutra_embed_into(tiny.engine, tiny.model, inputs, 2, NULL, vectors,
                                      sizeof vectors, NULL, NULL),
                     SUTRA_OK);
    assert_memory_equal(vectors[0], vectors[1], sizeof vectors[0]);
    assert_int_equal(sutra_tokenize(tiny.model, inputs, 2, 0, &tokens, NULL), SUTRA_OK);
    assert_int_equal(sutra_tokens_view(tokens, &view, NULL), SUTRA_OK);
    assert_int_equal(view.cu_seqlens[1], view.cu_seqlens[2] - view.cu_seqlens[1]);
    sutra_tokens_free(tokens);
}

/* Special tokens are told from the others, and decoding takes the ids back. */
static void tokens_and_texts_go_both_ways(void **state)
{
    (void)state;
    const SutraInput input = {.text = "a b", .text_size = 3};
    SutraTokens *tokens = NULL;
    SutraTokensView view = {.struct_size = sizeof view};
    char *text = NULL;
    const char *prompt = NULL;
    size_t size = 0;
    SutraError err = {0};
    assert_int_equal(sutra_tokenize(tiny.model, &input, 1, 0, &tokens, NULL), SUTRA_OK);
    assert_int_equal(sutra_tokens_view(tokens, &view, NULL), SUTRA_OK);
    for (size_t t = 0; t < view.cu_seqlens[1]; t++) {
        assert_int_equal(view.special[t], t == 0 || t + 1 == view.cu_seqlens[1]);
        assert_non_null(sutra_model_token(tiny.model, view.token_ids[t], &size));
    }
    assert_int_equal(
        sutra_decode(tiny.model, view.token_ids, view.cu_seqlens[1], 0, &text, &size, &err),
        SUTRA_OK);
    assert_int_equal(size, strlen(text));
    sutra_text_free(text);
    sutra_tokens_free(tokens);
    assert_int_equal(sutra_decode(tiny.model, NULL, 1, 0, &text, &size, &err), SUTRA_E_ARGUMENT);
    assert_null(sutra_model_token(tiny.model, -1, &size));
    assert_int_equal(sutra_model_prompt(tiny.model, "none", &prompt, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_model_prompt(tiny.model, "", &prompt, &err), SUTRA_OK);
    assert_string_equal(prompt, "");
}

static void reserved_words_are_zero(void **state)
{
    (void)state;
    const SutraInput input = {.text = "a", .text_size = 1, .reserved = {0, 1}};
    float vector[HIDDEN];
    SutraTokens *tokens = NULL;
    SutraJob *job = NULL;
    assert_int_equal(sutra_embed_into(tiny.engine, tiny.model, &input, 1, NULL, vector,
                                      sizeof vector, NULL, NULL),
                     SUTRA_E_ABI);
    assert_int_equal(sutra_submit(tiny.engine, tiny.model, &input, 1, NULL, NULL, NULL, &job, NULL),
                     SUTRA_E_ABI);
    assert_int_equal(sutra_tokenize(tiny.model, &input, 1, 0, &tokens, NULL), SUTRA_E_ABI);
}

static void token_ids_are_taken_as_they_are(void **state)
{
    (void)state;
    const SutraInput with_text = {
        .text = "a", .text_size = 1, .token_ids = ids, .num_token_ids = 4};
    const SutraInput empty = {.token_ids = ids};
    const SutraInput with_pair = {
        .token_ids = ids, .num_token_ids = 4, .pair = "b", .pair_size = 1};
    const SutraInput with_prompt = {.token_ids = ids, .num_token_ids = 4, .prompt_name = "query"};
    const SutraInput alone = {.token_ids = ids, .num_token_ids = 4, .prompt_name = ""};
    float vector[HIDDEN];
    embed_refuses(&with_text, "text and token_ids are both given");
    embed_refuses(&empty, "token_ids is empty");
    embed_refuses(&with_pair, "pair is for text");
    embed_refuses(&with_prompt, "prompt_name \"query\" is for text");
    tokenize_refuses(&alone, "token_ids cannot be tokenised");
    assert_int_equal(sutra_embed_into(tiny.engine, tiny.model, &alone, 1, NULL, vector,
                                      sizeof vector, NULL, NULL),
                     SUTRA_OK);
}

static void check_item(SutraStatus status, const SutraError *err, uint32_t item, const char *reason)
{
    assert_int_not_equal(status, SUTRA_OK);
    assert_int_equal(err->status, status);
    assert_int_equal(err->has_item, 1);
    assert_int_equal(err->item, item);
    assert_string_equal(err->message + err->reason, reason);
}

static void the_failing_item_is_in_the_error(void **state)
{
    (void)state;
    SutraError err;
    const SutraInput inputs[] = {{.text = "a", .text_size = 1},
                                 {.text = "b", .text_size = 1},
                                 {.text_size = 3},
                                 {.text_size = 4}};
    const SutraInput newer[] = {{0}, {.reserved = {1, 0}}};
    float vectors[4][HIDDEN];
    SutraTokens *tokens = NULL;
    SutraJob *job = NULL;
    SutraStatus status = sutra_embed_into(tiny.engine, tiny.model, inputs, 4, NULL, vectors,
                                          sizeof vectors, NULL, &err);
    check_item(status, &err, 2, "text is NULL, its size is 3");
    assert_int_equal(strncmp(err.message, "item 2: ", 8), 0);
    status = sutra_embed_into(tiny.engine, tiny.model, inputs + 3, 1, NULL, vectors, sizeof vectors,
                              NULL, &err);
    check_item(status, &err, 0, "text is NULL, its size is 4");
    assert_int_equal(err.reason, 0);
    assert_int_equal(sutra_submit(tiny.engine, tiny.model, inputs, 4, NULL, NULL, NULL, &job, &err),
                     SUTRA_OK);
    check_item(sutra_job_wait(job, UINT64_MAX, NULL, &err), &err, 2, "text is NULL, its size is 3");
    sutra_job_free(job);
    check_item(sutra_tokenize(tiny.model, inputs, 4, 0, &tokens, &err), &err, 2,
               "text is NULL, its size is 3");
    check_item(sutra_tokenize(tiny.model, newer, 2, 0, &tokens, &err), &err, 1,
               "reserved words are not zero");
    status = sutra_embed_into(tiny.engine, tiny.model, newer, 2, NULL, vectors, sizeof vectors,
                              NULL, &err);
    check_item(status, &err, 1, "reserved words are not zero");
    status = sutra_embed_into(tiny.engine, tiny.model, inputs, 4, NULL, vectors, 1, NULL, &err);
    assert_int_equal(status, SUTRA_E_ARGUMENT);
    assert_int_equal(err.has_item, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_needs_its_pointer),
        cmocka_unit_test(nothing_at_all_is_the_empty_text),
        cmocka_unit_test(tokens_and_texts_go_both_ways),
        cmocka_unit_test(reserved_words_are_zero),
        cmocka_unit_test(the_failing_item_is_in_the_error),
        cmocka_unit_test(token_ids_are_taken_as_they_are),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
