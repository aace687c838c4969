/* What the reference library made of a few dozen texts (golden/tokenizer.json, by
 * make_tokenizer_goldens.py), on the path that encode takes by itself and on the slow one. */
#include "base/json_file.h"
#include "base/memory.h"
#include "tokenizer/tokenizer_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static json_t *goldens;
static SuTokenizerScratch *scratch;

static int open_goldens(void **state)
{
    (void)state;
    SutraError err;
    if (su_json_load(SU_SOURCE_DIR "/tests/tokenizer/golden/tokenizer.json", &goldens, &err)) {
        print_error("%s\n", err.message);
        return -1;
    }
    return su_tokenizer_scratch_create(&scratch, &err);
}

static int close_goldens(void **state)
{
    (void)state;
    json_decref(goldens);
    su_tokenizer_scratch_free(scratch);
    return 0;
}

static SuTokenizer *build(const json_t *group)
{
    SutraError err = {0};
    SuTokenizer *tokenizer = NULL;
    const json_t *vocab = json_object_get(group, "vocab"),
                 *config = json_object_get(group, "config");
    char *json = json_dumps(json_object_get(group, "json"), JSON_ENCODE_ANY);
    char *options = config ? json_dumps(config, 0) : NULL;
    SutraStatus status =
        vocab
            ? su_tokenizer_from_vocab(json_string_value(vocab), json_string_length(vocab), options,
                                      options ? strlen(options) : 0, "vocab.txt", &tokenizer, &err)
            : su_tokenizer_from_json(json, strlen(json), "tokenizer.json", &tokenizer, &err);
    free(json);
    free(options);
    if (status != SUTRA_OK) fail_msg("%s", err.message);
    return tokenizer;
}

static void expect_words(const char *name, const json_t *one, const char *key, const void *words,
                         size_t count)
{
    const json_t *expected = json_object_get(one, key);
    bool equal = json_array_size(expected) == count;
    for (size_t i = 0; equal && i < count; i++)
        equal = ((const int32_t *)words)[i] == json_integer_value(json_array_get(expected, i));
    if (equal) return;
    char *text = json_dumps(one, 0);
    print_error("%s, %s differ: %s\nours:", name, key, text);
    for (size_t i = 0; i < count; i++) print_error(" %d", (int)((const int32_t *)words)[i]);
    print_error("\n");
    free(text);
    fail();
}

static void check_case(const char *name, const SuTokenizer *tokenizer, const json_t *one,
                       bool offsets)
{
    SutraError err = {0};
    SuEncoding encoding;
    const json_t *text = json_object_get(one, "text"), *pair = json_object_get(one, "pair");
    SuEncodeRequest request = {
        .text = json_string_value(text),
        .text_size = json_string_length(text),
        .pair = pair ? json_string_value(pair) : NULL,
        .pair_size = json_string_length(pair),
        .max_tokens = (uint32_t)json_integer_value(json_object_get(one, "max_tokens")),
        .truncate_left = json_is_true(json_object_get(one, "left")),
        .no_special_tokens = json_is_true(json_object_get(one, "no_special")),
        .want_offsets = offsets,
    };
    if (su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err) != SUTRA_OK)
        fail_msg("%s: %s", name, err.message);
    expect_words(name, one, "ids", encoding.token_ids, encoding.num_tokens);
    expect_words(name, one, "types", encoding.type_ids, encoding.num_tokens);
    assert_int_equal(encoding.tokens_seen, json_integer_value(json_object_get(one, "seen")));
    if (!offsets) {
        assert_null(encoding.begin);
        return;
    }
    expect_words(name, one, "begin", encoding.begin, encoding.num_tokens);
    expect_words(name, one, "end", encoding.end, encoding.num_tokens);
}

static void equals_the_reference(void **state)
{
    (void)state;
    size_t i, j;
    json_t *group, *one;
    json_array_foreach(goldens, i, group)
    {
        const char *name = json_string_value(json_object_get(group, "name"));
        SuTokenizer *tokenizer = build(group);
        bool fast = tokenizer->fast;
        json_array_foreach(json_object_get(group, "cases"), j, one)
        {
            tokenizer->fast = fast;
            check_case(name, tokenizer, one, true);
            check_case(name, tokenizer, one, false);
            tokenizer->fast = false;
            check_case(name, tokenizer, one, true);
        }
        su_tokenizer_free(tokenizer);
    }
    assert_true(i >= 10);
}

