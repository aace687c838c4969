/* Regular expressions: scanners find what the engine finds, constructs mean what they mean in the
 * reference's engine, and what would not is refused. */
#include "tokenizer/pattern.h"

#include "unicode/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define PREFIX "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const char *const scanned[] = {
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    CONTRACTION "|" PREFIX "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES,
    CONTRACTION "|" PREFIX "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES,
    CONTRACTION "|" PREFIX "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" SPACES,
    PREFIX UPPER "*" LOWER "+" CONTRACTION "?|" PREFIX UPPER "+" LOWER "*" CONTRACTION
                 "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES,
    PREFIX UPPER "*" LOWER "+|" PREFIX UPPER "+" LOWER
                 "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES,
};

static SuPattern *pattern_of(const char *text)
{
    SuPattern *pattern;
    SutraError err = {0};
    if (su_pattern_create(text, strlen(text), "pre_tokenizer", "t.json", &pattern, &err))
        fail_msg("%s", err.message);
    return pattern;
}

/* "begin-end " of each match. */
static void matches_of(const char *expression, const char *text, char *to, size_t room)
{
    SuPattern *pattern = pattern_of(expression);
    SuPatternScratch scratch = {0};
    SuPatternCursor cursor = su_pattern_cursor(pattern, &scratch, text, strlen(text));
    size_t begin, end, used = 0;
    to[0] = 0;
    for (bool found;;) {
        assert_int_equal(su_pattern_next(&cursor, &begin, &end, &found, NULL), SUTRA_OK);
        if (!found) break;
        used += (size_t)snprintf(to + used, room - used, "%zu-%zu ", begin, end);
        assert_true(used < room);
    }
    su_pattern_scratch_free(&scratch);
    su_pattern_free(pattern);
}

/* An expression in a group is not one that is known by its text. */
static void scanners_find_what_the_engine_finds(void **state)
{
    (void)state;
    static const char *const parts[] = {"'",
                                        "'s",
                                        "'T",
                                        "'\xc5\xbf",
                                        "'LL",
                                        "'rE",
                                        "'ve",
                                        "'d",
                                        "a",
                                        "bc",
                                        "A",
                                        "BC",
                                        "\xc7\x85",
                                        "\xca\xb0",
                                        "\xe4\xb8\xad",
                                        "\xcc\x81",
                                        "\xe0\xa4\x83",
                                        "1",
                                        "12",
                                        "1234",
                                        "\xd9\xa3",
                                        "\xc2\xbd",
                                        " ",
                                        "  ",
                                        "\n",
                                        "\r\n",
                                        "\n\n ",
                                        "\t",
                                        "\xc2\xa0",
                                        "\xe3\x80\x80",
                                        "/",
                                        "//",
                                        "!",
                                        "\xf0\x9f\x98\x80",
                                        "_",
                                        "\xc3\x9f",
                                        "\xc4\xb0",
                                        "\xc2\x85",
                                        "\xe2\x80\xa8"};
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof scanned / sizeof *scanned; i++) {
        char grouped[1024];
        SuPatternScratch scratch = {0};
        snprintf(grouped, sizeof grouped, "(?:%s)", scanned[i]);
        SuPattern *scanner = pattern_of(scanned[i]), *engine = pattern_of(grouped);
        assert_non_null(su_pattern_scanner_of(scanner));
        assert_null(su_pattern_scanner_of(engine));
        for (int n = 0; n < 20000; n++) {
            char text[256] = "";
            for (int k = 0; k < 1 + n % 12; k++) {
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                strcat(text, parts[(random >> 33) % (sizeof parts / sizeof *parts)]);
            }
            SuPatternCursor ours = su_pattern_cursor(scanner, &scratch, text, strlen(text));
            SuPatternCursor theirs = su_pattern_cursor(engine, &scratch, text, strlen(text));
            size_t begin, end, wanted_begin, wanted_end;
            for (bool found = true, wanted = true; found;) {
                assert_int_equal(su_pattern_next(&ours, &begin, &end, &found, NULL), SUTRA_OK);
                assert_int_equal(
                    su_pattern_next(&theirs, &wanted_begin, &wanted_end, &wanted, NULL), SUTRA_OK);
                if (found != wanted || (found && (begin != wanted_begin || end != wanted_end)))
                    fail_msg("expression %zu, \"%s\": match %zu-%zu, the engine's %zu-%zu", i, text,
                             begin, end, wanted_begin, wanted_end);
            }
        }
        su_pattern_scratch_free(&scratch);
        su_pattern_free(scanner);
        su_pattern_free(engine);
    }
}

