#include "tokenizer/token_model_table.h"

#include "tokenizer/bpe.h"
#include "tokenizer/component_json.h"
#include "tokenizer/unigram.h"
#include "tokenizer/word_level.h"
#include "tokenizer/wordpiece.h"

#include <string.h>

static const SuTokenModelKind *const kinds[] = {&su_wordpiece_kind, &su_bpe_kind,
                                                &su_word_level_kind, &su_unigram_kind};

#define KNOWN_MODELS "WordPiece, BPE, WordLevel, Unigram"

const SuTokenModelKind *su_token_model_named(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i]->name) == 0) return kinds[i];
    return NULL;
}

SutraStatus su_token_model_kind(const json_t *json, const char *where,
                                const SuTokenModelKind **kind, SutraError *err)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    *kind = &su_wordpiece_kind;
    if (!type && json_object_get(json, "continuing_subword_prefix") &&
        json_object_get(json, "max_input_chars_per_word"))
        return SUTRA_OK; /* files written before models had a type */
    SU_TRY(su_tokenizer_component_type(json, "model", where, &type, err));
    *kind = su_token_model_named(type);
    if (!*kind)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: model \"%.64s\" is not supported (known: " KNOWN_MODELS ")", where, type);
    return SUTRA_OK;
}
