#include "tokenizer/token_row.h"

#include "base/memory.h"

#include <string.h>

#define FIRST_CAPACITY 256u

void su_token_row_free(SuTokenRow *row)
{
    su_free(row->ids);
    su_free(row->begin);
    su_free(row->end);
    *row = (SuTokenRow){0};
}

static void set_stop(SuTokenRow *row)
{
    row->stop = row->capacity;
    if (row->with_offsets && row->offset_capacity < row->stop) row->stop = row->offset_capacity;
    if (!row->keep_end && row->limit < row->stop) row->stop = row->limit;
}

void su_token_row_begin(SuTokenRow *row, size_t limit, bool keep_end, bool with_offsets)
{
    row->size = row->seen = 0;
    row->limit = limit;
    row->keep_end = keep_end && limit != SIZE_MAX;
    row->with_offsets = with_offsets;
    set_stop(row);
}

static SutraStatus grow(void **array, size_t count, SutraError *err)
{
    void *grown = su_realloc(*array, count, sizeof(int32_t));
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", count);
    *array = grown;
    return SUTRA_OK;
}

SutraStatus su_token_row_reserve(SuTokenRow *row, size_t tokens, bool with_offsets, SutraError *err)
{
    if (tokens > row->capacity) {
        SU_TRY(grow((void **)&row->ids, tokens, err));
        row->capacity = tokens;
    }
    if (with_offsets && tokens > row->offset_capacity) {
        SU_TRY(grow((void **)&row->begin, tokens, err));
        SU_TRY(grow((void **)&row->end, tokens, err));
        row->offset_capacity = tokens;
    }
    return SUTRA_OK;
}

static void drop_front(SuTokenRow *row)
{
    size_t front = row->size - row->limit;
    memmove(row->ids, row->ids + front, row->limit * sizeof *row->ids);
    if (row->with_offsets) {
        memmove(row->begin, row->begin + front, row->limit * sizeof *row->begin);
        memmove(row->end, row->end + front, row->limit * sizeof *row->end);
    }
    row->size = row->limit;
}

SutraStatus su_token_row_push_full(SuTokenRow *row, int32_t id, uint32_t begin, uint32_t end,
                                   SutraError *err)
{
    if (row->limit == 0 || (!row->keep_end && row->size >= row->limit)) {
        row->seen++;
        return SUTRA_OK;
    }
    if (row->keep_end && row->size / 2 >= row->limit) {
        drop_front(row);
    } else {
        size_t wanted = row->size < FIRST_CAPACITY / 2 ? FIRST_CAPACITY : row->size * 2;
        SU_TRY(su_token_row_reserve(row, wanted, row->with_offsets, err));
        set_stop(row);
    }
    return su_token_row_push(row, id, begin, end, err);
}

size_t su_token_row_kept(const SuTokenRow *row, size_t keep, size_t *kept)
{
    *kept = row->size < keep ? row->size : keep;
    return row->keep_end ? row->size - *kept : 0;
}