static void constructs_mean_what_they_mean_in_the_reference(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *text, *matches;
    } rows[] = {
        {"a", "", ""},
        {"a|", "ba", "0-0 1-2 "},
        {"\\s", " \xe1\xa0\x8e\xc2\x85x", "0-1 4-6 "}, /* U+180E is no white space */
        {"\\w+", "a_1\xcc\x81-b", "0-5 6-7 "},
        {"\\w+|[\\w-]+", "\xc2\xbd-\xc2\xbd", "0-2 2-3 3-5 "}, /* of \w, but not of [\w] */
        {"[\\w-]+", "\xc2\xbd-", "2-3 "},
        {"\\W", "a-b", "1-2 "},
        {"\\b", "ab c", "0-0 2-2 3-3 4-4 "},
        {"^a|b$", "a\na b\nab", "0-1 2-3 4-5 6-7 7-8 "},
        {"\\v", "\n\x0b", "1-2 "},
        {"\\u00e9", "\xc3\xa9", "0-2 "},
        {"[[a-b][x]]+", "abxy", "0-3 "},
        {"[a-]+", "-a-", "0-3 "},
        {"[-a-c]+", "b-a", "0-3 "},
        {"e{,2}f", "eeef", "1-4 "},
        {"e{2}", "eeee", "0-2 2-4 "},
        {"e{", "e{", "0-2 "},
        {"(?i)the", "THE", "0-3 "},
        {"(?i:'s)", "'\xc5\xbf", "0-3 "},
        {"(?i:[^\\w][s\\d])", "-S", "0-2 "},
        {"\\p{Han}", "a\xe4\xb8\xad\xe3\x80\x82", "1-4 "}, /* U+3002 is of several scripts */
        {"\\p{^L}|\\P{^N}", "a1", "1-2 "},
        {"(?<=a)b", "abb", "1-2 "},
        {"a++", "aab", "0-2 "},
        {"\\ |\\#", " #", "0-1 1-2 "},
        {".", "a\n\r", "0-1 2-3 "},
        {"((?=a)|a)+", "aab", "0-0 1-1 "},
        {"(?:\\u00e9|\xc3\xa9+?){2}", "\xc3\xa9\xc3\xa9", "0-4 "},
        {"(?:a?b|^c++){2}", "abb", "0-3 "},
        {"(?:a*|b){0,1}c", "aac", "0-3 "},
        {"(?:a|(b|\\s+))*?{", "{", "0-1 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char found[256];
        matches_of(rows[i].expression, rows[i].text, found, sizeof found);
        if (strcmp(found, rows[i].matches) != 0)
            fail_msg("%s in \"%s\": %s", rows[i].expression, rows[i].text, found);
    }
}

