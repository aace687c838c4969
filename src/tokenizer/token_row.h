/* token_row.h - the growing row of tokens that one text becomes.
 *
 * With a limit the row stores little more than what is kept, however long the text is:
 *   keep the start   tokens after the limit are counted, not stored
 *   keep the end     up to twice the limit is stored; when that is full the last `limit` move to
 *                    the front
 */
#ifndef SU_TOKEN_ROW_H
#define SU_TOKEN_ROW_H

#include "base/status.h"

#include <stdbool.h>

typedef struct SuTokenRow {
    int32_t *ids;          /* [capacity] */
    uint32_t *begin, *end; /* [offset_capacity]; written when with_offsets */
    size_t size, seen;     /* stored; of the whole text */
    size_t stop;           /* size at which a push needs more than a store */
    size_t capacity, offset_capacity;
    size_t limit; /* SIZE_MAX: none */
    bool keep_end, with_offsets;
} SuTokenRow;

void su_token_row_free(SuTokenRow *row);

/* Empties the row for a new text. */
void su_token_row_begin(SuTokenRow *row, size_t limit, bool keep_end, bool with_offsets);

/* Room for `tokens`, without or with offsets. Errors: MEMORY. */
SutraStatus su_token_row_reserve(SuTokenRow *row, size_t tokens, bool with_offsets,
                                 SutraError *err);

/* The part of su_token_row_push that is seldom needed. */
SutraStatus su_token_row_push_full(SuTokenRow *row, int32_t id, uint32_t begin, uint32_t end,
                                   SutraError *err);

static inline SutraStatus su_token_row_push(SuTokenRow *row, int32_t id, uint32_t begin,
                                            uint32_t end, SutraError *err)
{
    size_t at = row->size;
    if (__builtin_expect(at >= row->stop, 0))
        return su_token_row_push_full(row, id, begin, end, err);
    row->ids[at] = id;
    if (row->with_offsets) {
        row->begin[at] = begin;
        row->end[at] = end;
    }
    row->size = at + 1;
    row->seen++;
    return SUTRA_OK;
}

/* Where the bytes of a word lie in the original text: byte i is code point source[i], or first + i
 * when source is NULL. */
typedef struct SuWordPlace {
    const uint32_t *source;
    uint32_t first;
} SuWordPlace;

/* Pushes the token of bytes [begin, end) of a word; begin < end. */
static inline SutraStatus su_token_row_push_bytes(SuTokenRow *row, int32_t id, size_t begin,
                                                  size_t end, SuWordPlace place, SutraError *err)
{
    uint32_t from = 0, to = 0;
    if (row->with_offsets && place.source) {
        from = place.source[begin];
        to = place.source[end - 1] + 1;
    } else if (row->with_offsets) {
        from = place.first + (uint32_t)begin;
        to = place.first + (uint32_t)end;
    }
    return su_token_row_push(row, id, from, to, err);
}

/* Where the kept tokens begin in the arrays when `keep` of them are wanted (keep ≤ limit);
 * *kept is how many there are. */
size_t su_token_row_kept(const SuTokenRow *row, size_t keep, size_t *kept);

#endif