/* The prompt and the text are one string. */
static void a_prefix_is_part_of_the_text(void **state)
{
    (void)state;
    SuTokenizer *tokenizer = build(json_array_get(goldens, 0));
    SuTokenizerScratch *other;
    assert_int_equal(su_tokenizer_scratch_create(&other, NULL), SUTRA_OK);
    const char *whole = "hello wo\xcc\x81rld [SEP] unaffable";
    for (size_t cut = 0; cut <= strlen(whole); cut++) {
        SuEncoding a, b;
        SuEncodeRequest joined = {.text = whole, .text_size = strlen(whole), .want_offsets = true};
        SuEncodeRequest split = {.prefix = whole,
                                 .prefix_size = cut,
                                 .text = whole + cut,
                                 .text_size = strlen(whole) - cut,
                                 .want_offsets = true};
        assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &joined, &a, NULL), SUTRA_OK);
        assert_int_equal(su_tokenizer_encode(tokenizer, other, &split, &b, NULL), SUTRA_OK);
        assert_int_equal(a.num_tokens, b.num_tokens);
        assert_memory_equal(a.token_ids, b.token_ids, a.num_tokens * sizeof *a.token_ids);
        assert_memory_equal(a.end, b.end, a.num_tokens * sizeof *a.end);
    }
    su_tokenizer_scratch_free(other);
    su_tokenizer_free(tokenizer);
}

/* After reserve no text of that size allocates, whatever is in it. */
static void reserved_scratch_allocates_nothing(void **state)
{
    (void)state;
    enum { SIZE = 3000 };
    static const char *const units[] = {
        "a ",    ".", "hello unaffable ", "\xce\x90", "\xcd\x84",    "\xe6\x9d\xb1", "\xed\x95\x9c",
        "[SEP]", "x", "\xef\xbf\xbd",     "\xc4\xb0", "\xe2\x80\x99"};
    size_t groups[] = {0, 2, 5}; /* default; accents kept; added tokens, some normalised */
    for (size_t g = 0; g < 3; g++) {
        SuTokenizer *tokenizer = build(json_array_get(goldens, groups[g]));
        SuTokenizerScratch *fresh;
        assert_int_equal(su_tokenizer_scratch_create(&fresh, NULL), SUTRA_OK);
        assert_int_equal(su_tokenizer_scratch_reserve(fresh, SIZE, NULL), SUTRA_OK);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            char text[SIZE + 1] = "";
            size_t unit = strlen(units[u]), size = 0;
            for (; size + unit <= SIZE; size += unit) memcpy(text + size, units[u], unit);
            SutraError err = {0};
            SuEncoding encoding;
            SuEncodeRequest request = {.prefix = text,
                                       .prefix_size = size / unit / 2 * unit,
                                       .text = text,
                                       .text_size = size - size / unit / 2 * unit,
                                       .pair = text,
                                       .pair_size = size,
                                       .want_offsets = true};
            su_memory_fail_after(0, true);
            SutraStatus status = su_tokenizer_encode(tokenizer, fresh, &request, &encoding, &err);
            su_memory_fail_after(-1, false);
            if (status != SUTRA_OK) fail_msg("group %zu, unit %zu: %s", g, u, err.message);
        }
        su_tokenizer_scratch_free(fresh);
        su_tokenizer_free(tokenizer);
    }
}

/* With max_tokens a long text is counted, but not stored. */
static void long_texts_are_counted_in_little_memory(void **state)
{
    (void)state;
    enum { COUNT = 300000 };
    SuTokenizer *tokenizer = build(json_array_get(goldens, 0));
    char *text = su_alloc(COUNT, 6);
    assert_non_null(text);
    for (size_t i = 0; i < COUNT; i++) memcpy(text + 6 * i, "hello ", 6);
    for (int left = 0; left < 2; left++) {
        SuEncoding encoding;
        SuTokenizerScratch *fresh;
        SuEncodeRequest request = {
            .text = text, .text_size = 6 * COUNT, .max_tokens = 128, .truncate_left = left};
        assert_int_equal(su_tokenizer_scratch_create(&fresh, NULL), SUTRA_OK);
        assert_int_equal(su_tokenizer_encode(tokenizer, fresh, &request, &encoding, NULL),
                         SUTRA_OK);
        assert_int_equal(encoding.num_tokens, 128);
        assert_int_equal(encoding.tokens_seen, COUNT + 2);
        assert_true(fresh->rows[0].capacity <= 1024);
        su_tokenizer_scratch_free(fresh);
    }
    su_free(text);
    su_tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),
        cmocka_unit_test(a_prefix_is_part_of_the_text),
        cmocka_unit_test(reserved_scratch_allocates_nothing),
        cmocka_unit_test(long_texts_are_counted_in_little_memory),
    };
    return cmocka_run_group_tests(tests, open_goldens, close_goldens);
}