static void what_would_mean_something_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *words;
    } rows[] = {
        {"a{2}+", "a quantifier of an interval at byte 1"},
        {"a{2}?", "a quantifier of an interval at byte 1"},
        {"a{0}", "an interval of zero times at byte 1"},
        {"(?=a)b{,0}", "an interval of zero times at byte 6"},
        {"(\\s|[.^$]|\\A){2}", "an interval of what may match an empty text at byte 13"},
        {"(?:a*b?){2,}", "an interval of what may match an empty text at byte 8"},
        {"(?:a|){,2}", "an interval of what may match an empty text at byte 6"},
        {"(?:\xc3\xa9?){2}", "an interval of what may match an empty text at byte 7"},
        {"((?=a)\\b^$){2,3}?", "an interval of what may match an empty text at byte 11"},
        {"(?=a){2}", "an interval of what may match an empty text at byte 5"},
        {"(?:a?+|(?>b{,3})){2}", "an interval of what may match an empty text at byte 17"},
        {"[", "a class without its end at byte 1"},
        {"[]a]", "an empty class at byte 1"},
        {"[a[^b]]", "a negated or named class in a class at byte 2"},
        {"[a[:alpha:]]", "a negated or named class in a class at byte 2"},
        {"[a&&b]", "an intersection of classes at byte 2"},
        {"[\\W]", "the escape at byte 1"},
        {"[a-\\d]", "a range that ends in a class"},
        {"\\h", "the escape at byte 0"},
        {"(a)\\1", "the escape at byte 3"},
        {"\\R", "the escape at byte 0"},
        {"\\", "the escape at byte 0"},
        {"\\pL", "a property without braces at byte 0"},
        {"\\p{L1}", "the property at byte 0"},
        {"\\x", "the number of a character at byte 0"},
        {"\\xe9", "a byte that is not a character at byte 0"},
        {"\\u12", "the number of a character at byte 0"},
        {"(?<n>a)", "the group at byte 0"},
        {"(?m:a)", "the group at byte 0"},
        {"(*FAIL)", "the group at byte 0"},
        {"a(?i)b", "an option that is not at the start at byte 1"},
        {"a(b", "a ( without its ) at byte 3"},
        {"a)b", "a ) without its ( at byte 1"},
        {"(?i:\xc3\x9f)", "a character beyond ASCII without regard to case at byte 4"},
        {"(?i:aSs)", "ss, ff, fi, fl or st without regard to case at byte 6"},
        {"(?i:\\p{Lu})", "letters of one case without regard to case at byte 4"},
        {"(?i:\\x41)", "a number of a character without regard to case at byte 4"},
        {"(?i:[a\\w])", "letters beyond ASCII in a class without regard to case at byte 6"},
        {"(?i)[[\\p{L}]-]", "letters beyond ASCII in a class without regard to case at byte 6"},
        {"*a", "is not supported: quantifier does not follow a repeatable item"},
        {"\\p{Alpha}", "is not supported: unknown property"},
        {"(?<=a+)b", "is not supported: lookbehind assertion is not fixed length"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuPattern *pattern;
        SutraError err = {0};
        const char *text = rows[i].expression;
        assert_int_equal(
            su_pattern_create(text, strlen(text), "pre_tokenizer", "t.json", &pattern, &err),
            SUTRA_E_UNSUPPORTED);
        assert_null(pattern);
        assert_non_null(strstr(err.message, "t.json: pre_tokenizer.pattern: the regular"));
        if (!strstr(err.message, rows[i].words)) fail_msg("%s: %s", text, err.message);
    }
}

static void a_long_expression_is_refused(void **state)
{
    (void)state;
    SuPattern *pattern;
    SutraError err = {0};
    char *text = calloc(SU_PATTERN_MAX + 1, 1);
    assert_non_null(text);
    memset(text, 'a', SU_PATTERN_MAX + 1);
    assert_int_equal(su_pattern_create(text, SU_PATTERN_MAX + 1, "normalizer", "t", &pattern, &err),
                     SUTRA_E_LIMIT);
    assert_non_null(strstr(err.message, "has more than 16384 bytes"));
    memset(text, '(', SU_PATTERN_MAX);
    assert_int_equal(su_pattern_create(text, SU_PATTERN_MAX, "normalizer", "t", &pattern, &err),
                     SUTRA_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "so many groups in one another at byte 100"));
    free(text);
}

static void a_search_that_takes_too_long_is_an_error(void **state)
{
    (void)state;
    char text[64];
    SuPattern *pattern = pattern_of("(?:a+)+[bc]");
    SuPatternScratch scratch = {0};
    SutraError err = {0};
    size_t begin, end;
    bool found;
    memset(text, 'a', sizeof text);
    SuPatternCursor cursor = su_pattern_cursor(pattern, &scratch, text, sizeof text);
    assert_int_equal(su_pattern_next(&cursor, &begin, &end, &found, &err), SUTRA_E_LIMIT);
    assert_non_null(strstr(err.message, "\"(?:a+)+[bc]\" takes more steps or memory"));
    su_pattern_scratch_free(&scratch);
    su_pattern_free(pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scanners_find_what_the_engine_finds),
        cmocka_unit_test(constructs_mean_what_they_mean_in_the_reference),
        cmocka_unit_test(what_would_mean_something_else_is_refused),
        cmocka_unit_test(a_long_expression_is_refused),
        cmocka_unit_test(a_search_that_takes_too_long_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
