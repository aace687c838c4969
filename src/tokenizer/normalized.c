#include "tokenizer/normalized.h"

#include "base/memory.h"

static SutraStatus reserve_marks(SuNormalized *out, size_t text_size, SutraError *err)
{
    if (text_size <= out->mark_capacity) return SUTRA_OK;
    /* the shortest mark has two bytes and two parts */
    uint32_t **arrays[] = {&out->marks, &out->mark_sources};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        uint32_t *grown = su_realloc(*arrays[i], text_size, sizeof *grown);
        if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", text_size);
        *arrays[i] = grown;
    }
    out->mark_capacity = text_size;
    return SUTRA_OK;
}

SutraStatus su_normalized_reserve(SuNormalized *normalized, size_t text_size, bool with_source,
                                  SutraError *err)
{
    size_t size;
    if (su_mul_overflows(text_size, SU_NORMALIZED_GROWTH, &size))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", text_size);
    SU_TRY(su_text_reserve(&normalized->text, size, with_source, err));
    return reserve_marks(normalized, text_size, err);
}

void su_normalized_free(SuNormalized *normalized)
{
    su_text_free(&normalized->text);
    su_text_free(&normalized->before);
    su_free(normalized->marks);
    su_free(normalized->mark_sources);
    su_pattern_scratch_free(&normalized->matches);
    *normalized = (SuNormalized){0};
}
