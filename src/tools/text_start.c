/* text_start.c - what the first bytes of a file say about the texts in it. */
#include "base/file_map.h"
#include "sutra_tools.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *name, *bytes;
    size_t size;
    const char *unpack;
} compressions[] = {
    {"gzip", "\x1f\x8b", 2, "zcat"},
    {"zstd", "\x28\xb5\x2f\xfd", 4, "zstdcat"},
    {"bzip2", "BZh", 3, "bzcat"},
    {"xz",
     "\xfd"
     "7zXZ\0",
     6, "xzcat"},
};

static bool begins_with(const unsigned char *data, size_t size, const char *start,
                        size_t start_size)
{
    return size >= start_size && memcmp(data, start, start_size) == 0;
}

/* "BZh" may begin a text; with the level and the number pi it is bzip2's. */
static bool is_bzip2(const unsigned char *data, size_t size)
{
    return size >= 10 && data[3] >= '1' && data[3] <= '9' &&
           (memcmp(data + 4, "1AY&SY", 6) == 0 || memcmp(data + 4, "\x17rE8P\x90", 6) == 0);
}

/* Byte i of each group of `width` is NUL exactly where `nul` says so, in all groups. */
static bool has_rhythm(const unsigned char *data, size_t size, size_t width, const char *nul)
{
    if (size > SUTRA_TEXT_START) size = SUTRA_TEXT_START;
    size = size / width * width;
    for (size_t i = 0; i < size; i++)
        if ((data[i] == 0) != (nul[i % width] == '0')) return false;
    return size > 0;
}

/* The name that iconv has for the encoding; NULL: none of these. */
static const char *wide_encoding(const unsigned char *data, size_t size)
{
    if (begins_with(data, size, "\xff\xfe\0\0", 4) || begins_with(data, size, "\0\0\xfe\xff", 4))
        return "UTF-32";
    if (begins_with(data, size, "\xff\xfe", 2) || begins_with(data, size, "\xfe\xff", 2))
        return "UTF-16";
    if (size < 4) return NULL;
    if (has_rhythm(data, size, 4, "x000")) return "UTF-32LE";
    if (has_rhythm(data, size, 4, "000x")) return "UTF-32BE";
    if (has_rhythm(data, size, 2, "x0")) return "UTF-16LE";
    return has_rhythm(data, size, 2, "0x") ? "UTF-16BE" : NULL;
}

SutraStatus sutra_text_start(const void *data, size_t size, const char *where, size_t *skip,
                             SutraError *err)
{
    const unsigned char *bytes = data;
    *skip = begins_with(bytes, size, "\xef\xbb\xbf", 3) ? 3 : 0;
    for (size_t i = 0; i < sizeof compressions / sizeof *compressions; i++) {
        if (!begins_with(bytes, size, compressions[i].bytes, compressions[i].size)) continue;
        if (bytes[0] == 'B' && !is_bzip2(bytes, size)) continue;
        const char *tool = compressions[i].unpack;
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: compressed by %s, not text: unpack it first (%s FILE > TEXTS, or %s FILE | "
                 "sutra embed)",
                 where, compressions[i].name, tool, tool);
    }
    if (su_is_lfs_pointer(data, size))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: a Git LFS pointer, not the file itself; get the file with: git lfs pull",
                 where);
    const char *encoding = wide_encoding(bytes, size);
    if (encoding)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: %.6s text, not UTF-8: convert it first (iconv -f %s -t UTF-8 FILE > TEXTS)",
                 where, encoding, encoding);
    return SUTRA_OK;
}
