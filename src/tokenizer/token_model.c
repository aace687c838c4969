/* What the token models share. */
#include "tokenizer/token_model.h"

#include "tokenizer/component_json.h"

#include <string.h>

SutraStatus su_token_model_allocate(SuTokenModel *model, const char *where, SutraError *err)
{
    model->data = su_calloc(1, model->kind->size);
    if (!model->data) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    return SUTRA_OK;
}

SutraStatus su_token_model_create(SuTokenModel *model, const SuTokenModelSource *source,
                                  SutraError *err)
{
    SU_TRY(su_token_model_allocate(model, source->where, err));
    return model->kind->fill(model->data, source, err);
}

SutraStatus su_token_model_open(SuTokenModel *model, SuArena *arena, const SuVocabulary *vocabulary,
                                uint32_t vocab_size, const char *where, SutraError *err)
{
    SU_TRY(su_token_model_allocate(model, where, err));
    model->mapped = true;
    if (!model->kind->attach(model->data, arena, vocabulary, vocab_size))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the compiled tokenizer is damaged (%s)", where,
                 model->kind->name);
    return SUTRA_OK;
}

void su_token_model_free(SuTokenModel *model)
{
    if (model->data && !model->mapped) model->kind->clear(model->data);
    su_free(model->data);
    *model = (SuTokenModel){0};
}

SutraStatus su_model_scratch_reserve(SuModelScratch *scratch, size_t size, SutraError *err)
{
    if (size <= scratch->capacity) return SUTRA_OK;
    size_t capacity = size + scratch->capacity;
    unsigned char *grown = capacity < size ? NULL : su_alloc_aligned(capacity);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a word (%zu bytes)", size);
    su_free_aligned(scratch->memory);
    scratch->memory = grown;
    scratch->capacity = capacity;
    return SUTRA_OK;
}

void su_model_scratch_free(SuModelScratch *scratch)
{
    su_free_aligned(scratch->memory);
    su_free_aligned(scratch->cache);
    *scratch = (SuModelScratch){0};
}

SutraStatus su_token_model_read_object(const json_t *json, const char *where,
                                       SuVocabulary *vocabulary, SutraError *err)
{
    const json_t *vocab = json_object_get(json, "vocab");
    if (!json_is_object(vocab))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: model.vocab is not an object", where);
    const char *text;
    json_t *value;
    json_object_foreach((json_t *)vocab, text, value)
    {
        int32_t id = 0;
        SU_TRY(su_tokenizer_id(value, text, where, &id, err));
        SU_TRY(su_vocabulary_add(vocabulary, text, strlen(text), id, err));
    }
    return SUTRA_OK;
}
