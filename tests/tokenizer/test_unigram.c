/* The Unigram model beside a search that tries every way to take a word apart; its images, damaged ones too. */
#include "tokenizer/tokenizer_image.h"

#include "base/memory.h"
#include "tokenizer/tokenizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL(unk, options, vocab)                                                     \
    "{\"added_tokens\":[],\"model\":{\"type\":\"Unigram\",\"unk_id\":" unk "," options \
    "\"vocab\":[" vocab "]}}"
#define LETTERS                                                                         \
    "[\"<unk>\",0],[\"a\",-1],[\"b\",-2.5],[\"ab\",-3],[\"ba\",-3.25],[\"aba\",-3.5],[" \
    "\"\xc3\xa9\",-2]"
#define BYTES ",[\"<0x78>\",-9],[\"<0x79>\",-9]"

static SuTokenizer *build(const char *json)
{
    SutraError err;
    SuTokenizer *tokenizer;
    if (su_tokenizer_from_json(json, strlen(json), "t.json", &tokenizer, &err))
        fail_msg("%s", err.message);
    return tokenizer;
}

static SuTokenizerScratch *scratch_of_test(void)
{
    SuTokenizerScratch *scratch;
    assert_int_equal(su_tokenizer_scratch_create(&scratch, NULL), SUTRA_OK);
    return scratch;
}

/* "id:begin-end …" */
static const char *tokens_of(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                             const char *text)
{
    static char result[4096];
    SutraError err;
    SuEncoding encoding;
    SuEncodeRequest request = {.text = text, .text_size = strlen(text), .want_offsets = true};
    if (su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err))
        return strcpy(result, err.message);
    size_t used = 0;
    result[0] = 0;
    for (size_t i = 0; i < encoding.num_tokens && used + 40 < sizeof result; i++)
        used += (size_t)snprintf(result + used, sizeof result - used, "%s%d:%u-%u", i ? " " : "",
                                 (int)encoding.token_ids[i], encoding.begin[i], encoding.end[i]);
    return result;
}

static void check(const char *json, const char *text, const char *wanted)
{
    SuTokenizer *tokenizer = build(json);
    SuTokenizerScratch *scratch = scratch_of_test();
    assert_string_equal(tokens_of(tokenizer, scratch, text), wanted);
    assert_string_equal(tokens_of(tokenizer, scratch, text), wanted); /* from the cache */
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(tokenizer);
}

static void unknown_characters_are_one_token_or_their_bytes(void **state)
{
    (void)state;
    static const char plain[] = MODEL("0", "", LETTERS BYTES),
                      bytes[] = MODEL("0", "\"byte_fallback\":true,", LETTERS BYTES);
    check(plain, "axyb", "1:0-1 0:1-3 2:3-4");
    check(plain, "xx", "0:0-2");
    check(bytes, "axyb", "1:0-1 7:1-3 8:1-3 2:3-4");
    check(bytes, "xz", "0:0-2"); /* no byte of z */
    check(plain, "x<unk>y", "0:0-7");
    check(MODEL("null", "", LETTERS), "ab\xc3\xa9", "3:0-2 6:2-3");
    check(MODEL("null", "", LETTERS), "x",
          "the text holds what the tokenizer does not know, and it has no unknown token");
    /* Scores so high that two unknown characters beat their pair, which is what they then become. */
    check(MODEL("0", "", "[\"<unk>\",50],[\"xy\",60]"), "xy", "1:0-2");
    /* Not with another one before it, on the other side of a seam. */
    check(MODEL("0", "", "[\"<unk>\",50],[\"\xe4\xb8\xad\xe4\xb8\xad\",60]"),
          ",\xe4\xb8\xad\xe4\xb8\xad", "0:0-3");
}

static void of_equal_sums_the_earlier_start_stays(void **state)
{
    (void)state;
    check(MODEL("0", "", "[\"<unk>\",-9],[\"a\",-1],[\"b\",-1],[\"ab\",-2],[\"bb\",-2]"), "ab",
          "3:0-2");
    check(MODEL("0", "", "[\"<unk>\",-9],[\"a\",-1],[\"b\",-1],[\"ab\",-2],[\"bb\",-2]"), "abb",
          "1:0-1 4:1-3");
    /* 0.1 + 0.2 is not 0.3, and which is more decides. */
    check(MODEL("0", "", "[\"<unk>\",-9],[\"a\",0.1],[\"b\",0.2],[\"ab\",0.3]"), "ab",
          "1:0-1 2:1-2");
    check(MODEL("0", "", "[\"<unk>\",-9],[\"a\",0.1],[\"b\",0.2],[\"ab\",0.30000000000000004]"),
          "ab", "3:0-2");
    check(MODEL("0", "", "[\"<unk>\",-9],[\"a\",-1],[\"a\",-5],[\"aa\",-7]"), "aa",
          "3:0-2"); /* the last of equal tokens */
}

