/* Token ids to texts: each decoder, what decoding refuses, and memory that runs out. The reference's
 * texts are those of differential_decoders.py. */
#include "base/memory.h"
#include "tokenizer/tokenizer_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char vocab[] =
    "{\"[UNK]\": 0, \"[CLS]\": 1, \"do\": 2, \"##ing\": 3, \".\": 4, \"\\u0120caf\\u00c3\\u00a9\": "
    "5, "
    "\"\\u00a5\": 6, \"\\u2581the\": 7, \"<0xE6>\": 8, \"<0x97>\": 9, \"<0xA5>\": 10, \"n't\": 11}";

static SuTokenizer *open(const char *decoder, SutraError *err)
{
    static char json[2000];
    SuTokenizer *tokenizer;
    snprintf(json, sizeof json,
             "{\"added_tokens\": [{\"id\": 1, \"content\": \"[CLS]\", \"single_word\": false, "
             "\"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}], "
             "\"model\": {\"type\": \"WordLevel\", \"vocab\": %s, \"unk_token\": \"[UNK]\"}, "
             "\"decoder\": %s}",
             vocab, decoder);
    su_tokenizer_from_json(json, strlen(json), "t.json", &tokenizer, err);
    return tokenizer;
}

static const struct {
    const char *decoder;
    int32_t ids[8];
    size_t n;
    bool skip;
    const char *text;
} cases[] = {
    {"null", {1, 2, 99, 4}, 4, true, "do ."},
    {"null", {1, 2, 99, 4}, 4, false, "[CLS] do ."},
    {"null", {0}, 0, true, ""},
    {"{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}",
     {2, 3, 4, 11},
     4,
     true,
     "doing.n't"},
    {"{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": false}",
     {3, 3, 4},
     3,
     true,
     "##inging ."},
    {"{\"type\": \"ByteLevel\"}", {2, 5, 6}, 3, true, "do caf\xc3\xa9\xef\xbf\xbd"},
    {"{\"type\": \"Metaspace\", \"replacement\": \"\\u2581\"}", {7, 7}, 2, true, "the the"},
    {"{\"type\": \"ByteFallback\"}",
     {8, 9, 10, 2},
     4,
     true,
     "\xe6\x97\xa5"
     "do"},
    {"{\"type\": \"ByteFallback\"}",
     {8, 9, 2},
     3,
     true,
     "\xef\xbf\xbd\xef\xbf\xbd"
     "do"},
    {"{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": "
     "\"\\u2581\"}, \"content\": \" \"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": "
     "\" \", \"start\": 1, \"stop\": 0}]}",
     {7, 7},
     2,
     true,
     "the the"},
    {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"[d.]\"}, \"content\": \"x\"}",
     {2, 4},
     2,
     true,
     "xox"},
};

static void check(const SuTokenizer *tokenizer, size_t i)
{
    char *text;
    size_t size;
    SutraError err = {0};
    assert_int_equal(
        su_tokenizer_decode(tokenizer, cases[i].ids, cases[i].n, cases[i].skip, &text, &size, &err),
        SUTRA_OK);
    assert_string_equal(text, cases[i].text);
    assert_int_equal(size, strlen(text));
    su_free(text);
}

static void texts_are_the_references(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *image;
        size_t size;
        SutraError err = {0};
        SuTokenizer *tokenizer = open(cases[i].decoder, &err), *other;
        if (!tokenizer) fail_msg("%s", err.message);
        check(tokenizer, i);
        assert_int_equal(su_tokenizer_image_create(tokenizer, &image, &size, &err), SUTRA_OK);
        assert_int_equal(su_tokenizer_open_image(image, size, "image", &other, &err), SUTRA_OK);
        check(other, i);
        su_tokenizer_free(other);
        su_tokenizer_free(tokenizer);
        su_free_aligned(image);
    }
}

/* Embedding needs no decoder: the tokenizer is opened all the same. */
static void what_is_not_known_is_refused_when_it_is_used(void **state)
{
    static const char *const others[][2] = {
        {"{\"type\": \"CTC\", \"pad_token\": \"x\"}", "decoder \"CTC\" is not supported"},
        {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(?<n>a)\\\\k<n>\"}, \"content\": "
         "\"\"}",
         "is not supported"}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *text;
        size_t size;
        SutraError err = {0};
        SuTokenizer *tokenizer = open(others[i][0], &err);
        if (!tokenizer) fail_msg("%s", err.message);
        assert_int_equal(
            su_tokenizer_decode(tokenizer, (int32_t[]){2}, 1, true, &text, &size, &err),
            SUTRA_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, others[i][1]));
        assert_null(text);
        su_tokenizer_free(tokenizer);
    }
}

static void damaged_decoders_are_refused(void **state)
{
    static const char *const damaged[][2] = {
        {"5", "decoder is not an object with a type"},
        {"{\"type\": \"WordPiece\", \"prefix\": \"##\"}", "decoder.cleanup is not true or false"},
        {"{\"type\": \"Metaspace\", \"replacement\": \"ab\"}", "replacement is not one character"},
        {"{\"type\": \"Strip\", \"content\": \"a\", \"start\": -1}", "start"},
        {"{\"type\": \"Sequence\"}", "decoder.decoders is not an array"}};
    (void)state;
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        SutraError err = {0};
        assert_null(open(damaged[i][0], &err));
        assert_int_equal(err.status, SUTRA_E_FORMAT);
        assert_non_null(strstr(err.message, damaged[i][1]));
    }
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SutraStatus status = SUTRA_E_MEMORY;
        SutraError err = {0};
        for (int64_t n = 0; status == SUTRA_E_MEMORY; n++) {
            char *text = NULL;
            size_t size;
            su_memory_fail_after(n, false);
            SuTokenizer *tokenizer = open(cases[i].decoder, &err);
            status = err.status;
            if (tokenizer)
                status = su_tokenizer_decode(tokenizer, cases[i].ids, cases[i].n, cases[i].skip,
                                             &text, &size, &err);
            su_memory_fail_after(-1, false);
            if (status == SUTRA_OK) assert_string_equal(text, cases[i].text);
            su_free(text);
            su_tokenizer_free(tokenizer);
            err.status = SUTRA_OK;
        }
        assert_int_equal(status, SUTRA_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_the_references),
        cmocka_unit_test(what_is_not_known_is_refused_when_it_is_used),
        cmocka_unit_test(damaged_decoders_are_refused),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
