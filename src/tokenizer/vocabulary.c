#include "tokenizer/vocabulary.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_PADDING 16u /* bytes that may be read after any token */

/* Room for `size` more bytes of text, and padding after them. */
static SutraStatus reserve_text(SuVocabulary *vocabulary, size_t size, SutraError *err)
{
    size_t needed = vocabulary->text_size + size + TEXT_PADDING;
    if (needed < size || needed > UINT32_MAX)
        SU_RAISE(err, SUTRA_E_LIMIT, "the tokens are too long");
    if (needed <= vocabulary->text_capacity) return SUTRA_OK;
    size_t capacity = needed + vocabulary->text_capacity + 4096;
    char *grown = su_realloc(vocabulary->text, capacity, 1);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes", capacity);
    vocabulary->text = grown;
    vocabulary->text_capacity = capacity;
    return SUTRA_OK;
}

SutraStatus su_vocabulary_add(SuVocabulary *vocabulary, const char *text, size_t size, int32_t id,
                              SutraError *err)
{
    SU_TRY(reserve_text(vocabulary, size, err));
    if (vocabulary->count == vocabulary->capacity) {
        size_t capacity = vocabulary->capacity ? vocabulary->capacity * 2 : 1024;
        SuNewToken *grown = su_realloc(vocabulary->added, capacity, sizeof *grown);
        if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", capacity);
        vocabulary->added = grown;
        vocabulary->capacity = capacity;
    }
    vocabulary->added[vocabulary->count++] =
        (SuNewToken){(uint32_t)vocabulary->text_size, (uint32_t)size, id};
    if (size) memcpy(vocabulary->text + vocabulary->text_size, text, size);
    vocabulary->text_size += size;
    return SUTRA_OK;
}

SuToken su_vocabulary_at(const SuVocabulary *vocabulary, size_t index)
{
    uint32_t start = vocabulary->starts[index], end = vocabulary->starts[index + 1];
    bool inside = start <= end && end <= vocabulary->text_size;
    return (SuToken){.text = inside ? vocabulary->text + start : NULL,
                     .size = inside ? end - start : 0,
                     .id = vocabulary->ids ? vocabulary->ids[index] : (int32_t)index};
}

static uint64_t hash(const char *text, size_t size)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static int by_id(const void *a, const void *b)
{
    const SuNewToken *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static SutraStatus sort_by_id(SuVocabulary *vocabulary, const char *where, SutraError *err)
{
    bool sorted = true;
    for (size_t i = 1; i < vocabulary->count && sorted; i++)
        sorted = vocabulary->added[i - 1].id < vocabulary->added[i].id;
    if (sorted) return SUTRA_OK;
    qsort(vocabulary->added, vocabulary->count, sizeof *vocabulary->added, by_id);
    for (size_t i = 1; i < vocabulary->count; i++) {
        const SuNewToken *a = &vocabulary->added[i - 1], *b = &vocabulary->added[i];
        if (a->id == b->id)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: tokens \"%.*s\" and \"%.*s\" have the same id %d",
                     where, (int)(a->size < 64 ? a->size : 64), vocabulary->text + a->offset,
                     (int)(b->size < 64 ? b->size : 64), vocabulary->text + b->offset, (int)a->id);
    }
    return SUTRA_OK;
}

