/* A short text that is run alone: its tokens rounded up, and which graph it takes. */
#include "cuda_single.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Text {
    SutraBatch batch;
    int32_t ids[SU_CUDA_SINGLE_TOKENS + 1], types[SU_CUDA_SINGLE_TOKENS + 1];
    uint32_t cu_seqlens[2];
} Text;

static void make_text(Text *text, uint32_t tokens)
{
    for (uint32_t t = 0; t < tokens; t++) {
        text->ids[t] = (int32_t)t + 2;
        text->types[t] = (int32_t)t % 2 + 1;
    }
    text->cu_seqlens[0] = 0;
    text->cu_seqlens[1] = tokens;
    text->batch = (SutraBatch){.num_seqs = 1,
                               .num_tokens = tokens,
                               .max_seqlen = tokens,
                               .token_ids = text->ids,
                               .cu_seqlens = text->cu_seqlens,
                               .dim = 7};
}

static void test_tokens_are_rounded_up(void **state)
{
    (void)state;
    static Text text;
    static SuCudaPadding padding;
    SutraSpec spec = {.position = SUTRA_POSITION_LEARNED, .position_offset = 2};
    for (uint32_t tokens = 1; tokens <= SU_CUDA_SINGLE_TOKENS; tokens += tokens < 40 ? 1 : 59) {
        SutraBatch padded = {0};
        make_text(&text, tokens);
        if (tokens % 2) text.batch.type_ids = text.types;
        memset(&padding, 0x7f, sizeof padding); /* what a longer text left */
        uint32_t rows = (tokens + 15) / 16 * 16;
        assert_true(su_cuda_single_takes(&text.batch, rows, &padding, &padded));
        assert_false(su_cuda_single_takes(&text.batch, rows - 1, &padding, &padded));
        assert_int_equal(padded.num_tokens, rows);
        assert_int_equal(padded.max_seqlen, tokens);
        SuCudaInput input = su_cuda_input_layout(&padded, 64);
        uint32_t *words = malloc(input.words * sizeof *words);
        memset(words, 0x7f, input.words * sizeof *words);
        su_cuda_input_fill(&spec, &padded, 64, &input, words);
        for (uint32_t t = 0; t < rows; t++) {
            bool own = t < tokens;
            assert_int_equal(words[t], own ? t + 2 : 0);
            assert_int_equal(words[input.positions + t], own ? t + 2 : 0);
            assert_int_equal(words[input.type_ids + t], own && tokens % 2 ? t % 2 + 1 : 0);
        }
        assert_int_equal(words[input.cu_seqlens + 1], tokens);
        assert_int_equal(input.num_tiles, (tokens + 63) / 64);
        assert_int_equal(input.num_long, tokens > 32 ? input.num_tiles : 0);
        free(words);
    }
}

static void test_other_batches_are_left(void **state)
{
    (void)state;
    static Text text;
    static SuCudaPadding padding;
    SutraBatch padded;
    make_text(&text, 5);
    text.batch.output = SUTRA_OUT_SCORES;
    assert_true(su_cuda_single_takes(&text.batch, 4096, &padding, &padded));
    text.batch.output = SUTRA_OUT_TOKENS;
    assert_false(su_cuda_single_takes(&text.batch, 4096, &padding, &padded));
    text.batch.output = SUTRA_OUT_POOLED;
    text.batch.num_seqs = 2;
    assert_false(su_cuda_single_takes(&text.batch, 4096, &padding, &padded));
    make_text(&text, SU_CUDA_SINGLE_TOKENS + 1);
    assert_false(su_cuda_single_takes(&text.batch, 4096, &padding, &padded));
    text.batch.num_tokens = UINT32_MAX;
    assert_false(su_cuda_single_takes(&text.batch, UINT32_MAX, &padding, &padded));
}

static SuCudaGraphEntry *entry_of(SuCudaGraphTable *table, uint32_t tokens, void **displaced)
{
    SuCudaGraphKey key = {.tokens = tokens, .num_tiles = 1};
    return su_cuda_graph_entry(table, &key, displaced);
}

static void test_the_graph_that_was_not_used_longest_gives_way(void **state)
{
    (void)state;
    static SuCudaGraphTable table;
    static int graphs[SU_CUDA_GRAPHS + 1];
    void *displaced;
    for (uint32_t i = 0; i < SU_CUDA_GRAPHS; i++) {
        SuCudaGraphEntry *entry = entry_of(&table, i, &displaced);
        assert_null(displaced);
        assert_false(entry->again);
        entry->graph = &graphs[i];
    }
    assert_ptr_equal(entry_of(&table, 0, &displaced)->graph, &graphs[0]);
    assert_true(entry_of(&table, 0, &displaced)->again);
    SuCudaGraphEntry *entry = entry_of(&table, 1000, &displaced);
    assert_ptr_equal(displaced, &graphs[1]);
    assert_null(entry->graph);
    assert_false(entry->again);
    assert_ptr_equal(entry_of(&table, 0, &displaced)->graph, &graphs[0]);
    assert_null(entry_of(&table, 1, &displaced)->graph); /* in the place of 2 */
    assert_ptr_equal(displaced, &graphs[2]);
}

static void test_all_of_a_key_counts(void **state)
{
    (void)state;
    static SuCudaGraphTable table;
    void *displaced;
    int output;
    SuCudaGraphKey keys[11] = {{.tokens = 16}};
    for (int i = 1; i < 11; i++) keys[i] = keys[0];
    keys[1].tokens = 32, keys[2].num_tiles = 1, keys[3].dtype = 1, keys[4].dim = 1;
    keys[5].normalize = 1, keys[6].pooling = 1, keys[7].raw_scores = 1, keys[8].ranges = 1;
    keys[9].output = &output, keys[10].num_long = 1;
    for (int i = 0; i < 11; i++) {
        assert_false(su_cuda_graph_entry(&table, &keys[i], &displaced)->again);
        for (int j = 0; j <= i; j++)
            assert_true(su_cuda_graph_entry(&table, &keys[j], &displaced)->again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_are_rounded_up),
        cmocka_unit_test(test_other_batches_are_left),
        cmocka_unit_test(test_the_graph_that_was_not_used_longest_gives_way),
        cmocka_unit_test(test_all_of_a_key_counts),
    };
    return cmocka_run_group_tests_name("cuda_single", tests, NULL, NULL);
}
