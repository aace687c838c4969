/* What files begin with: byte order marks, compression, other encodings. */
#include "sutra_tools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof text - 1

static void texts(void **state)
{
    static const struct {
        const char *data;
        size_t size, skip;
    } rows[] = {
        {BYTES(""), 0},
        {BYTES("a"), 0},
        {BYTES("\xef\xbb\xbf"), 3},
        {BYTES("\xef\xbb\xbf\xef\xbb\xbftext"), 3}, /* the second is a character of the text */
        {BYTES("\xef\xbb"), 0},
        {BYTES("BZh is how a text may begin, BZh9 as well"), 0},
        {BYTES("a\0"), 0},
        {BYTES("a\0b\0cd\0"), 0}, /* NULs are characters too */
        {BYTES("\0\0\0\0"), 0},
        {BYTES("\x28\xc2\xb5"), 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SutraError err = {0};
        size_t skip = 9;
        if (sutra_text_start(rows[i].data, rows[i].size, "f", &skip, &err) != SUTRA_OK)
            fail_msg("row %zu: %s", i, err.message);
        assert_int_equal(skip, rows[i].skip);
    }
}

static void other_things(void **state)
{
    static const struct {
        const char *data;
        size_t size;
        const char *words;
    } rows[] = {
        {BYTES("\x1f\x8b\x08"), "f: compressed by gzip, not text: unpack it first (zcat FILE"},
        {BYTES("\x28\xb5\x2f\xfd\x04"),
         "f: compressed by zstd, not text: unpack it first (zstdcat"},
        {BYTES("BZh91AY&SY\x01"), "f: compressed by bzip2, not text: unpack it first (bzcat"},
        {BYTES("BZh9\x17rE8P\x90"), "f: compressed by bzip2"},
        {BYTES("\xfd"
               "7zXZ\0\0"),
         "f: compressed by xz, not text: unpack it first (xzcat"},
        {BYTES("\xff\xfe"
               "a\0\n\0"),
         "f: UTF-16 text, not UTF-8: convert it first (iconv -f UTF-16 -t UTF-8"},
        {BYTES("\xfe\xff\0a\0\n"), "f: UTF-16 text"},
        {BYTES("\xff\xfe\0\0a\0\0\0"), "f: UTF-32 text"},
        {BYTES("\0\0\xfe\xff\0\0\0a"), "f: UTF-32 text"},
        {BYTES("version https://git-lfs.github.com/spec/v1\noid"), "f: a Git LFS pointer"},
        {BYTES("h\0i\0\n\0h"), "f: UTF-16 text, not UTF-8: convert it first (iconv -f UTF-16LE"},
        {BYTES("\0h\0i\0"), "(iconv -f UTF-16BE"},
        {BYTES("h\0\0\0i\0\0\0"), "f: UTF-32 text, not UTF-8: convert it first (iconv -f UTF-32LE"},
        {BYTES("\0\0\0h\0\0\0i\0"), "(iconv -f UTF-32BE"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SutraError err = {0};
        size_t skip;
        if (sutra_text_start(rows[i].data, rows[i].size, "f", &skip, &err) != SUTRA_E_FORMAT ||
            !strstr(err.message, rows[i].words))
            fail_msg("row %zu: %s", i, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(other_things)};
    return cmocka_run_group_tests_name("text_start", tests, NULL, NULL);
}
