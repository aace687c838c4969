/* Maps of characters made here: what they do to clusters and sources, and what damaged ones raise. */
#include "tokenizer/precompiled_charsmap.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define UNITS 1024u

typedef struct Blob {
    uint32_t units[UNITS];
    char texts[64];
    size_t texts_size;
    char bytes[4 + 4 * UNITS + 64];
    size_t size;
    uint32_t blocks; /* of 256 units that are taken; the first is the root's unit */
} Blob;

static void put_u32(char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) to[i] = (char)(value >> 8 * i);
}

/* Keys of one or two bytes; a key is added before those that it begins. */
static void add(Blob *blob, const char *key, const char *value)
{
    uint32_t at = 256, size = (uint32_t)strlen(key);
    if (blob->blocks == 0) {
        blob->units[0] = 256u << 10;
        blob->blocks = 2;
    }
    for (uint32_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)key[i];
        uint32_t place = at ^ byte;
        if (blob->units[place] == 0) /* a block of its own */
            blob->units[place] = (place ^ (256 * blob->blocks++)) << 10 | byte;
        at = place ^ blob->units[place] >> 10;
        if (i + 1 < size) continue;
        blob->units[place] |= 1u << 8;
        blob->units[at] = (uint32_t)blob->texts_size | 1u << 31;
    }
    memcpy(blob->texts + blob->texts_size, value, strlen(value) + 1);
    blob->texts_size += strlen(value) + 1;
}

static SutraStatus open_map(Blob *blob, SuCharsmap *map, SutraError *err)
{
    put_u32(blob->bytes, 4 * UNITS);
    for (uint32_t i = 0; i < UNITS; i++) put_u32(blob->bytes + 4 + 4 * i, blob->units[i]);
    memcpy(blob->bytes + 4 + 4 * UNITS, blob->texts, blob->texts_size);
    blob->size = 4 + 4 * UNITS + blob->texts_size;
    return su_charsmap_open(blob->bytes, blob->size, "t.json", map, err);
}

static void check(Blob *blob, const char *text, const char *wanted, const char *sources)
{
    SuCharsmap map;
    SuNormalized out = {.with_source = true};
    SutraError err;
    char found[64] = "";
    if (open_map(blob, &map, &err)) fail_msg("%s", err.message);
    for (int with_source = 0; with_source < 2; with_source++) {
        out.with_source = with_source;
        if (su_charsmap_normalize(&map, (SuTextView){.bytes = text, .size = strlen(text)}, &out,
                                  &err))
            fail_msg("%s", err.message);
        assert_int_equal(out.text.size, strlen(wanted));
        assert_memory_equal(out.text.bytes, wanted, strlen(wanted));
    }
    for (size_t i = 0; i < out.text.size; i++) sprintf(found + i, "%u", out.text.source[i]);
    assert_string_equal(found, sources);
    su_normalized_free(&out);
}

static void clusters_become_what_their_shortest_key_says(void **state)
{
    (void)state;
    Blob blob = {0};
    add(&blob, "a", "X");
    add(&blob, "ab", "no");
    check(&blob, "ab ca", "Xb cX", "01234");
    check(&blob,
          "a\xcc\x81"
          "b",
          "Xb", "02"); /* one cluster */
    check(&blob,
          "a\xcc\x81\xcc\x81"
          "a",
          "XX", "03"); /* of 5 bytes */
    check(&blob, "a\xcc\x81\xcc\x81\xcc\x81", "X\xcc\x81\xcc\x81\xcc\x81", "0112233"); /* of 7 */
    check(&blob,
          "\xd8\x80"
          "a",
          "\xd8\x80X", "001"); /* a prefix, which the cluster begins with */
}

static void sources_are_those_of_the_reference(void **state)
{
    (void)state;
    Blob blob = {0};
    add(&blob, "a", "XYZ");
    add(&blob, "b", "");
    check(&blob, "caca", "cXYZcXYZ", "01112333");
    check(&blob, "cbc", "cc", "02");
    check(&blob, "abc", "XYZc", "0012"); /* what is inserted last replaces what is taken away */
    check(&blob, "bcc", "cc", "01");     /* nothing went out before it: the place stays behind */
    check(&blob, "bb", "", "");
}

static void damaged_maps_are_errors(void **state)
{
    (void)state;
    SutraError err;
    SuCharsmap map;
    static const char short_blobs[][12] = {"", "\1", "\3\0\0\0", "\x8\0\0\0\0\0\0"};
    static const size_t sizes[] = {0, 1, 8, 11};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(su_charsmap_open(short_blobs[i], sizes[i], "t.json", &map, &err),
                         SUTRA_E_FORMAT);
        assert_non_null(strstr(err.message, "t.json: normalizer.precompiled_charsmap of "));
    }
    for (int damage = 0; damage < 5; damage++) {
        Blob blob = {0};
        SuNormalized out = {0};
        add(&blob, "a", "\xc3\xa9");
        if (damage == 0) blob.units[0] = UINT32_MAX & ~(1u << 9);  /* leads outside */
        if (damage == 1) blob.units[256 ^ 'a'] |= 0x1fffffu << 10; /* its value is outside */
        if (damage == 2) blob.units[512] = 77 | 1u << 31;          /* behind the texts */
        if (damage == 3) blob.units[512] = 1 | 1u << 31;           /* inside a character */
        if (damage == 4) blob.texts[1] = 'x';
        SutraStatus status = open_map(&blob, &map, &err);
        if (damage == 4) {
            assert_int_equal(status, SUTRA_E_FORMAT);
            assert_non_null(strstr(err.message, "not valid UTF-8"));
            continue;
        }
        assert_int_equal(status, SUTRA_OK);
        assert_int_equal(
            su_charsmap_normalize(&map, (SuTextView){.bytes = "a", .size = 1}, &out, &err),
            SUTRA_E_FORMAT);
        assert_string_equal(err.message, "the tokenizer's precompiled_charsmap is damaged");
        su_normalized_free(&out);
    }
}

static void base64_is_decoded_or_refused(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"", ""},        {"Zg==", "f"},         {"Zm8=", "fo"},
        {"Zm9v", "foo"}, {"Zm9vYmE=", "fooba"}, {"+/+/", "\xfb\xff\xbf"}};
    static const char *const bad[] = {
        "Z", "Zg=", "Zg", "Zh==", "Zm9=", "Zg==Zg==", "Z===", "====", "Zm 9v", "Zm9v\n", "Zm-_"};
    SutraError err;
    char *blob;
    size_t size;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(
            su_charsmap_decode(good[i][0], strlen(good[i][0]), "t", &blob, &size, &err), SUTRA_OK);
        assert_int_equal(size, strlen(good[i][1]));
        assert_memory_equal(blob, good[i][1], size);
        su_free(blob);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(su_charsmap_decode(bad[i], strlen(bad[i]), "t", &blob, &size, &err),
                         SUTRA_E_FORMAT);
        assert_null(blob);
        assert_string_equal(err.message, "t: normalizer.precompiled_charsmap is not base64");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clusters_become_what_their_shortest_key_says),
        cmocka_unit_test(sources_are_those_of_the_reference),
        cmocka_unit_test(damaged_maps_are_errors),
        cmocka_unit_test(base64_is_decoded_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
