/* The vector cache by itself against what was put into it, and through sutra.h. */
#include "pipeline/vector_cache.h"
#include "support/tiny_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64, CACHE_BYTES = 64 * 1024 };

/* ---- by itself ---- */

typedef struct Known {
    char text[96];
    unsigned char row[128];
    size_t row_bytes;
} Known;

static SuCacheKey key_of(const Known *known)
{
    SuCacheKey key = {.parts = {{"head", 4}, {known->text, strlen(known->text)}}};
    su_vector_cache_hash(&key);
    return key;
}

/* Of 2,000 entries some 350 fit: what is found is right, the last ones are, the first are not. */
static void rows_are_those_that_were_put(void **state)
{
    (void)state;
    enum { MANY = 2000, LAST = 100 };
    SuVectorCache *cache = NULL;
    Known *all = calloc(MANY, sizeof *all);
    unsigned char row[128];
    SuCacheFacts facts;
    assert_int_equal(su_vector_cache_create(CACHE_BYTES, &cache, NULL), SUTRA_OK);
    size_t found_last = 0, found_first = 0;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(
            all[i].text, sizeof all[i].text, "%zu %.*s", i, (int)(i * 7 % 80),
            "................................................................................");
        all[i].row_bytes = 1 + i * 5 % 128;
        memset(all[i].row, (int)(i & 255), all[i].row_bytes);
        SuCacheKey key = key_of(&all[i]);
        assert_false(su_vector_cache_find(cache, &key, row, all[i].row_bytes, &facts));
        su_vector_cache_put(cache, &key, all[i].row, all[i].row_bytes,
                            (SuCacheFacts){(uint32_t)i, (uint32_t)i + 1, (uint32_t)i + 2});
        for (size_t back = 0; back < 8 && back <= i; back++) {
            const Known *known = &all[i - back * back];
            if (back * back > i) break;
            key = key_of(known);
            if (!su_vector_cache_find(cache, &key, row, known->row_bytes, &facts)) continue;
            assert_memory_equal(row, known->row, known->row_bytes);
            assert_int_equal(facts.tokens_seen, i - back * back);
            assert_int_equal(facts.tokens_used, i - back * back + 1);
            assert_int_equal(facts.windows, i - back * back + 2);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        SuCacheKey key = key_of(&all[i]);
        bool found = su_vector_cache_find(cache, &key, row, all[i].row_bytes, &facts);
        if (found) assert_memory_equal(row, all[i].row, all[i].row_bytes);
        if (i >= MANY - LAST) found_last += found;
        if (i < MANY / 2) found_first += found;
    }
    assert_true(found_last > LAST * 9 / 10);
    assert_int_equal(found_first, 0);
    su_vector_cache_free(cache);
    free(all);
}

/* Two texts of one hash: here by force. */
static void an_equal_hash_is_not_enough(void **state)
{
    (void)state;
    SuVectorCache *cache = NULL;
    unsigned char row[4];
    SuCacheFacts facts;
    assert_int_equal(su_vector_cache_create(CACHE_BYTES, &cache, NULL), SUTRA_OK);
    SuCacheKey one = {.parts = {{"one", 3}}, .hash = 77}, two = {.parts = {{"two", 3}}, .hash = 77};
    su_vector_cache_put(cache, &one, "1111", 4, (SuCacheFacts){0});
    assert_false(su_vector_cache_find(cache, &two, row, 4, &facts));
    su_vector_cache_put(cache, &two, "2222", 4, (SuCacheFacts){0});
    assert_true(su_vector_cache_find(cache, &one, row, 4, &facts));
    assert_memory_equal(row, "1111", 4);
    assert_true(su_vector_cache_find(cache, &two, row, 4, &facts));
    assert_memory_equal(row, "2222", 4);
    assert_false(su_vector_cache_find(cache, &two, row, 3, &facts)); /* other rows than these */
    assert_int_equal(su_vector_cache_counts(cache).hits, 2);
    assert_int_equal(su_vector_cache_counts(cache).misses, 2);
    su_vector_cache_free(cache);
}

static void what_is_too_large_is_left_out(void **state)
{
    (void)state;
    SuVectorCache *cache = NULL;
    SutraError err = {0};
    SuCacheFacts facts;
    unsigned char *row = calloc(1, CACHE_BYTES);
    assert_int_equal(su_vector_cache_create(CACHE_BYTES - 1, &cache, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(su_vector_cache_create(CACHE_BYTES, &cache, NULL), SUTRA_OK);
    SuCacheKey key = {.parts = {{"a", 1}}};
    su_vector_cache_hash(&key);
    su_vector_cache_put(cache, &key, row, CACHE_BYTES, (SuCacheFacts){0});
    assert_false(su_vector_cache_find(cache, &key, row, CACHE_BYTES, &facts));
    su_vector_cache_free(cache);
    free(row);
}

/* ---- through the engine ---- */

static int set_up(void **state)
{
    static TinyEngine tiny;
    const SutraEngineOptions options = {
        .struct_size = sizeof options, .num_threads = 2, .cache_bytes = 1 << 20};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 2, 128, 256, NULL, 9}, &options, &tiny);
    *state = &tiny;
    return 0;
}

static int tear_down(void **state)
{
    tiny_engine_close(*state);
    return 0;
}

static bool cached(const SutraResultView *view, size_t i)
{
    return view->items[i].flags & SUTRA_ITEM_CACHED;
}

