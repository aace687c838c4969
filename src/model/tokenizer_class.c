/* Which tokenizer class a folder names, and whether it is one of ours.
 *
 * The first that is given: tokenizer_config.json's tokenizer_class, config.json's, the family's
 * own; a family whose own is the generic one (ModernBERT) has it whatever is named. A class that
 * cuts words otherwise (BertJapaneseTokenizer: MeCab or single characters), and code of the model's
 * own (auto_map), is refused by name. */
#include "model/model_parts.h"

#include <string.h>

/* transformers 5.24; several names are BertTokenizer under the name of another model. */
static const struct {
    const char *name;
    SuTokenizerClass class;
} classes[] = {{"BertTokenizer", SU_TOKENIZER_BERT},
               {"DistilBertTokenizer", SU_TOKENIZER_BERT},
               {"ElectraTokenizer", SU_TOKENIZER_BERT},
               {"MobileBertTokenizer", SU_TOKENIZER_BERT},
               {"ConvBertTokenizer", SU_TOKENIZER_BERT},
               {"SqueezeBertTokenizer", SU_TOKENIZER_BERT},
               {"LxmertTokenizer", SU_TOKENIZER_BERT},
               {"DPRQuestionEncoderTokenizer", SU_TOKENIZER_BERT},
               {"DPRContextEncoderTokenizer", SU_TOKENIZER_BERT},
               {"LayoutLMTokenizer", SU_TOKENIZER_BERT},
               {"MPNetTokenizer", SU_TOKENIZER_MPNET},
               {"RobertaTokenizer", SU_TOKENIZER_ROBERTA},
               {"XLMRobertaTokenizer", SU_TOKENIZER_XLM_ROBERTA},
               {"CamembertTokenizer", SU_TOKENIZER_CAMEMBERT},
               {"GPT2Tokenizer", SU_TOKENIZER_GPT2},
               {"Qwen2Tokenizer", SU_TOKENIZER_QWEN2},
               {"LlamaTokenizer", SU_TOKENIZER_LLAMA},
               {"GemmaTokenizer", SU_TOKENIZER_GEMMA},
               {"PreTrainedTokenizerFast", SU_TOKENIZER_GENERIC},
               {"PreTrainedTokenizer", SU_TOKENIZER_GENERIC},
               {"TokenizersBackend", SU_TOKENIZER_GENERIC}};

/* `name` is `known`, or the same with "Fast" after it; a generic class is so in full alone. */
static bool is_class(const char *name, const char *known, SuTokenizerClass class)
{
    size_t size = strlen(known);
    bool same = strncmp(name, known, size) == 0;
    return same &&
           (!name[size] || (class != SU_TOKENIZER_GENERIC && strcmp(name + size, "Fast") == 0));
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

const char *su_tokenizer_class_find(const char *name, SuTokenizerClass *class)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (is_class(name, classes[i].name, classes[i].class)) {
            if (class) *class = classes[i].class;
            return classes[i].name;
        }
    return NULL;
}

SutraStatus su_tokenizer_class(const SuConfigFile *tokenizer_config, const SuConfigFile *config,
                               const char *fallback, SuTokenizerClass *class, const char **known,
                               SutraError *err)
{
    const char *name = NULL;
    const SuConfigFile *file = tokenizer_config;
    SU_TRY(check_auto_map(tokenizer_config->root, tokenizer_config->path, err));
    SU_TRY(su_json_get_string(file->root, "tokenizer_class", file->path, &name, err));
    if (!name) {
        file = config;
        SU_TRY(su_json_get_string(file->root, "tokenizer_class", file->path, &name, err));
    }
    SuTokenizerClass own = SU_TOKENIZER_BERT;
    const char *own_name = su_tokenizer_class_find(fallback, &own);
    if (!name || (own_name && own == SU_TOKENIZER_GENERIC)) name = fallback;
    *known = su_tokenizer_class_find(name, class);
    if (*known) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_UNSUPPORTED,
             "%s: tokenizer_class \"%.60s\" is not supported; known: BertTokenizer, "
             "MPNetTokenizer, RobertaTokenizer, XLMRobertaTokenizer, CamembertTokenizer, "
             "GPT2Tokenizer, Qwen2Tokenizer, LlamaTokenizer, GemmaTokenizer, "
             "PreTrainedTokenizerFast",
             file->path, name);
}
