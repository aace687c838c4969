#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/component_json.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

#include <string.h>

SutraStatus su_pre_tokenizer_from_json(const json_t *json, const char *where,
                                       SuPreTokenizer *pre_tokenizer, SutraError *err)
{
    *pre_tokenizer = SU_PRE_TOKENIZER_NONE;
    if (!json || json_is_null(json)) return SUTRA_OK;
    const char *type;
    SU_TRY(su_tokenizer_component_type(json, "pre_tokenizer", where, &type, err));
    if (strcmp(type, "BertPreTokenizer") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: pre_tokenizer \"%.64s\" is not supported (known: BertPreTokenizer)", where,
                 type);
    *pre_tokenizer = SU_PRE_TOKENIZER_BERT;
    return SUTRA_OK;
}

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

bool su_pre_tokenizer_next(SuPreTokenizer pre_tokenizer, const char *text, size_t size, size_t *at,
                           size_t *begin)
{
    if (pre_tokenizer == SU_PRE_TOKENIZER_BERT) return next_bert(text, size, at, begin);
    *begin = *at;
    *at = size;
    return *begin < size;
}
