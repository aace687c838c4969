/* Lowercase, StripAccents, Strip, Replace, Prepend, Nmt and ByteLevel: each code point keeps its
 * source, and new ones have that of a neighbour. */
#include "base/memory.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/normalize_steps.h"
#include "unicode/case.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

#include <string.h>

/* Walks over the code points of a text. */
typedef struct Cursor {
    SuTextView text;
    size_t at;
    uint32_t number;
    uint32_t code_point, source;
    size_t size; /* bytes of the code point */
} Cursor;

static bool next(Cursor *cursor)
{
    cursor->at += cursor->size;
    if (cursor->at >= cursor->text.size) return false;
    cursor->code_point = su_utf8_decode(cursor->text.bytes + cursor->at, &cursor->size);
    cursor->source = cursor->text.source ? cursor->text.source[cursor->at] : cursor->number;
    cursor->number++;
    return true;
}

static void append(SuNormalized *out, const char *bytes, size_t size, uint32_t source)
{
    SuText *text = &out->text;
    if (size) memcpy(text->bytes + text->size, bytes, size);
    for (size_t i = 0; i < size && out->with_source; i++) text->source[text->size + i] = source;
    text->size += size;
}

static SutraStatus begin(SuTextView in, SuNormalized *out, size_t room, Cursor *cursor,
                         SutraError *err)
{
    *cursor = (Cursor){.text = in, .number = in.first};
    SU_TRY(su_text_reserve(&out->text, room, out->with_source, err));
    out->text.size = 0;
    return SUTRA_OK;
}

SutraStatus su_normalize_lowercase(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                   SutraError *err)
{
    Cursor cursor;
    size_t room;
    (void)step;
    if (su_mul_overflows(in.size, SU_NORMALIZED_GROWTH, &room))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", in.size);
    SU_TRY(begin(in, out, room, &cursor, err));
    while (next(&cursor)) {
        uint32_t lower[SU_LOWER_MAX] = {cursor.code_point};
        size_t count = 1;
        if (su_unicode_properties(cursor.code_point) & SU_CP_HAS_LOWER)
            count = su_unicode_lowercase(cursor.code_point, lower);
        for (size_t i = 0; i < count; i++) {
            char bytes[4];
            append(out, bytes, su_utf8_encode(lower[i], bytes), cursor.source);
        }
    }
    return SUTRA_OK;
}

SutraStatus su_normalize_strip_accents(const SuNormalizerStep *step, SuTextView in,
                                       SuNormalized *out, SutraError *err)
{
    Cursor cursor;
    (void)step;
    SU_TRY(begin(in, out, in.size, &cursor, err));
    while (next(&cursor))
        if (!(su_unicode_kind(cursor.code_point) & SU_KIND_COMBINING))
            append(out, in.bytes + cursor.at, cursor.size, cursor.source);
    return SUTRA_OK;
}

static bool is_space(uint32_t code_point)
{
    return su_unicode_properties(code_point) & SU_CP_SPACE;
}

SutraStatus su_normalize_strip(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                               SutraError *err)
{
    Cursor cursor;
    size_t from = 0, to = in.size, length;
    SU_TRY(begin(in, out, in.size, &cursor, err));
    for (size_t at; step->strip_right && to > 0; to = at)
        if (!is_space(su_utf8_decode_before(in.bytes, to, &at))) break;
    for (; step->strip_left && from < to; from += length)
        if (!is_space(su_utf8_decode(in.bytes + from, &length))) break;
    while (next(&cursor))
        if (cursor.at >= from && cursor.at < to)
            append(out, in.bytes + cursor.at, cursor.size, cursor.source);
    return SUTRA_OK;
}

/* The first match at or after `at`: its first byte, in.size if there is none, and where it ends. */
static size_t find_match(const SuNormalizerStep *step, SuTextView in, size_t at, size_t *end)
{
    const size_t size = step->pattern_size;
    for (;;) {
        const char *found = memmem(in.bytes + at, in.size - at, step->pattern, size);
        if (!found) return *end = in.size;
        size_t match = (size_t)(found - in.bytes), count = 1;
        for (at = match + size; step->repeats && in.size - at >= size; at += size, count++)
            if (memcmp(in.bytes + at, step->pattern, size) != 0) break;
        *end = at;
        if (count >= step->repeats) return match;
    }
}

