/* The fast and the slow path give the same tokens on random texts, for every mix of normaliser
 * options; so do texts at the very end of readable memory. */
#include "tokenizer/tokenizer_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % limit;
}

static SuTokenizer *build(bool clean, bool chinese, bool strip, bool lowercase, const char *limit)
{
    char json[4096], vocab[2048] = "\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2";
    static const char *const tokens[] = {"a",
                                         "##a",
                                         "b",
                                         "##b",
                                         "##c",
                                         "ab",
                                         "abab",
                                         "##abab",
                                         "aabbaabbaabb",
                                         "##bbaabbaabbaa",
                                         ".",
                                         "0",
                                         "##01",
                                         "A",
                                         "##B",
                                         "Ab",
                                         "-",
                                         "\xc3\xa9",
                                         "##\xc3\xa9",
                                         "\xe2\x80\x99",
                                         "##",
                                         "#",
                                         "ba",
                                         "##ba",
                                         "'",
                                         "##00000",
                                         "1234567",
                                         "##abcdefghijk",
                                         "abcdefghijka",
                                         "z",
                                         "##z",
                                         "@",
                                         "9",
                                         "##Z"};
    size_t used = strlen(vocab);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        used +=
            (size_t)snprintf(vocab + used, sizeof vocab - used, ",\"%s\":%zu", tokens[i], i + 3);
    snprintf(
        json, sizeof json,
        "{\"added_tokens\":[],\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":%s,"
        "\"handle_chinese_chars\":%s,\"strip_accents\":%s,\"lowercase\":%s},\"pre_tokenizer\":{"
        "\"type\":\"BertPreTokenizer\"},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
        "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":%s,\"vocab\":{%s}}}",
        clean ? "true" : "false", chinese ? "true" : "false", strip ? "true" : "false",
        lowercase ? "true" : "false", limit, vocab);
    SutraError err;
    SuTokenizer *tokenizer;
    if (su_tokenizer_from_json(json, strlen(json), "t.json", &tokenizer, &err))
        fail_msg("%s", err.message);
    return tokenizer;
}

static size_t random_text(char *text, size_t room)
{
    static const char *const units[] = {"a",
                                        "b",
                                        "a",
                                        "b",
                                        "ab",
                                        "A",
                                        "B",
                                        "c",
                                        "0",
                                        "1",
                                        "00000",
                                        " ",
                                        " ",
                                        " ",
                                        "\t",
                                        "\n",
                                        ".",
                                        "-",
                                        "'",
                                        "#",
                                        "abcdefghijk",
                                        "z",
                                        "Z",
                                        "{",
                                        "`",
                                        "@",
                                        "[",
                                        "/",
                                        ":",
                                        "9",
                                        "\xc3\xa9",
                                        "\xcc\x81",
                                        "\xe2\x80\x99",
                                        "\xc2\xa0",
                                        "\xe4\xb8\xad",
                                        "\xcd\x84",
                                        "\xed\x95\x9c",
                                        "\x01",
                                        "\x7f",
                                        "\x0b",
                                        "\xe2\x80\x8b",
                                        "\xf0\x9f\x98\x80"};
    size_t kinds = random_below(3) == 0 ? sizeof units / sizeof *units : 30, size = 0;
    for (size_t count = random_below(60); count > 0; count--) {
        const char *unit = units[random_below((uint32_t)kinds)];
        if (size + strlen(unit) + 1 > room) break;
        memcpy(text + size, unit, strlen(unit));
        size += strlen(unit);
        if (random_below(40) == 0) text[size++] = '\0';
    }
    return size;
}

static void compare(SuTokenizer *tokenizer, SuTokenizerScratch *scratch[2], const char *text,
                    size_t size, bool offsets)
{
    SuEncoding paths[2];
    SuEncodeRequest request = {.text = text, .text_size = size, .want_offsets = offsets};
    for (int slow = 0; slow < 2; slow++) {
        SutraError err;
        tokenizer->fast = !slow;
        if (su_tokenizer_encode(tokenizer, scratch[slow], &request, &paths[slow], &err))
            fail_msg("%s", err.message);
    }
    tokenizer->fast = true;
    size_t bytes = paths[0].num_tokens * sizeof(int32_t);
    if (paths[0].num_tokens != paths[1].num_tokens ||
        memcmp(paths[0].token_ids, paths[1].token_ids, bytes) != 0 ||
        (offsets && (memcmp(paths[0].begin, paths[1].begin, bytes) != 0 ||
                     memcmp(paths[0].end, paths[1].end, bytes) != 0)))
        fail_msg("the paths differ on '%.*s'", (int)size, text);
}

static void fast_and_slow_agree(void **state)
{
    (void)state;
    static const char *const limits[] = {"100", "0", "1", "5", "14", "16"};
    SuTokenizerScratch *scratch[2];
    for (int i = 0; i < 2; i++) assert_int_equal(su_tokenizer_scratch_create(&scratch[i], NULL), 0);
    for (uint32_t options = 0; options < 16; options++) {
        for (size_t limit = 0; limit < sizeof limits / sizeof *limits; limit++) {
            SuTokenizer *tokenizer =
                build(options & 1, options & 2, options & 4, options & 8, limits[limit]);
            assert_true(tokenizer->fast);
            for (int i = 0; i < 400; i++) {
                char text[512];
                size_t size = random_text(text, sizeof text);
                compare(tokenizer, scratch, text, size, i % 2);
            }
            su_tokenizer_free(tokenizer);
        }
    }
    for (int i = 0; i < 2; i++) su_tokenizer_scratch_free(scratch[i]);
}

/* A text that ends where the next page may not be read. */
static void nothing_is_read_after_the_text(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    SuTokenizer *tokenizer = build(true, true, true, true, "100");
    SuTokenizerScratch *scratch[2];
    for (int i = 0; i < 2; i++) assert_int_equal(su_tokenizer_scratch_create(&scratch[i], NULL), 0);
    for (int i = 0; i < 3000; i++) {
        char text[512];
        size_t size = random_text(text, sizeof text);
        memcpy(pages + page - size, text, size);
        compare(tokenizer, scratch, pages + page - size, size, true);
    }
    for (int i = 0; i < 2; i++) su_tokenizer_scratch_free(scratch[i]);
    su_tokenizer_free(tokenizer);
    munmap(pages, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_and_slow_agree),
        cmocka_unit_test(nothing_is_read_after_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
