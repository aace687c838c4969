/* vocab.txt: the line number is the id; white space at a line's end is no part of it. */
#include "tokenizer/vocabulary.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

#include <string.h>

static size_t trim_end(const char *line, size_t size)
{
    size_t begin;
    while (size > 0 &&
           (su_unicode_properties(su_utf8_decode_before(line, size, &begin)) & SU_CP_SPACE))
        size = begin;
    return size;
}

SutraStatus su_vocabulary_read_lines(SuVocabulary *vocabulary, const char *text, size_t size,
                                     const char *where, SutraError *err)
{
    size_t bad, count;
    if (!su_utf8_validate(text, size, &bad, &count))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: not valid UTF-8 at byte %zu", where, bad);
    int32_t id = 0;
    for (size_t at = 0; at < size; id++) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t line_size = end ? (size_t)(end - line) : size - at;
        if (id == INT32_MAX) SU_RAISE(err, SUTRA_E_LIMIT, "%s: too many lines", where);
        SU_TRY(su_vocabulary_add(vocabulary, line, trim_end(line, line_size), id, err));
        at += line_size + (end ? 1 : 0);
    }
    return su_vocabulary_finish(vocabulary, SU_SAME_TEXTS_LAST, where, err);
}
