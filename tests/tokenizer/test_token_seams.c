/* Where no token reaches over: by characters, by bytes, from an image. Texts of which one byte is replaced. */
#include "tokenizer/token_seams.h"

#include "base/memory.h"
#include "tokenizer/text_buffer.h"
#include "unicode/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MARK "\xe2\x96\x81"

typedef struct List {
    const char (*texts)[24]; /* zeros behind the texts */
} List;

static SuToken token_at(void *context, size_t index)
{
    const List *list = context;
    return (SuToken){list->texts[index], strlen(list->texts[index]), (int32_t)index};
}

static const char tokens[][24] = {"ab", MARK "c", "\xe4\xb8\xad\xe6\x96\x87", "x", ""};

static SuTokenSeams seams_of(bool bytes, const char (*texts)[24], size_t count)
{
    List list = {texts};
    SuTokenSeams seams;
    assert_int_equal(su_token_seams_create(&seams, bytes, count, token_at, &list, NULL), SUTRA_OK);
    return seams;
}

static void check_characters(const SuTokenSeams *seams)
{
    static const char joined[32] = "ab" MARK "c\xe4\xb8\xad\xe6\x96\x87";
    static const char apart[32] = "ba\xe6\x96\x87\xe4\xb8\xad" MARK "a";
    assert_false(su_seam_between(seams, joined, 1, 1, 1));
    assert_true(su_seam_between(seams, joined, 2, 1, 3));
    assert_false(su_seam_between(seams, joined, 5, 3, 1));
    assert_false(su_seam_between(seams, joined, 9, 3, 3));
    assert_true(su_seam_between(seams, apart, 1, 1, 1));
    assert_true(su_seam_between(seams, apart, 5, 3, 3));
    assert_true(su_seam_between(seams, apart, 11, 3, 1));
}

static void characters_side_by_side_in_a_token_have_no_seam(void **state)
{
    (void)state;
    SuTokenSeams seams = seams_of(false, tokens, 5);
    check_characters(&seams);
    su_token_seams_free(&seams);
}

static void no_token_of_bytes_reaches_over_a_seam(void **state)
{
    (void)state;
    /* the end of one character with the start of the next; a whole one with half of another */
    static const char parts[][24] = {"\xad\xe6", "\xe4\xb8\xad\xe4\xb8",
                                     "\xd0\xb0\xd0\xb1\xd0\xb2\xd0\xb3"};
    SuTokenSeams seams = seams_of(true, parts, 3);
    static const char half[32] = "\xe4\xb8\xad\xe6\x96\x87", twice[32] = "\xe4\xb8\xad\xe4\xb8\xad";
    static const char other[32] = "\xe4\xb8\xae\xe6\x96\x87",
                      word[32] = "\xd0\xb0\xd0\xb1\xd0\xb2\xd0\xb3";
    assert_false(su_seam_of_bytes(&seams, half, 6, 3));
    assert_false(su_seam_of_bytes(&seams, twice, 6, 3));
    assert_true(su_seam_of_bytes(&seams, other, 6, 3));
    for (size_t at = 1; at < 8; at++) assert_false(su_seam_of_bytes(&seams, word, 8, at));
    assert_true(su_seam_of_bytes(&seams, word, 3, 2)); /* the third byte is the last */
    su_token_seams_free(&seams);
}

static void an_image_holds_the_same(void **state)
{
    (void)state;
    SuTokenSeams seams = seams_of(false, tokens, 5), none = {0}, copy;
    SuArena arena = {0};
    su_token_seams_write(&seams, &arena);
    su_token_seams_write(&none, &arena);
    arena.size = arena.used;
    arena.used = 0;
    arena.base = su_alloc_aligned(arena.size);
    su_token_seams_write(&seams, &arena);
    su_token_seams_write(&none, &arena);
    arena.used = 0;
    assert_true(su_token_seams_attach(&copy, &arena));
    check_characters(&copy);
    assert_true(su_token_seams_attach(&copy, &arena));
    assert_null(copy.bits);
    for (uint64_t shift = 1; shift < 100;
         shift++) { /* damaged: too large for what follows, or wrong */
        SuArena part = {.base = arena.base, .size = SU_CACHE_LINE + 8};
        memcpy(arena.base, &shift, sizeof shift);
        assert_false(su_token_seams_attach(&copy, &part));
    }
    su_free_aligned(arena.base);
    su_token_seams_free(&seams);
}

/* ---- texts ---- */

static uint32_t random_below(uint32_t limit)
{
    static uint64_t random_state = 88172645463325252u;
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

static size_t random_text(char *text, uint32_t *source)
{
    static const char *const pieces[] = {
        "a", "b", " ", "  ", "\xc3\xa9", MARK, "\xf0\x9f\x91\xa8", "abcdefghijklm"};
    size_t size = 0;
    for (uint32_t i = random_below(20), number = 7; i > 0; i--) {
        const char *piece = pieces[random_below(8)];
        for (; *piece; piece++) {
            if (!su_utf8_is_continuation(*piece)) number++;
            source[size] = number - 1;
            text[size++] = *piece;
        }
    }
    return size;
}

static void check_replaced(SuTextView in, const uint32_t *source, bool with_source, const char *to)
{
    SuText out = {0};
    size_t room = (strlen(to) + 1) * in.size + 1, at = 1;
    assert_int_equal(su_text_reserve(&out, room, with_source, NULL), SUTRA_OK);
    out.bytes[0] = '!';
    if (with_source) out.source[0] = 1;
    out.size = 1;
    su_text_append_replacing(&out, in, ' ', to, strlen(to), with_source);
    for (size_t i = 0; i < in.size; i++) {
        const char one[2] = {in.bytes[i], 0}, *piece = in.bytes[i] == ' ' ? to : one;
        for (; *piece; piece++, at++) {
            assert_int_equal(out.bytes[at], *piece);
            if (with_source) assert_int_equal(out.source[at], source[i]);
        }
    }
    assert_int_equal(out.size, at);
    assert_int_equal(out.bytes[0], '!');
    su_text_free(&out);
}

static void each_space_becomes_the_text_with_its_source(void **state)
{
    (void)state;
    char text[512];
    uint32_t source[512];
    static const char *const to[] = {"", "x", MARK, "longer than a word of bytes"};
    for (int round = 0; round < 2000; round++) {
        size_t size = random_text(text, source);
        const SuTextView plain = {.bytes = text, .size = size, .first = 7};
        const SuTextView with = {.bytes = text, .source = source, .size = size};
        for (size_t i = 0; i < 4; i++) {
            check_replaced(plain, source, false, to[i]);
            check_replaced(plain, source, true, to[i]);
            check_replaced(with, source, true, to[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_side_by_side_in_a_token_have_no_seam),
        cmocka_unit_test(no_token_of_bytes_reaches_over_a_seam),
        cmocka_unit_test(an_image_holds_the_same),
        cmocka_unit_test(each_space_becomes_the_text_with_its_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
