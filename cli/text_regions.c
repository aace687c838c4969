/* XXH3 comes from Debian's xxhash.h, compiled in: no shared object to load at run time. */
#include "text_regions.h"

#include <stdbool.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { LEAST_BYTES = 2048, ONE_PARAGRAPH_IN = 16, ONE_LINE_IN = 128 };

static bool is_blank(const char *line, size_t size)
{
    size_t i = 0;
    while (i < size && (line[i] == ' ' || line[i] == '\t' || line[i] == '\r')) i++;
    return i == size;
}

size_t cli_region_end(const char *text, size_t size, size_t at)
{
    bool after_blank = false;
    for (size_t line = at, end; line < size; line = end + 1) {
        const char *newline = memchr(text + line, '\n', size - line);
        end = newline ? (size_t)(newline - text) : size;
        bool blank = is_blank(text + line, end - line);
        if (!blank && line - at >= LEAST_BYTES) {
            XXH64_hash_t hash = XXH3_64bits(text + line, end - line);
            if (hash % (after_blank ? ONE_PARAGRAPH_IN : ONE_LINE_IN) == 0) return line;
        }
        after_blank = blank;
    }
    return size;
}
