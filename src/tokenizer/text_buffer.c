#include "tokenizer/text_buffer.h"

#include "base/memory.h"

#include <string.h>

static SutraStatus grow(void **array, size_t count, size_t size, SutraError *err)
{
    void *grown = su_realloc(*array, count, size);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", count);
    *array = grown;
    return SUTRA_OK;
}

SutraStatus su_text_reserve(SuText *text, size_t size, bool with_source, SutraError *err)
{
    size_t wanted;
    if (su_add_overflows(size, SU_TEXT_PADDING, &wanted))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", size);
    if (wanted > text->capacity) {
        SU_TRY(grow((void **)&text->bytes, wanted, 1, err));
        text->capacity = wanted;
    }
    if (with_source && wanted > text->source_capacity) {
        SU_TRY(grow((void **)&text->source, wanted, sizeof(uint32_t), err));
        text->source_capacity = wanted;
    }
    return SUTRA_OK;
}

void su_text_finish(SuText *text) { memset(text->bytes + text->size, 0, SU_TEXT_PADDING); }

void su_text_free(SuText *text)
{
    su_free(text->bytes);
    su_free(text->source);
    *text = (SuText){0};
}