static size_t count_matches(const SuNormalizerStep *step, SuTextView in)
{
    size_t count = 0, end = 0;
    while (find_match(step, in, end, &end) < in.size) count++;
    return count;
}

/* Goes through a text that is read once, from end to end. */
typedef struct Passage {
    SuTextView in;
    SuNormalized *out;
    size_t at;
    uint32_t last; /* source of the last code point before `at` */
} Passage;

/* What is up to `end` goes out. */
static void pass_on(Passage *passage, size_t end)
{
    const SuTextView in = passage->in;
    SuText *text = &passage->out->text;
    size_t at = passage->at, size = end - at;
    passage->at = end;
    if (size == 0) return;
    memcpy(text->bytes + text->size, in.bytes + at, size);
    uint32_t *source = passage->out->with_source ? text->source + text->size : NULL;
    text->size += size;
    if (!source) return;
    if (in.source)
        memcpy(source, in.source + at, size * sizeof *source);
    else
        passage->last = su_text_number(source, in.bytes + at, size, passage->last + 1) - 1;
}

/* What is up to `end`, which is something, becomes the step's content, with the source of its last
 * code point. */
static void pass_over(Passage *passage, size_t end, const SuNormalizerStep *step)
{
    const SuTextView in = passage->in;
    size_t size = end - passage->at;
    if (passage->out->with_source)
        passage->last += (uint32_t)su_utf8_count(in.bytes + passage->at, size);
    append(passage->out, step->content, step->content_size,
           in.source ? in.source[end - 1] : passage->last);
    passage->at = end;
}

static SutraStatus begin_passage(SuTextView in, SuNormalized *out, size_t room, Passage *passage,
                                 SutraError *err)
{
    *passage = (Passage){.in = in, .out = out, .last = in.first - 1};
    SU_TRY(su_text_reserve(&out->text, room, out->with_source, err));
    out->text.size = 0;
    return SUTRA_OK;
}

/* Room for the content and for the text from `at` on; the buffer doubles. */
static SutraStatus reserve_rest(const SuNormalizerStep *step, SuTextView in, size_t at,
                                SuNormalized *out, SutraError *err)
{
    size_t room;
    if (su_add_overflows(out->text.size, in.size - at, &room) ||
        su_add_overflows(room, step->content_size, &room) || room > SIZE_MAX / 4)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", in.size);
    bool fits = room + SU_TEXT_PADDING <= out->text.capacity &&
                (!out->with_source || room + SU_TEXT_PADDING <= out->text.source_capacity);
    return fits ? SUTRA_OK : su_text_reserve(&out->text, 2 * room, out->with_source, err);
}

static SutraStatus replace_matches(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                   SutraError *err)
{
    Passage passage;
    size_t match = 0, end = 0;
    SuPatternCursor matches = su_pattern_cursor(step->expression, &out->matches, in.bytes, in.size);
    SU_TRY(begin_passage(in, out, in.size, &passage, err));
    for (bool found;;) {
        SU_TRY(su_pattern_next(&matches, &match, &end, &found, err));
        SU_TRY(reserve_rest(step, in, passage.at, out, err));
        pass_on(&passage, found ? match : in.size);
        if (!found) return SUTRA_OK;
        pass_over(&passage, end, step);
    }
}

/* SU_REPLACE_ENDS */
static SutraStatus drop_end_spaces(SuTextView in, SuNormalized *out, SutraError *err)
{
    size_t from = 0, to = in.size;
    while (from < to && in.bytes[from] == ' ') from++;
    while (to > from && in.bytes[to - 1] == ' ') to--;
    Passage passage;
    SU_TRY(begin_passage(in, out, to - from, &passage, err));
    passage.at = from;
    passage.last += (uint32_t)from;
    pass_on(&passage, to);
    return SUTRA_OK;
}

/* Whether the text begins as SU_REPLACE_START says. */
static bool starts(const SuNormalizerStep *step, SuTextView in)
{
    size_t size = step->pattern_size - 2;
    return in.size >= size && memcmp(in.bytes, step->pattern + 2, size) == 0;
}