static void the_second_time_has_the_same_bytes(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraInput inputs[] = {text_input("a b c"), text_input("a b c d e f g h"), text_input("z")};
    SutraEmbedOptions options = {.struct_size = sizeof options, .max_tokens = 6};
    SutraResult *first = NULL, *second = NULL;
    SutraResultView one = tiny_embed(f, inputs, 2, &options, SUTRA_OK, &first, &err);
    SutraResultView two = tiny_embed(f, inputs, 3, &options, SUTRA_OK, &second, &err);
    assert_memory_equal(one.data, two.data, 2 * one.row_bytes);
    for (size_t i = 0; i < 2; i++) {
        assert_false(cached(&one, i));
        assert_true(cached(&two, i));
        assert_int_equal(two.items[i].tokens_seen, one.items[i].tokens_seen);
        assert_int_equal(two.items[i].tokens_used, one.items[i].tokens_used);
        assert_int_equal(two.items[i].flags & SUTRA_ITEM_TRUNCATED,
                         one.items[i].flags & SUTRA_ITEM_TRUNCATED);
        assert_int_equal(two.items[i].compute_ns, 0);
    }
    assert_int_equal(two.items[1].flags & SUTRA_ITEM_TRUNCATED, SUTRA_ITEM_TRUNCATED);
    assert_false(cached(&two, 2));
    char stats[512];
    assert_int_equal(sutra_engine_stats(f->engine, stats, sizeof stats, NULL, &err), SUTRA_OK);
    assert_non_null(strstr(stats, "\"cache\": {\"bytes\": 1048576, \"hits\": 2, \"misses\": 3}"));
    sutra_result_free(first);
    sutra_result_free(second);
}

/* Each differs from the first request in one thing; so does a text that begins the same. */
static void what_a_row_depends_on_is_told_apart(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraInput input = text_input("a b c"), longer = text_input("a b c d");
    int32_t ids[] = {5, 6};
    SutraInput tokens = {.token_ids = ids, .num_token_ids = 2};
    SutraInput no_prompt = input;
    no_prompt.prompt_name = "";
    const SutraEmbedOptions plain = {.struct_size = sizeof plain};
    SutraEmbedOptions dim = plain, dtype = plain, pooling = plain, limit = plain, left = plain,
                      raw = plain;
    dim.dim = 32;
    dtype.dtype = SUTRA_F16;
    pooling.pooling = SUTRA_POOL_CLS;
    limit.max_tokens = 4;
    left.truncation = SUTRA_TRUNCATE_LEFT;
    raw.normalize = SUTRA_NORMALIZE_YES;
    const struct {
        const SutraInput *input;
        const SutraEmbedOptions *options;
    } cases[] = {{&input, &plain}, {&longer, &plain}, {&tokens, &plain},  {&no_prompt, &plain},
                 {&input, &dim},   {&input, &dtype},  {&input, &pooling}, {&input, &limit},
                 {&input, &left},  {&input, &raw}};
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            SutraResult *result = NULL;
            SutraResultView view =
                tiny_embed(f, cases[i].input, 1, cases[i].options, SUTRA_OK, &result, &err);
            assert_int_equal(cached(&view, 0), turn);
            sutra_result_free(result);
        }
}

/* Another model may lie where an earlier one lay. */
static void a_model_s_rows_go_with_it(void **state)
{
    TinyEngine *f = *state;
    SutraInput input = text_input("q r s");
    for (int i = 0; i < 4; i++) {
        SutraModel *model = NULL;
        SutraItem item;
        float row[HIDDEN];
        assert_int_equal(sutra_model_open(f->path, NULL, &model, NULL), SUTRA_OK);
        for (int turn = 0; turn < 2; turn++) {
            assert_int_equal(
                sutra_embed_into(f->engine, model, &input, 1, NULL, row, sizeof row, &item, NULL),
                SUTRA_OK);
            assert_int_equal(item.flags, turn ? SUTRA_ITEM_CACHED : 0);
        }
        sutra_model_free(model);
    }
}

static void failures_are_not_kept(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraInput input = text_input("\xff");
    for (int turn = 0; turn < 2; turn++) {
        SutraResult *result = NULL;
        SutraResultView view = tiny_embed(f, &input, 1, NULL, SUTRA_E_ARGUMENT, &result, &err);
        assert_int_equal(view.items[0].flags, 0);
        sutra_result_free(result);
    }
}

static void a_cleared_cache_knows_nothing(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraInput input = text_input("to be forgotten");
    for (int round = 0; round < 3; round++) {
        SutraResult *result = NULL;
        SutraResultView view = tiny_embed(f, &input, 1, NULL, SUTRA_OK, &result, &err);
        assert_int_equal(cached(&view, 0), round == 1);
        sutra_result_free(result);
        if (round == 1) assert_int_equal(sutra_engine_clear_cache(f->engine, &err), SUTRA_OK);
    }
    assert_int_equal(sutra_engine_clear_cache(NULL, &err), SUTRA_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_that_were_put),
        cmocka_unit_test(an_equal_hash_is_not_enough),
        cmocka_unit_test(what_is_too_large_is_left_out),
        cmocka_unit_test_setup_teardown(a_cleared_cache_knows_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_second_time_has_the_same_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_row_depends_on_is_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_s_rows_go_with_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_are_not_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
