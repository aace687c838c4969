#include "tokenizer/normalizer.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "tokenizer/normalize_steps.h"
#include "unicode/utf8.h"

#include <string.h>

/* ---- the list ---- */

SutraStatus su_normalizer_add(SuNormalizer *normalizer, const SuNormalizerStep *step,
                              SutraError *err)
{
    size_t count = normalizer->count + 1;
    SuNormalizerStep *grown = su_realloc(normalizer->steps, count, sizeof *grown);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu normalisers", count);
    grown[normalizer->count++] = *step;
    normalizer->steps = grown;
    return SUTRA_OK;
}

void su_normalizer_free(SuNormalizer *normalizer)
{
    su_free(normalizer->steps);
    *normalizer = (SuNormalizer){0};
}

SuNormalizerStep *su_normalizer_bert(const SuNormalizer *normalizer)
{
    bool alone = normalizer->count == 1 && normalizer->steps[0].kind == SU_NORMALIZER_BERT;
    return alone ? normalizer->steps : NULL;
}

static SutraStatus read_bert(const json_t *json, const char *where, SuNormalizerStep *step,
                             SutraError *err)
{
    const char *section = "normalizer";
    step->kind = SU_NORMALIZER_BERT;
    SU_TRY(su_tokenizer_require_bool(json, section, "clean_text", where, &step->clean_text, err));
    SU_TRY(su_tokenizer_require_bool(json, section, "handle_chinese_chars", where,
                                     &step->handle_chinese_chars, err));
    SU_TRY(su_tokenizer_require_bool(json, section, "lowercase", where, &step->lowercase, err));
    step->strip_accents = step->lowercase; /* null */
    return su_json_get_bool(json, "strip_accents", where, &step->strip_accents, err);
}

static SutraStatus read_step(const json_t *json, const char *where, void *to, SutraError *err)
{
    SuNormalizer *normalizer = to;
    SuNormalizerStep step = {0};
    const char *type;
    SU_TRY(su_tokenizer_component_type(json, "normalizer", where, &type, err));
    if (strcmp(type, "BertNormalizer") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: normalizer \"%.64s\" is not supported (known: BertNormalizer, Sequence)",
                 where, type);
    if (normalizer->count == SU_MAX_NORMALIZERS)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: normalizer has more than %u steps", where,
                 SU_MAX_NORMALIZERS);
    SU_TRY(read_bert(json, where, &step, err));
    return su_normalizer_add(normalizer, &step, err);
}

SutraStatus su_normalizer_from_json(const json_t *json, const char *where, SuNormalizer *normalizer,
                                    SutraError *err)
{
    const SuStepList list = {
        .section = "normalizer", .members = "normalizers", .read = read_step, .to = normalizer};
    *normalizer = (SuNormalizer){0};
    return su_tokenizer_read_steps(json, &list, where, err);
}

/* ---- running ---- */

static SutraStatus copy(SuTextView in, SuNormalized *out, SutraError *err)
{
    SU_TRY(su_text_reserve(&out->text, in.size, out->with_source, err));
    if (in.size) memcpy(out->text.bytes, in.bytes, in.size);
    out->text.size = in.size;
    if (!out->with_source) return SUTRA_OK;
    uint32_t source = in.first;
    for (size_t i = 0; i < in.size; i++) {
        if (i > 0 && !su_utf8_is_continuation(in.bytes[i])) source++;
        out->text.source[i] = source;
    }
    return SUTRA_OK;
}

SutraStatus su_normalizer_run(const SuNormalizer *normalizer, const char *text, size_t size,
                              uint32_t first, bool with_source, SuNormalized *normalized,
                              SutraError *err)
{
    SuTextView in = {.bytes = text, .size = size, .first = first};
    normalized->with_source = with_source;
    if (normalizer->count == 0) SU_TRY(copy(in, normalized, err));
    for (size_t i = 0; i < normalizer->count; i++) {
        if (i > 0) { /* what was made is what is read */
            SuText made = normalized->text;
            normalized->text = normalized->before;
            normalized->before = made;
            in = (SuTextView){
                .bytes = made.bytes, .source = with_source ? made.source : NULL, .size = made.size};
        }
        SU_TRY(su_normalize_bert(&normalizer->steps[i], in, normalized, err));
    }
    su_text_finish(&normalized->text);
    return SUTRA_OK;
}
