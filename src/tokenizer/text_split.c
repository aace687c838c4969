/* text_split.c - text is a row of segments, each a match or not; the step's behaviour makes pieces
 * of them. */
#include "tokenizer/text_split.h"

#include "unicode/category.h"
#include "unicode/script.h"
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

/* ---- UnicodeScripts ---- */

/* What is of no script of its own stays with what is before it; at the start of a text it goes. */
static bool next_script(const char *text, size_t size, size_t *at, size_t *begin)
{
    uint8_t script = SU_SCRIPT_ANY;
    size_t step = 0, i = *at;
    for (; i < size && script == SU_SCRIPT_ANY; i += step)
        script = su_unicode_script(su_utf8_decode(text + i, &step));
    if (script == SU_SCRIPT_ANY) return false;
    *begin = i - step;
    for (; i < size; i += step) {
        uint8_t next = su_unicode_script(su_utf8_decode(text + i, &step));
        if (next != SU_SCRIPT_ANY && next != script) break;
    }
    *at = i;
    return true;
}

/* ---- FixedLength ---- */

static bool next_of_length(size_t length, const char *text, size_t size, size_t *at, size_t *begin)
{
    size_t step, i = *at;
    *begin = i;
    for (; i < size && length > 0; length--, i += step) su_utf8_decode(text + i, &step);
    *at = i;
    return i > *begin;
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
        return su_pattern_scan_gpt2(text, size, at);
    case SU_PRE_TOKENIZER_WHITESPACE:
        return word_end(text, size, at, match);
    case SU_PRE_TOKENIZER_METASPACE:
    case SU_PRE_TOKENIZER_SPLIT:
        *match = true;
        end = step->scan ? step->scan(text, size, at) : string_end(step, text, size, at, match);
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
    if (step->kind == SU_PRE_TOKENIZER_SCRIPTS) return next_script(text, size, at, begin);
    if (step->kind == SU_PRE_TOKENIZER_FIXED_LENGTH)
        return next_of_length(step->length, text, size, at, begin);
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

/* ---- an engine's matches ---- */

/* Segments as they come, and the piece that the last of them made. */
typedef struct Pieces {
    SuSplitBehavior behavior;
    const SuPieceSink *sink;
    size_t begin, end;
    bool open; /* there is a piece */
    bool last; /* the last segment of the piece is a match */
} Pieces;

static bool joins(const Pieces *pieces, bool match)
{
    switch (pieces->behavior) {
    case SU_SPLIT_CONTIGUOUS:
        return match == pieces->last;
    case SU_SPLIT_MERGED_WITH_PREVIOUS:
        return match && !pieces->last;
    case SU_SPLIT_MERGED_WITH_NEXT:
        return !match && pieces->last;
    default:
        return false;
    }
}

static SutraStatus hand_on(Pieces *pieces, SutraError *err)
{
    bool some = pieces->open && pieces->begin < pieces->end;
    pieces->open = false;
    if (!some) return SUTRA_OK;
    return pieces->sink->take(pieces->sink->context, pieces->begin, pieces->end, err);
}

static SutraStatus add_segment(Pieces *pieces, size_t begin, size_t end, bool match,
                               SutraError *err)
{
    if (!pieces->open || !joins(pieces, match)) {
        SU_TRY(hand_on(pieces, err));
        pieces->begin = begin;
        pieces->open = !match || pieces->behavior != SU_SPLIT_REMOVED;
    }
    pieces->end = end;
    pieces->last = match;
    return SUTRA_OK;
}

SutraStatus su_text_split_matches(const SuPreTokenizerStep *step, SuPatternScratch *scratch,
                                  const char *text, size_t size, const SuPieceSink *sink,
                                  SutraError *err)
{
    SuPatternCursor cursor = su_pattern_cursor(step->expression, scratch, text, size);
    Pieces pieces = {.behavior = step->behavior, .sink = sink};
    size_t at = 0, begin = 0, end = 0;
    for (bool found;; at = end) {
        SU_TRY(su_pattern_next(&cursor, &begin, &end, &found, err));
        if (!found) break;
        if (at < begin) SU_TRY(add_segment(&pieces, at, begin, step->invert, err));
        SU_TRY(add_segment(&pieces, begin, end, !step->invert, err));
    }
    if (at < size) SU_TRY(add_segment(&pieces, at, size, step->invert, err));
    return hand_on(&pieces, err);
}
