#include "tokenizer/pre_tokenizer.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

#include <string.h>

/* ---- the list ---- */

SutraStatus su_pre_tokenizer_add(SuPreTokenizer *pre_tokenizer, const SuPreTokenizerStep *step,
                                 SutraError *err)
{
    size_t count = pre_tokenizer->count + 1;
    SuPreTokenizerStep *grown = su_realloc(pre_tokenizer->steps, count, sizeof *grown);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu pre-tokenisers", count);
    grown[pre_tokenizer->count++] = *step;
    pre_tokenizer->steps = grown;
    return SUTRA_OK;
}

void su_pre_tokenizer_free(SuPreTokenizer *pre_tokenizer)
{
    su_free(pre_tokenizer->steps);
    *pre_tokenizer = (SuPreTokenizer){0};
}

bool su_pre_tokenizer_is_bert(const SuPreTokenizer *pre_tokenizer)
{
    return pre_tokenizer->count == 1 && pre_tokenizer->steps[0].kind == SU_PRE_TOKENIZER_BERT;
}

static SutraStatus read_step(const json_t *json, const char *where, void *to, SutraError *err)
{
    SuPreTokenizer *pre_tokenizer = to;
    const char *type;
    SU_TRY(su_tokenizer_component_type(json, "pre_tokenizer", where, &type, err));
    if (strcmp(type, "BertPreTokenizer") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: pre_tokenizer \"%.64s\" is not supported (known: BertPreTokenizer, Sequence)",
                 where, type);
    if (pre_tokenizer->count == SU_MAX_STEPS)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: pre_tokenizer has more than %u steps", where,
                 SU_MAX_STEPS);
    const SuPreTokenizerStep step = {.kind = SU_PRE_TOKENIZER_BERT};
    return su_pre_tokenizer_add(pre_tokenizer, &step, err);
}

SutraStatus su_pre_tokenizer_from_json(const json_t *json, const char *where,
                                       SuPreTokenizer *pre_tokenizer, SutraError *err)
{
    const SuStepList list = {.section = "pre_tokenizer",
                             .members = "pretokenizers",
                             .read = read_step,
                             .to = pre_tokenizer};
    *pre_tokenizer = (SuPreTokenizer){0};
    return su_tokenizer_read_steps(json, &list, where, err);
}

/* ---- running ---- */

static bool next_bert(const char *text, size_t size, size_t *at, size_t *begin)
{
    size_t step = 0, i = *at;
    uint8_t properties = SU_CP_SPACE;
    for (; i < size; i += step) {
        properties = su_unicode_properties(su_utf8_decode(text + i, &step));
        if (!(properties & SU_CP_SPACE)) break;
    }
    if (i >= size) return false;
    *begin = i;
    i += step;
    if (!(properties & SU_CP_PUNCTUATION)) {
        for (; i < size; i += step) {
            properties = su_unicode_properties(su_utf8_decode(text + i, &step));
            if (properties & (SU_CP_SPACE | SU_CP_PUNCTUATION)) break;
        }
    }
    *at = i;
    return true;
}

static SuTextView part_of(SuTextView text, size_t begin, size_t end)
{
    return (SuTextView){.bytes = text.bytes + begin,
                        .source = text.source ? text.source + begin : NULL,
                        .size = end - begin};
}

static SutraStatus run_steps(const SuPreTokenizer *pre_tokenizer, size_t index, SuTextView piece,
                             const SuWordSink *sink, SutraError *err)
{
    size_t at = 0, begin;
    if (index == pre_tokenizer->count) return sink->take(sink->context, piece, err);
    while (next_bert(piece.bytes, piece.size, &at, &begin))
        SU_TRY(run_steps(pre_tokenizer, index + 1, part_of(piece, begin, at), sink, err));
    return SUTRA_OK;
}

SutraStatus su_pre_tokenizer_run(const SuPreTokenizer *pre_tokenizer, SuTextView text,
                                 const SuWordSink *sink, SutraError *err)
{
    if (text.size == 0) return SUTRA_OK;
    return run_steps(pre_tokenizer, 0, text, sink, err);
}
