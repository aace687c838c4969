/* Which tokenizer class a folder names, and whether it is one of ours.
 *
 * The first that is given: tokenizer_config.json's tokenizer_class, config.json's, the family's
 * own. A class that cuts words otherwise (BertJapaneseTokenizer: MeCab or single characters), and
 * code of the model's own (auto_map), is refused by name. */
#include "model/model_parts.h"

#include <string.h>

/* transformers 5.24: all of these are BertTokenizer, under the name of another model. */
static const char *const rebuilt_classes[] = {
    "BertTokenizer",       "DistilBertTokenizer",         "ElectraTokenizer",
    "MobileBertTokenizer", "ConvBertTokenizer",           "SqueezeBertTokenizer",
    "LxmertTokenizer",     "DPRQuestionEncoderTokenizer", "DPRContextEncoderTokenizer",
    "LayoutLMTokenizer"};
static const char *const generic_classes[] = {"PreTrainedTokenizerFast", "PreTrainedTokenizer",
                                              "TokenizersBackend"};

/* `name` is `known`, or the same with "Fast" after it. */
static bool is_class(const char *name, const char *known)
{
    size_t size = strlen(known);
    return strncmp(name, known, size) == 0 && (!name[size] || strcmp(name + size, "Fast") == 0);
}

/* {"AutoTokenizer": ["custom.MyTokenizer", null]}, or the list alone. */
static SutraStatus check_auto_map(const json_t *config, const char *where, SutraError *err)
{
    const json_t *map = json_object_get(config, "auto_map");
    const json_t *entry = json_is_object(map) ? json_object_get(map, "AutoTokenizer") : map;
    if (!entry || json_is_null(entry)) return SUTRA_OK;
    if (json_is_array(entry)) {
        const json_t *first = json_array_get(entry, 0);
        entry = json_is_string(first) ? first : json_array_get(entry, 1);
    }
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: the tokenizer is custom code (auto_map: %.80s), which is not supported", where,
             json_is_string(entry) ? json_string_value(entry) : "AutoTokenizer");
}

bool su_tokenizer_class_find(const char *name, bool *rebuilt)
{
    bool made_anew = false, generic = false;
    for (size_t i = 0; i < sizeof rebuilt_classes / sizeof *rebuilt_classes; i++)
        made_anew = made_anew || is_class(name, rebuilt_classes[i]);
    for (size_t i = 0; i < sizeof generic_classes / sizeof *generic_classes; i++)
        generic = generic || strcmp(name, generic_classes[i]) == 0;
    if (rebuilt) *rebuilt = made_anew;
    return made_anew || generic;
}

SutraStatus su_tokenizer_class(const SuConfigFile *tokenizer_config, const SuConfigFile *config,
                               const char *fallback, bool *rebuilt, SutraError *err)
{
    const char *name = NULL;
    const SuConfigFile *file = tokenizer_config;
    SU_TRY(check_auto_map(tokenizer_config->root, tokenizer_config->path, err));
    SU_TRY(su_json_get_string(file->root, "tokenizer_class", file->path, &name, err));
    if (!name) {
        file = config;
        SU_TRY(su_json_get_string(file->root, "tokenizer_class", file->path, &name, err));
    }
    if (!name) name = fallback;
    if (su_tokenizer_class_find(name, rebuilt)) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: tokenizer_class \"%.60s\" is not supported; known: BertTokenizer, "
             "PreTrainedTokenizerFast",
             file->path, name);
}
