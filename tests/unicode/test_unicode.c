#include "unicode/case.h"
#include "unicode/category.h"
#include "unicode/grapheme.h"
#include "unicode/normalize.h"
#include "unicode/script.h"
#include "unicode/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void utf8_goes_both_ways(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char text[4];
        size_t size = su_utf8_encode(c, text), read, bad, count, begin;
        bool surrogate = c >= 0xd800 && c < 0xe000;
        assert_int_equal(su_utf8_validate(text, size, &bad, &count), !surrogate);
        if (surrogate) continue;
        assert_int_equal(count, 1);
        assert_int_equal(su_utf8_decode(text, &read), c);
        assert_int_equal(read, size);
        assert_int_equal(su_utf8_decode_before(text, size, &begin), c);
        assert_int_equal(begin, 0);
        if (size > 1) assert_false(su_utf8_validate(text, size - 1, &bad, &count));
    }
}

/* The validator beside the definition of the Unicode standard (table 3-7), on every pair of bytes in
 * every place of a longer text. */
static void validation_finds_the_first_bad_byte(void **state)
{
    (void)state;
    for (size_t place = 0; place < 40; place++) {
        for (uint32_t pair = 0; pair < 0x10000; pair += 7) {
            char text[42];
            size_t bad = 0, count;
            memset(text, 'a', sizeof text);
            text[place] = (char)(pair >> 8);
            text[place + 1] = (char)pair;
            unsigned a = pair >> 8, b = pair & 255;
            bool two = a >= 0xc2 && a < 0xe0 && b >= 0x80 && b < 0xc0;
            bool valid = two || (a < 0x80 && b < 0x80);
            assert_int_equal(su_utf8_validate(text, sizeof text, &bad, &count), valid);
            if (valid)
                assert_int_equal(count, two ? 41 : 42);
            else
                assert_int_equal(bad, a < 0x80 ? place + 1 : place);
        }
    }
}

static void expect_decomposition(uint32_t c, size_t count, uint32_t a, uint32_t b, uint32_t d)
{
    uint32_t parts[SU_DECOMPOSITION_MAX], expected[] = {a, b, d};
    assert_int_equal(su_unicode_decompose(c, parts), count);
    assert_memory_equal(parts, expected, count * sizeof *parts);
}

static void decompositions_are_canonical(void **state)
{
    (void)state;
    expect_decomposition('a', 1, 'a', 0, 0);
    expect_decomposition(0xe9, 2, 'e', 0x301, 0);
    expect_decomposition(0x390, 3, 0x3b9, 0x308, 0x301);
    expect_decomposition(0xac00, 2, 0x1100, 0x1161, 0);
    expect_decomposition(0xd7a3, 3, 0x1112, 0x1175, 0x11c2);
    expect_decomposition(0xd7a4, 1, 0xd7a4, 0, 0);
    expect_decomposition(0xf900, 1, 0x8c48, 0, 0);
    expect_decomposition(0x2fa1d, 1, 0x2a600, 0, 0);
    expect_decomposition(0x10ffff, 1, 0x10ffff, 0, 0);
    for (uint32_t c = 0; c < 0x110000; c++) {
        uint32_t parts[SU_DECOMPOSITION_MAX], again[SU_DECOMPOSITION_MAX];
        size_t count = su_unicode_decompose(c, parts);
        bool changes = count != 1 || parts[0] != c || su_unicode_combining_class(c) != 0;
        assert_int_equal(!!(su_unicode_properties(c) & SU_CP_DECOMPOSES), changes);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(su_unicode_decompose(parts[i], again),
                             1); /* full: no part has parts */
            if (i > 1)
                assert_true(su_unicode_combining_class(parts[i]) == 0 ||
                            su_unicode_combining_class(parts[i - 1]) <=
                                su_unicode_combining_class(parts[i]));
        }
    }
    assert_int_equal(su_unicode_combining_class(0x301), 230);
    assert_int_equal(su_unicode_combining_class(0x323), 220);
    assert_int_equal(su_unicode_combining_class(0x345), 240);
}