/* From `added`, sorted, to starts, ids and a text in the order of the ids. */
static SutraStatus arrange(SuVocabulary *vocabulary, const char *where, SutraError *err)
{
    size_t count = vocabulary->count, at = 0;
    char *text = su_calloc(vocabulary->text_size + TEXT_PADDING, 1);
    vocabulary->starts = su_alloc(count + 1, sizeof *vocabulary->starts);
    vocabulary->ids = su_alloc(count ? count : 1, sizeof *vocabulary->ids);
    if (!text || !vocabulary->starts || !vocabulary->ids) {
        su_free(text);
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory for %zu tokens", where, count);
    }
    for (size_t i = 0; i < count; i++) {
        const SuNewToken *token = &vocabulary->added[i];
        vocabulary->starts[i] = (uint32_t)at;
        vocabulary->ids[i] = token->id;
        if (token->size) memcpy(text + at, vocabulary->text + token->offset, token->size);
        at += token->size;
    }
    vocabulary->starts[count] = (uint32_t)at;
    su_free(vocabulary->text);
    su_free(vocabulary->added);
    vocabulary->text = text;
    vocabulary->text_size = vocabulary->text_capacity = at + TEXT_PADDING;
    vocabulary->added = NULL;
    return SUTRA_OK;
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t find_place(const SuVocabulary *vocabulary, const char *text, size_t size)
{
    size_t at = hash(text, size) & vocabulary->mask;
    for (; vocabulary->places[at]; at = (at + 1) & vocabulary->mask) {
        SuToken token = su_vocabulary_at(vocabulary, vocabulary->places[at] - 1);
        if (token.text && token.size == size && memcmp(token.text, text, size) == 0) break;
    }
    return at;
}

/* Indexes the tokens by text; with SU_SAME_TEXTS_LAST ids that are dropped become -1. */
static SutraStatus index_texts(SuVocabulary *vocabulary, SuSameTexts texts, size_t *dropped,
                               const char *where, SutraError *err)
{
    memset(vocabulary->places, 0, (vocabulary->mask + 1) * sizeof *vocabulary->places);
    *dropped = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        size_t at = find_place(vocabulary, token.text, token.size);
        int32_t *same =
            vocabulary->places[at] ? &vocabulary->ids[vocabulary->places[at] - 1] : NULL;
        if (same && texts == SU_SAME_TEXTS_FAIL)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: token \"%.*s\" has the ids %d and %d", where,
                     (int)(token.size < 64 ? token.size : 64), token.text, (int)*same,
                     (int)token.id);
        if (same && texts == SU_SAME_TEXTS_LAST) {
            *same = -1;
            (*dropped)++;
        }
        vocabulary->places[at] = (uint32_t)(i + 1);
    }
    return SUTRA_OK;
}

/* Tokens of id -1; their bytes go with them. */
static void remove_dropped(SuVocabulary *vocabulary)
{
    size_t kept = 0, at = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        if (token.id < 0) continue;
        memmove(vocabulary->text + at, token.text, token.size);
        vocabulary->starts[kept] = (uint32_t)at;
        vocabulary->ids[kept++] = token.id;
        at += token.size;
    }
    vocabulary->starts[kept] = (uint32_t)at;
    vocabulary->count = kept;
    vocabulary->text_size = at + TEXT_PADDING;
    memset(vocabulary->text + at, 0, TEXT_PADDING);
}

static void leave_out_ids(SuVocabulary *vocabulary)
{
    for (size_t i = 0; i < vocabulary->count; i++)
        if (vocabulary->ids[i] != (int32_t)i) return;
    su_free(vocabulary->ids);
    vocabulary->ids = NULL;
}

SutraStatus su_vocabulary_finish(SuVocabulary *vocabulary, SuSameTexts same, const char *where,
                                 SutraError *err)
{
    size_t dropped, size = 16;
    if (vocabulary->count >= UINT32_MAX)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: %zu tokens are too many", where, vocabulary->count);
    SU_TRY(sort_by_id(vocabulary, where, err));
    SU_TRY(arrange(vocabulary, where, err));
    while (size < vocabulary->count * 2) size *= 2;
    vocabulary->places = su_alloc(size, sizeof *vocabulary->places);
    if (!vocabulary->places) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", size);
    vocabulary->mask = size - 1;
    SU_TRY(index_texts(vocabulary, same, &dropped, where, err));
    if (dropped) {
        remove_dropped(vocabulary);
        SU_TRY(index_texts(vocabulary, SU_SAME_TEXTS_FAIL, &dropped, where, err));
    }
    leave_out_ids(vocabulary);
    return SUTRA_OK;
}

void su_vocabulary_free(SuVocabulary *vocabulary)
{
    su_free(vocabulary->added);
    su_free(vocabulary->starts);
    su_free(vocabulary->ids);
    su_free(vocabulary->text);
    su_free(vocabulary->places);
    *vocabulary = (SuVocabulary){0};
}

bool su_vocabulary_find(const SuVocabulary *vocabulary, const char *text, size_t size,
                        SuToken *token)
{
    if (!vocabulary->places) return false;
    uint32_t place = vocabulary->places[find_place(vocabulary, text, size)];
    if (place) *token = su_vocabulary_at(vocabulary, place - 1);
    return place != 0;
}

/* The index of an id, or count. */
static size_t index_of(const SuVocabulary *vocabulary, int32_t id)
{
    if (!vocabulary->ids)
        return id >= 0 && (size_t)id < vocabulary->count ? (size_t)id : vocabulary->count;
    size_t low = 0, high = vocabulary->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vocabulary->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < vocabulary->count && vocabulary->ids[low] == id ? low : vocabulary->count;
}

bool su_vocabulary_token(const SuVocabulary *vocabulary, int32_t id, SuToken *token)
{
    size_t index = index_of(vocabulary, id);
    if (index < vocabulary->count) *token = su_vocabulary_at(vocabulary, index);
    return index < vocabulary->count;
}
