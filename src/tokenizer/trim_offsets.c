/* trim_offsets.c - white space at the ends of a token is left out of its offsets: that of its text,
 * in which ByteLevel writes a space as a character of its own. One space at the start of the first
 * token stays when it may have been added (trim_keeps_prefix). */
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer_parts.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

static bool is_space(uint32_t code_point)
{
    return code_point == SU_BYTE_SPACE_SYMBOL ||
           (su_unicode_properties(code_point) & SU_CP_SPACE) != 0;
}

typedef struct Spaces {
    uint32_t leading, trailing; /* code points */
} Spaces;

static Spaces count_spaces(const char *text, size_t size)
{
    Spaces spaces = {0};
    size_t step, begin;
    for (size_t at = 0; at < size && is_space(su_utf8_decode(text + at, &step)); at += step)
        spaces.leading++;
    for (size_t at = size; at > 0 && is_space(su_utf8_decode_before(text, at, &begin)); at = begin)
        spaces.trailing++;
    return spaces;
}

/* Walks over the original text, for added tokens that have taken white space around them. */
typedef struct Place {
    const char *text;
    size_t byte;
    uint32_t code_point;
} Place;

static size_t byte_of(Place *place, uint32_t code_point)
{
    for (; place->code_point < code_point; place->code_point++) {
        size_t step;
        su_utf8_decode(place->text + place->byte, &step);
        place->byte += step;
    }
    for (; place->code_point > code_point; place->code_point--) {
        size_t begin;
        su_utf8_decode_before(place->text, place->byte, &begin);
        place->byte = begin;
    }
    return place->byte;
}

static Spaces spaces_of(const SuTokenizer *tokenizer, Place *place, const SuTokenRow *row,
                        size_t index)
{
    const SuAddedToken *added = su_added_tokens_with_id(&tokenizer->added, row->ids[index]);
    if (added && (added->lstrip || added->rstrip)) {
        size_t begin = byte_of(place, row->begin[index]), end = byte_of(place, row->end[index]);
        return count_spaces(place->text + begin, end - begin);
    }
    SuToken token = {0};
    if (added) return count_spaces(added->content, added->size);
    su_vocabulary_token(&tokenizer->vocabulary, row->ids[index], &token);
    return count_spaces(token.text, token.size);
}

void su_tokenizer_trim_offsets(const SuTokenizer *tokenizer, const char *text, SuTokenRow *row,
                               size_t from)
{
    Place place = {.text = text};
    for (size_t i = from; i < row->size; i++) {
        Spaces spaces = spaces_of(tokenizer, &place, row, i);
        uint32_t begin = row->begin[i], end = row->end[i];
        bool first = i == from || begin == 0;
        if (first && spaces.leading == 1 && tokenizer->post_processor.trim_keeps_prefix)
            spaces.leading = 0;
        row->begin[i] = spaces.leading < end - begin ? begin + spaces.leading : end;
        if (spaces.trailing && end >= spaces.trailing) {
            end -= spaces.trailing;
            row->end[i] = end > row->begin[i] ? end : row->begin[i];
        }
    }
}