static SutraStatus replace_strings(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                   SutraError *err)
{
    Passage passage;
    size_t room, match, end = 0;
    bool byte = step->pattern_size == 1 && !step->repeats && (unsigned char)*step->pattern < 0x80;
    size_t count =
        byte ? su_text_count_byte(in.bytes, in.size, *step->pattern) : count_matches(step, in);
    if (su_mul_overflows(count, step->content_size, &room) ||
        su_add_overflows(room, in.size, &room))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", in.size);
    SU_TRY(begin_passage(in, out, room, &passage, err));
    if (byte) {
        su_text_append_replacing(&out->text, in, *step->pattern, step->content, step->content_size,
                                 out->with_source);
        return SUTRA_OK;
    }
    while ((match = find_match(step, in, end, &end)) < in.size) {
        pass_on(&passage, match);
        pass_over(&passage, end, step);
    }
    pass_on(&passage, in.size);
    return SUTRA_OK;
}

SutraStatus su_normalize_replace(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                 SutraError *err)
{
    if (step->shape == SU_REPLACE_ENDS) return drop_end_spaces(in, out, err);
    if (!step->expression) return replace_strings(step, in, out, err);
    if (step->shape == SU_REPLACE_OTHER) return replace_matches(step, in, out, err);
    Passage passage;
    size_t room;
    if (su_add_overflows(step->content_size, in.size, &room))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", in.size);
    SU_TRY(begin_passage(in, out, room, &passage, err));
    if (starts(step, in)) pass_over(&passage, step->pattern_size - 2, step);
    pass_on(&passage, in.size);
    return SUTRA_OK;
}

static bool replaces_nothing(const SuNormalizerStep *step, SuTextView in)
{
    const size_t size = step->pattern_size;
    char twice[8];
    if (in.size == 0) return true;
    if (step->shape == SU_REPLACE_ENDS) return in.bytes[0] != ' ' && in.bytes[in.size - 1] != ' ';
    if (step->shape == SU_REPLACE_START) return !starts(step, in);
    if (step->expression) return false;
    if (step->repeats < 2 || 2 * size > sizeof twice)
        return !memmem(in.bytes, in.size, step->pattern, size);
    memcpy(twice, step->pattern, size);
    memcpy(twice + size, step->pattern, size);
    return !memmem(in.bytes, in.size, twice, 2 * size);
}

bool su_normalize_changes_nothing(const SuNormalizerStep *step, SuTextView in)
{
    if (step->kind == SU_NORMALIZER_REPLACE) return replaces_nothing(step, in);
    return step->kind == SU_NORMALIZER_PRECOMPILED &&
           su_charsmap_leaves(&step->map, in.bytes, in.size);
}

SutraStatus su_normalize_prepend(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                 SutraError *err)
{
    Passage passage;
    size_t room;
    if (su_add_overflows(in.size, step->content_size, &room))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", in.size);
    SU_TRY(begin_passage(in, out, room, &passage, err));
    if (in.size == 0) return SUTRA_OK;
    append(out, step->content, step->content_size, in.source ? in.source[0] : in.first);
    pass_on(&passage, in.size);
    return SUTRA_OK;
}

/* What Nmt makes of a code point; 0 drops it. */
static uint32_t nmt_of(uint32_t c)
{
    bool control = (c >= 0x01 && c <= 0x08) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f ||
                   c == 0x8f || c == 0x9f;
    bool space = c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 ||
                 (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                 c == 0xfeff || c == 0xfffd;
    return control ? 0 : space ? ' ' : c;
}

SutraStatus su_normalize_nmt(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                             SutraError *err)
{
    Cursor cursor;
    (void)step;
    SU_TRY(begin(in, out, in.size, &cursor, err));
    while (next(&cursor)) {
        uint32_t to = nmt_of(cursor.code_point);
        if (to == cursor.code_point)
            append(out, in.bytes + cursor.at, cursor.size, cursor.source);
        else if (to)
            append(out, " ", 1, cursor.source);
    }
    return SUTRA_OK;
}

SutraStatus su_normalize_byte_level(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                    SutraError *err)
{
    Cursor cursor;
    size_t room;
    (void)step;
    if (su_mul_overflows(in.size, 2, &room))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", in.size);
    SU_TRY(begin(in, out, room, &cursor, err));
    while (next(&cursor)) {
        for (size_t i = 0; i < cursor.size; i++) {
            char symbol[4];
            unsigned char byte = (unsigned char)in.bytes[cursor.at + i];
            append(out, symbol, su_utf8_encode(su_byte_symbol(byte), symbol), cursor.source);
        }
    }
    return SUTRA_OK;
}
