/* text_split.c - text is a row of segments, each a match or not; the step's behaviour makes pieces
 * of them. The pattern of ByteLevel is GPT-2's:
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 */
#include "tokenizer/text_split.h"

#include "unicode/category.h"
#include "unicode/utf8.h"

#include <string.h>

/* ---- BertPreTokenizer ---- */

static bool next_bert(const char *text, size_t size, size_t *at, size_t *begin)
{
    size_t step = 0, i = *at;
    uint8_t properties = SU_CP_SPACE;
    for (; i < size; i += step) {
        properties = su_unicode_properties(su_utf8_decode(text + i, &step));
        if (!(properties & SU_CP_SPACE)) break;
    }
    if (i >= size) return false;
    *begin = i;
    i += step;
    if (!(properties & SU_CP_PUNCTUATION)) {
        for (; i < size; i += step) {
            properties = su_unicode_properties(su_utf8_decode(text + i, &step));
            if (properties & (SU_CP_SPACE | SU_CP_PUNCTUATION)) break;
        }
    }
    *at = i;
    return true;
}

/* ---- ByteLevel ---- */

typedef enum CharClass { LETTER, NUMBER, SPACE, OTHER } CharClass;

static inline CharClass class_of(const char *text, size_t *step)
{
    unsigned char byte = (unsigned char)*text;
    if (byte < 0x80) {
        *step = 1;
        if ((byte | 0x20u) - 'a' < 26u) return LETTER;
        if (byte == ' ' || byte - 9u < 5u) return SPACE;
        return byte - (unsigned)'0' < 10u ? NUMBER : OTHER;
    }
    uint32_t code_point = su_utf8_decode(text, step);
    uint8_t kind = su_unicode_kind(code_point);
    if (kind & SU_KIND_LETTER) return LETTER;
    if (kind & SU_KIND_NUMBER) return NUMBER;
    return su_unicode_properties(code_point) & SU_CP_SPACE ? SPACE : OTHER;
}

/* Where characters of the class end. */
static size_t run_end(const char *text, size_t size, size_t at, CharClass class)
{
    size_t step;
    while (at < size && class_of(text + at, &step) == class) at += step;
    return at;
}

/* Bytes of the contraction that the text begins with, or 0. */
static size_t contraction(const char *text, size_t size)
{
    if (size < 2 || text[0] != '\'') return 0;
    if (strchr("stmd", text[1]) && text[1]) return 2;
    if (size < 3) return 0;
    bool two = (text[2] == 'e' && (text[1] == 'r' || text[1] == 'v')) ||
               (text[1] == 'l' && text[2] == 'l');
    return two ? 3 : 0;
}

/* White space leaves its last character to the word that follows. */
static size_t space_end(const char *text, size_t size, size_t at)
{
    size_t last = at, end = at, step;
    while (end < size && class_of(text + end, &step) == SPACE) {
        last = end;
        end += step;
    }
    return end == size || last == at ? end : last;
}

static size_t gpt2_end(const char *text, size_t size, size_t at)
{
    size_t step, length = contraction(text + at, size - at);
    if (length) return at + length;
    if (text[at] == ' ' && at + 1 < size) {
        CharClass class = class_of(text + at + 1, &step);
        if (class != SPACE) return run_end(text, size, at + 1 + step, class);
    }
    CharClass class = class_of(text + at, &step);
    return class == SPACE ? space_end(text, size, at) : run_end(text, size, at + step, class);
}

/* ---- segments ---- */

static inline bool is_match(const SuPreTokenizerStep *step, const char *text, size_t *length)
{
    unsigned char byte = (unsigned char)*text;
    if (step->kind == SU_PRE_TOKENIZER_WHITESPACE_SPLIT && byte < 0x80) { /* the most frequent */
        *length = 1;
        return byte == ' ' || byte - 9u < 5u;
    }
    uint32_t code_point = su_utf8_decode(text, length);
    if (step->kind == SU_PRE_TOKENIZER_WHITESPACE_SPLIT)
        return su_unicode_properties(code_point) & SU_CP_SPACE;
    if (step->kind == SU_PRE_TOKENIZER_PUNCTUATION)
        return su_unicode_properties(code_point) & SU_CP_PUNCTUATION;
    return su_unicode_kind(code_point) & SU_KIND_NUMERIC;
}

/* Each character that matches is a segment. */
static size_t character_end(const SuPreTokenizerStep *step, const char *text, size_t size,
                            size_t at, bool *match)
{
    size_t length;
    *match = is_match(step, text + at, &length);
    at += length;
    while (!*match && at < size && !is_match(step, text + at, &length)) at += length;
    return at;
}

static size_t string_end(const SuPreTokenizerStep *step, const char *text, size_t size, size_t at,
                         bool *match)
{
    const size_t length = step->pattern_size;
    const char *end = text + size, *found = memchr(text + at, step->pattern[0], size - at);
    while (found && ((size_t)(end - found) < length || memcmp(found, step->pattern, length) != 0))
        found = memchr(found + 1, step->pattern[0], (size_t)(end - found) - 1);
    *match = found == text + at;
    if (*match) return at + step->pattern_size;
    return found ? (size_t)(found - text) : size;
}

/* \w+|[^\w\s]+, and white space between them, which matches. */
static size_t word_end(const char *text, size_t size, size_t at, bool *match)
{
    const uint8_t mask = SU_CP_SPACE | SU_CP_WORD;
    size_t length;
    uint8_t class = su_unicode_properties(su_utf8_decode(text + at, &length)) & mask;
    *match = class & SU_CP_SPACE;
    for (at += length; at < size; at += length)
        if ((su_unicode_properties(su_utf8_decode(text + at, &length)) & mask) != class) break;
    return at;
}

static size_t segment_end(const SuPreTokenizerStep *step, const char *text, size_t size, size_t at,
                          bool *match)
{
    size_t end;
    switch (step->kind) {
    case SU_PRE_TOKENIZER_BYTE_LEVEL:
        *match = true;
        return gpt2_end(text, size, at);
    case SU_PRE_TOKENIZER_WHITESPACE:
        return word_end(text, size, at, match);
    case SU_PRE_TOKENIZER_METASPACE:
    case SU_PRE_TOKENIZER_SPLIT:
        end = string_end(step, text, size, at, match);
        *match ^= step->invert;
        return end;
    default:
        return character_end(step, text, size, at, match);
    }
}

/* ---- pieces ---- */

bool su_text_split_next(const SuPreTokenizerStep *step, const char *text, size_t size, size_t *at,
                        size_t *begin)
{
    if (step->kind == SU_PRE_TOKENIZER_BERT) return next_bert(text, size, at, begin);
    bool match = true, next_match = true;
    size_t end = *at, next;
    do {
        *begin = end;
        if (end >= size) return false;
        end = segment_end(step, text, size, end, &match);
    } while (match && step->behavior == SU_SPLIT_REMOVED);
    bool more = step->behavior == SU_SPLIT_CONTIGUOUS ||
                (step->behavior == SU_SPLIT_MERGED_WITH_PREVIOUS && !match) ||
                (step->behavior == SU_SPLIT_MERGED_WITH_NEXT && match);
    while (more && end < size) {
        next = segment_end(step, text, size, end, &next_match);
        if ((next_match == match) != (step->behavior == SU_SPLIT_CONTIGUOUS)) break;
        end = next;
        more = step->behavior == SU_SPLIT_CONTIGUOUS;
    }
    *at = end;
    return true;
}