/* ---- every way ---- */

typedef struct Piece {
    char text[8];
    double score;
} Piece;

/* The most that pieces [count] that make up the text add up to. */
static double best_sum(const Piece *pieces, size_t count, const char *text)
{
    double best = *text ? -INFINITY : 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(pieces[i].text);
        if (strncmp(text, pieces[i].text, size) != 0) continue;
        double sum = pieces[i].score + best_sum(pieces, count, text + size);
        if (sum > best) best = sum;
    }
    return best;
}

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % limit;
}

static void sums_are_the_best_of_all_ways(void **state)
{
    (void)state;
    for (int model = 0; model < 60; model++) {
        Piece pieces[20] = {{"a", -8}, {"b", -7}};
        size_t count = 2;
        char json[2048], vocab[1024] = "[\"a\",-8],[\"b\",-7]";
        while (count < 20) {
            Piece *piece = &pieces[count];
            size_t size = 2 + random_below(5);
            for (size_t i = 0; i < size; i++) piece->text[i] = random_below(2) ? 'a' : 'b';
            piece->text[size] = 0;
            piece->score = -1 - (double)random_below(160) / 8; /* sums are exact */
            bool twice = false;
            for (size_t i = 0; i < count; i++) twice |= strcmp(pieces[i].text, piece->text) == 0;
            if (twice) continue;
            sprintf(vocab + strlen(vocab), ",[\"%s\",%.3f]", piece->text, piece->score);
            count++;
        }
        snprintf(json, sizeof json,
                 "{\"model\":{\"type\":\"Unigram\",\"unk_id\":null,\"vocab\":[%s]}}", vocab);
        SuTokenizer *tokenizer = build(json);
        SuTokenizerScratch *scratch = scratch_of_test();
        for (int word = 0; word < 40; word++) {
            char text[20] = {0};
            size_t size = 1 + random_below(18), at = 0;
            for (size_t i = 0; i < size; i++) text[i] = random_below(2) ? 'a' : 'b';
            SuEncoding encoding;
            SuEncodeRequest request = {.text = text, .text_size = size, .want_offsets = true};
            assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, NULL),
                             SUTRA_OK);
            double sum = 0;
            for (size_t i = 0; i < encoding.num_tokens; i++) {
                const Piece *piece = &pieces[encoding.token_ids[i]];
                assert_memory_equal(text + at, piece->text, strlen(piece->text));
                assert_int_equal(encoding.begin[i], at);
                at += strlen(piece->text);
                assert_int_equal(encoding.end[i], at);
                sum += piece->score;
            }
            assert_int_equal(at, size);
            assert_true(sum == best_sum(pieces, count, text));
        }
        su_tokenizer_scratch_free(scratch);
        su_tokenizer_free(tokenizer);
    }
}

/* ---- long words ---- */

static void a_long_word_has_the_tokens_of_its_parts(void **state)
{
    (void)state;
    SuTokenizer *tokenizer = build(MODEL("0", "", LETTERS));
    SuTokenizerScratch *scratch = scratch_of_test();
    static const int32_t ids[] = {5, 0, 2}; /* aba, x, b */
    static const size_t begins[] = {0, 3, 4}, size = 100000;
    char *text = malloc(size);
    for (size_t i = 0; i < size; i++) text[i] = "abaxb"[i % 5];
    SuEncoding encoding;
    SuEncodeRequest request = {.text = text, .text_size = size, .want_offsets = true};
    assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, NULL), SUTRA_OK);
    assert_int_equal(encoding.num_tokens, size / 5 * 3);
    for (size_t i = 0; i < encoding.num_tokens; i++) {
        assert_int_equal(encoding.token_ids[i], ids[i % 3]);
        assert_int_equal(encoding.begin[i], i / 3 * 5 + begins[i % 3]);
    }
    memset(text, 'x', size); /* one token over all */
    assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, NULL), SUTRA_OK);
    assert_int_equal(encoding.num_tokens, 1);
    assert_int_equal(encoding.end[0], size);
    free(text);
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(tokenizer);
}

static void models_that_share_a_scratch_have_their_own_tokens(void **state)
{
    (void)state;
    SuTokenizer *one = build(MODEL("0", "", LETTERS)),
                *two = build(MODEL("0", "", "[\"<unk>\",-9],[\"b\",-1],[\"a\",-1]"));
    SuTokenizerScratch *scratch = scratch_of_test();
    for (int i = 0; i < 3; i++) {
        assert_string_equal(tokens_of(one, scratch, "ab"), "3:0-2");
        assert_string_equal(tokens_of(two, scratch, "ab"), "2:0-1 1:1-2");
    }
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(one);
    su_tokenizer_free(two);
}