/* What a pair composes to decomposes to what its parts do. */
static void compositions_undo_decompositions(void **state)
{
    (void)state;
    size_t composed = 0;
    for (uint32_t c = 0; c < SU_UNICODE_MAPPED_LIMIT; c++) {
        uint32_t parts[SU_DECOMPOSITION_MAX], first = 0, made = 0;
        size_t count = su_unicode_decompose(c, parts);
        for (size_t i = 0; i < count; i++) {
            made = i == 0 ? parts[0] : su_unicode_compose(first, parts[i]);
            if (made == 0) break;
            first = made;
        }
        if (count == 1 || made == 0) continue;
        uint32_t again[SU_DECOMPOSITION_MAX]; /* another code point where c is an old name of it */
        assert_int_equal(su_unicode_decompose(made, again), count);
        assert_memory_equal(again, parts, count * sizeof *parts);
        composed += made == c;
    }
    assert_int_equal(composed, SU_UNICODE_COMPOSITIONS + 11172);
    assert_int_equal(su_unicode_compose('e', 0x301), 0xe9);
    assert_int_equal(su_unicode_compose(0xe9, 0x301), 0);
    assert_int_equal(su_unicode_compose('a', 'b'), 0);
    assert_int_equal(su_unicode_compose(0xac00, 0x11a7), 0); /* no trailing consonant */
    assert_int_equal(su_unicode_compose(0x915, 0x93c), 0);   /* excluded */
}

static void compatible_decompositions_go_further(void **state)
{
    (void)state;
    uint32_t parts[SU_COMPATIBLE_MAX];
    assert_int_equal(su_unicode_decompose_compatible(0xfb01, parts), 2);
    assert_int_equal(parts[0], 'f');
    assert_int_equal(parts[1], 'i');
    assert_int_equal(su_unicode_decompose_compatible(0xfdfa, parts), 18);
    assert_int_equal(su_unicode_decompose_compatible(0xe9, parts), 2);
    assert_int_equal(su_unicode_decompose_compatible(0xac01, parts), 3);
    assert_int_equal(su_unicode_decompose_compatible(0x10ffff, parts), 1);
    assert_int_equal(parts[0], 0x10ffff);
}

static void scripts_are_those_of_the_reference(void **state)
{
    (void)state;
    assert_int_equal(su_unicode_script(' '), SU_SCRIPT_ANY);
    assert_int_equal(su_unicode_script(0x10ffff), SU_SCRIPT_ANY); /* not assigned */
    assert_int_not_equal(su_unicode_script('a'), SU_SCRIPT_ANY);
    assert_int_equal(su_unicode_script('a'), su_unicode_script(0xe9));
    assert_int_not_equal(su_unicode_script('a'), su_unicode_script('1'));
    assert_int_not_equal(su_unicode_script('a'), su_unicode_script(0x3b1));
    assert_int_equal(su_unicode_script(0x4e2d), su_unicode_script(0x3042)); /* Hiragana */
    assert_int_equal(su_unicode_script(0x4e2d), su_unicode_script(0x30fc)); /* of no script */
}

static void kinds_are_those_of_the_reference(void **state)
{
    (void)state;
    assert_int_equal(su_unicode_kind('a'), SU_KIND_LETTER | SU_KIND_LOWER);
    assert_int_equal(su_unicode_kind(0x1c5), SU_KIND_LETTER | SU_KIND_UPPER); /* title case */
    assert_int_equal(su_unicode_kind(0x4e2d), SU_KIND_LETTER);
    assert_int_equal(su_unicode_kind('7'), SU_KIND_NUMBER | SU_KIND_NUMERIC);
    assert_int_equal(su_unicode_kind(0xbd), SU_KIND_NUMBER | SU_KIND_NUMERIC);
    assert_int_equal(su_unicode_kind(0x11de0), SU_KIND_NUMERIC); /* newer than its expressions */
    assert_int_equal(su_unicode_kind(0x301), SU_KIND_COMBINING | SU_KIND_MARK);
    assert_int_equal(su_unicode_kind(0x903), SU_KIND_COMBINING | SU_KIND_MARK); /* has a width */
    assert_int_equal(su_unicode_kind('_'), 0);
}

