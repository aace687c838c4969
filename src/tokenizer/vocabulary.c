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
        SuToken *grown = su_realloc(vocabulary->tokens, capacity, sizeof *grown);
        if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", capacity);
        vocabulary->tokens = grown;
        vocabulary->capacity = capacity;
    }
    vocabulary->tokens[vocabulary->count++] =
        (SuToken){(uint32_t)vocabulary->text_size, (uint32_t)size, id};
    if (size) memcpy(vocabulary->text + vocabulary->text_size, text, size);
    vocabulary->text_size += size;
    return SUTRA_OK;
}

const char *su_vocabulary_text(const SuVocabulary *vocabulary, const SuToken *token)
{
    if ((uint64_t)token->offset + token->size > vocabulary->text_size) return NULL;
    return vocabulary->text + token->offset;
}

static uint64_t hash(const char *text, size_t size)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static int by_id(const void *a, const void *b)
{
    const SuToken *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static SutraStatus sort_by_id(SuVocabulary *vocabulary, const char *where, SutraError *err)
{
    bool sorted = true;
    for (size_t i = 1; i < vocabulary->count && sorted; i++)
        sorted = vocabulary->tokens[i - 1].id < vocabulary->tokens[i].id;
    if (sorted) return SUTRA_OK;
    qsort(vocabulary->tokens, vocabulary->count, sizeof *vocabulary->tokens, by_id);
    for (size_t i = 1; i < vocabulary->count; i++) {
        const SuToken *a = &vocabulary->tokens[i - 1], *b = &vocabulary->tokens[i];
        if (a->id == b->id)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: tokens \"%.*s\" and \"%.*s\" have the same id %d",
                     where, (int)(a->size < 64 ? a->size : 64), vocabulary->text + a->offset,
                     (int)(b->size < 64 ? b->size : 64), vocabulary->text + b->offset, (int)a->id);
    }
    return SUTRA_OK;
}

static SutraStatus pad_text(SuVocabulary *vocabulary, SutraError *err)
{
    SU_TRY(reserve_text(vocabulary, 0, err));
    memset(vocabulary->text + vocabulary->text_size, 0, TEXT_PADDING);
    vocabulary->text_size += TEXT_PADDING;
    return SUTRA_OK;
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t find_place(const SuVocabulary *vocabulary, const char *text, size_t size)
{
    size_t at = hash(text, size) & vocabulary->mask;
    for (; vocabulary->places[at]; at = (at + 1) & vocabulary->mask) {
        const SuToken *token = &vocabulary->tokens[vocabulary->places[at] - 1];
        if (token->size == size && memcmp(vocabulary->text + token->offset, text, size) == 0) break;
    }
    return at;
}

/* Indexes the tokens by text; a text that is there twice keeps its last token, or is an error. */
static SutraStatus index_texts(SuVocabulary *vocabulary, bool last_wins, size_t *dropped,
                               const char *where, SutraError *err)
{
    memset(vocabulary->places, 0, (vocabulary->mask + 1) * sizeof *vocabulary->places);
    *dropped = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        const SuToken *token = &vocabulary->tokens[i];
        size_t at = find_place(vocabulary, vocabulary->text + token->offset, token->size);
        SuToken *same =
            vocabulary->places[at] ? &vocabulary->tokens[vocabulary->places[at] - 1] : NULL;
        if (same && !last_wins)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: token \"%.*s\" has the ids %d and %d", where,
                     (int)(token->size < 64 ? token->size : 64), vocabulary->text + token->offset,
                     (int)same->id, (int)token->id);
        if (same) {
            same->id = -1;
            (*dropped)++;
        }
        vocabulary->places[at] = (uint32_t)(i + 1);
    }
    return SUTRA_OK;
}

static void remove_dropped(SuVocabulary *vocabulary)
{
    size_t kept = 0;
    for (size_t i = 0; i < vocabulary->count; i++)
        if (vocabulary->tokens[i].id >= 0) vocabulary->tokens[kept++] = vocabulary->tokens[i];
    vocabulary->count = kept;
}

SutraStatus su_vocabulary_finish(SuVocabulary *vocabulary, bool last_wins, const char *where,
                                 SutraError *err)
{
    size_t dropped, size = 16;
    if (vocabulary->count >= UINT32_MAX)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: %zu tokens are too many", where, vocabulary->count);
    SU_TRY(sort_by_id(vocabulary, where, err));
    SU_TRY(pad_text(vocabulary, err));
    while (size < vocabulary->count * 2) size *= 2;
    vocabulary->places = su_alloc(size, sizeof *vocabulary->places);
    if (!vocabulary->places) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", size);
    vocabulary->mask = size - 1;
    SU_TRY(index_texts(vocabulary, last_wins, &dropped, where, err));
    if (dropped == 0) return SUTRA_OK;
    remove_dropped(vocabulary);
    return index_texts(vocabulary, false, &dropped, where, err);
}

void su_vocabulary_free(SuVocabulary *vocabulary)
{
    su_free(vocabulary->tokens);
    su_free(vocabulary->text);
    su_free(vocabulary->places);
    *vocabulary = (SuVocabulary){0};
}

const SuToken *su_vocabulary_find(const SuVocabulary *vocabulary, const char *text, size_t size)
{
    if (!vocabulary->places) return NULL;
    uint32_t place = vocabulary->places[find_place(vocabulary, text, size)];
    return place ? &vocabulary->tokens[place - 1] : NULL;
}

const SuToken *su_vocabulary_token(const SuVocabulary *vocabulary, int32_t id)
{
    size_t low = 0, high = vocabulary->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vocabulary->tokens[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == vocabulary->count || vocabulary->tokens[low].id != id) return NULL;
    return &vocabulary->tokens[low];
}