/* ---- images ---- */

/* A map of "a" to "b", of 256 units. */
#define A64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define A448 A64 A64 A64 A64 A64 A64 A64
#define MAP "AAQAAACAAQBhDQAAAAAAgAAA" A448 A448 A448 "AABiAA=="

static void damaged_images_never_read_outside(void **state)
{
    (void)state;
    static const char json[] =
        "{\"added_tokens\":[],\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
        "\"" MAP
        "\"},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":"
        "\"always\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,\"vocab\":"
        "[" LETTERS BYTES ",[\"_a\",-1]]}}";
    SuTokenizer *built = build(json), *opened;
    SuTokenizerScratch *scratch = scratch_of_test();
    unsigned char *image;
    size_t size, opens = 0;
    char whole[256];
    SutraError err;
    assert_int_equal(su_tokenizer_image_create(built, &image, &size, &err), SUTRA_OK);
    unsigned char *copy = su_alloc_aligned(size);
    strcpy(whole, tokens_of(built, scratch, "abax ya a\xcc\x81"));
    for (size_t at = 0; at < size; at++) {
        memcpy(copy, image, size);
        copy[at] ^= (unsigned char)(1u << random_below(8));
        if (at % 3 == 0) copy[at] = 0xff;
        if (at == 0) memcpy(copy, image, size);
        if (su_tokenizer_open_image(copy, size, "image", &opened, &err) != SUTRA_OK) continue;
        const char *tokens = tokens_of(opened, scratch, "abax ya a\xcc\x81");
        if (at == 0) assert_string_equal(tokens, whole);
        opens++;
        su_tokenizer_free(opened);
    }
    assert_true(opens > size / 2);
    for (size_t cut = 1; cut < size; cut += 17)
        assert_int_not_equal(su_tokenizer_open_image(image, size - cut, "i", &opened, &err),
                             SUTRA_OK);
    su_free_aligned(copy);
    su_free_aligned(image);
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(built);
}

static SutraStatus life(SutraError *err)
{
    static const char json[] =
        "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"" MAP
        "\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[" LETTERS "]}}";
    SuTokenizer *tokenizer = NULL, *opened = NULL;
    SuTokenizerScratch *scratch = NULL;
    SuEncoding encoding;
    unsigned char *image = NULL;
    size_t size;
    SuEncodeRequest request = {
        .text = "abax b abababababababab", .text_size = 23, .want_offsets = true};
    SutraStatus status = su_tokenizer_from_json(json, sizeof json - 1, "t.json", &tokenizer, err);
    if (status == SUTRA_OK) status = su_tokenizer_image_create(tokenizer, &image, &size, err);
    if (status == SUTRA_OK) status = su_tokenizer_open_image(image, size, "image", &opened, err);
    if (status == SUTRA_OK) status = su_tokenizer_scratch_create(&scratch, err);
    if (status == SUTRA_OK) status = su_tokenizer_encode(opened, scratch, &request, &encoding, err);
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(opened);
    su_tokenizer_free(tokenizer);
    su_free_aligned(image);
    return status;
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    SutraError err = {0};
    assert_int_equal(life(&err), SUTRA_OK);
    int64_t n = 0;
    for (SutraStatus status = SUTRA_E_MEMORY; status != SUTRA_OK; n++) {
        assert_true(n < 1000);
        su_memory_fail_after(n, false);
        status = life(&err);
        su_memory_fail_after(-1, false);
        if (status != SUTRA_OK) assert_int_equal(status, SUTRA_E_MEMORY);
        if (status != SUTRA_OK) assert_non_null(strstr(err.message, "out of memory"));
    }
    assert_true(n > 30);
}

/* The text is that of the last, and an unknown character that of unk_id. */
static void a_token_may_be_there_twice(void **state)
{
    (void)state;
    static const char json[] = MODEL("0", "", "[\"<unk>\",0],[\"a\",-1],[\"<unk>\",-5],[\"a\",-2]");
    SuTokenizer *tokenizer = build(json);
    size_t size;
    check(json, "a?", "3:0-1 0:1-2");
    check(json, "a<unk>", "3:0-1 2:1-6");
    for (int32_t id = 0; id < 4; id += 2) {
        assert_non_null(su_tokenizer_token(tokenizer, id, &size));
        assert_int_equal(size, 5);
    }
    su_tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_characters_are_one_token_or_their_bytes),
        cmocka_unit_test(of_equal_sums_the_earlier_start_stays),
        cmocka_unit_test(sums_are_the_best_of_all_ways),
        cmocka_unit_test(a_long_word_has_the_tokens_of_its_parts),
        cmocka_unit_test(models_that_share_a_scratch_have_their_own_tokens),
        cmocka_unit_test(a_token_may_be_there_twice),
        cmocka_unit_test(damaged_images_never_read_outside),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