static void lower_case_has_no_context(void **state)
{
    (void)state;
    static const uint32_t pairs[][2] = {
        {'A', 'a'},     {'z', 'z'},    {0xc9, 0xe9},       {0x3a3, 0x3c3},       {0x3c2, 0x3c2},
        {0x1e9e, 0xdf}, {0x212a, 'k'}, {0x10400, 0x10428}, {0x10ffff, 0x10ffff}, {0x23a, 0x2c65}};
    uint32_t out[SU_LOWER_MAX];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(su_unicode_lowercase(pairs[i][0], out), 1);
        assert_int_equal(out[0], pairs[i][1]);
    }
    assert_int_equal(su_unicode_lowercase(0x130, out), 2);
    assert_int_equal(out[0], 'i');
    assert_int_equal(out[1], 0x307);
    for (uint32_t c = 0; c < 0x110000; c++) {
        bool same = su_unicode_lowercase(c, out) == 1 && out[0] == c;
        assert_int_equal(!(su_unicode_properties(c) & SU_CP_HAS_LOWER), same);
    }
}

static void properties_are_those_of_the_reference(void **state)
{
    (void)state;
    static const struct {
        uint32_t c;
        unsigned set;
    } facts[] = {
        {' ', SU_CP_SPACE},
        {'\t', SU_CP_SPACE},
        {0x0b, SU_CP_SPACE | SU_CP_CONTROL},
        {0x85, SU_CP_SPACE | SU_CP_CONTROL},
        {0, SU_CP_CONTROL},
        {0xfffd, SU_CP_CONTROL},
        {0x200b, SU_CP_CONTROL},
        {0xe000, SU_CP_CONTROL},
        {'$', SU_CP_PUNCTUATION},
        {'_', SU_CP_PUNCTUATION | SU_CP_WORD},
        {0x2019, SU_CP_PUNCTUATION},
        {0x20ac, 0}, /* a currency sign is none */
        {'a', SU_CP_WORD},
        {'A', SU_CP_WORD | SU_CP_HAS_LOWER},
        {0x301, SU_CP_MARK | SU_CP_WORD | SU_CP_DECOMPOSES},
        {0x4e00, SU_CP_IDEOGRAPH | SU_CP_WORD},
        {0xac00, SU_CP_WORD | SU_CP_DECOMPOSES},
        {0x3000, SU_CP_SPACE},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        assert_int_equal(su_unicode_properties(facts[i].c), facts[i].set);
}

/* Clusters of Unicode's GraphemeBreakTest, written with '|' at their ends. */
static void grapheme_clusters_end_where_the_rules_say(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a|b|",
        "\r\n|\n|\r|",
        "\x01|\xcc\x81|a|",
        "a\xcc\x88|b|",                                       /* Extend */
        "a\xe0\xa4\x83|b|",                                   /* SpacingMark */
        "\xd8\x80\x61|b|",                                    /* Prepend */
        "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8|\xe1\x84\x80|", /* L V T, L */
        "\xea\xb0\x80\xe1\x86\xa8|\xea\xb0\x80|",             /* LV T, LV */
        "\xea\xb0\x81|\xe1\x85\xa1|",                         /* LVT, V */
        "\xc2\xa9\xe2\x80\x8d\xe2\x84\xa2|",                  /* pictographs */
        "a\xe2\x80\x8d|\xe2\x84\xa2|",
        "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\x95|\xe0\xa4\x95|", /* a conjunct, a consonant */
        "\xe0\xa4\x95\xe0\xa5\x8d|a|",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[64];
        size_t size = 0, ends[16], count = 0, at = 0;
        for (const char *c = texts[i]; *c; c++)
            if (*c == '|')
                ends[count++] = size;
            else
                text[size++] = *c;
        for (size_t k = 0; k < count; k++) {
            at = su_grapheme_end(text, size, at);
            assert_int_equal(at, ends[k]);
        }
        assert_int_equal(at, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grapheme_clusters_end_where_the_rules_say),
        cmocka_unit_test(utf8_goes_both_ways),
        cmocka_unit_test(validation_finds_the_first_bad_byte),
        cmocka_unit_test(decompositions_are_canonical),
        cmocka_unit_test(compositions_undo_decompositions),
        cmocka_unit_test(compatible_decompositions_go_further),
        cmocka_unit_test(scripts_are_those_of_the_reference),
        cmocka_unit_test(kinds_are_those_of_the_reference),
        cmocka_unit_test(lower_case_has_no_context),
        cmocka_unit_test(properties_are_those_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
