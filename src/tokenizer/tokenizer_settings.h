/* tokenizer_settings.h - what the files of a model's folder say of its tokenizer, merged as
 * transformers merges them:
 *
 *   special_tokens_map.json (unless there is an added_tokens_decoder)
 *   over the caller's arguments over tokenizer_config.json */
#ifndef SU_TOKENIZER_SETTINGS_H
#define SU_TOKENIZER_SETTINGS_H

#include "base/json_file.h"

/* bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token */
#define SU_NUM_SPECIAL_NAMES 7u
extern const char *const su_special_token_names[SU_NUM_SPECIAL_NAMES];

/* The classes of transformers that there are here. All but the generic one take the vocabulary
 * alone from the files (rebuilt_class.h). */
typedef enum SuTokenizerClass {
    SU_TOKENIZER_GENERIC = 0, /* tokenizer.json as it is */
    SU_TOKENIZER_BERT,
    SU_TOKENIZER_MPNET,
    SU_TOKENIZER_ROBERTA,
    SU_TOKENIZER_XLM_ROBERTA,
    SU_TOKENIZER_CAMEMBERT,
    SU_TOKENIZER_GPT2,
    SU_TOKENIZER_QWEN2,
    SU_TOKENIZER_LLAMA,
    SU_TOKENIZER_GEMMA
} SuTokenizerClass;

/* Everything is borrowed for the call; JSON values are objects, or NULL where a file is absent. */
typedef struct SuTokenizerFiles {
    const char *where;    /* path of tokenizer.json, or else of vocab.txt */
    const json_t *json;   /* tokenizer.json, or what there is of it in a SentencePiece model */
    const json_t *pieces; /* such a model (sentencepiece_model.h); NULL: json is a file */
    const char *vocab;    /* [vocab_size] vocab.txt; read when json is NULL */
    size_t vocab_size;
    const char *config_where; /* path of tokenizer_config.json */
    const json_t *config;     /* tokenizer_config.json */
    const json_t *arguments;  /* tokenizer_args of sentence_bert_config.json: win over config */
    const json_t *special_tokens_map;
    const char *added_where; /* path of added_tokens.json */
    const json_t *added_tokens;
    SuTokenizerClass class;
    bool lowercase_first; /* texts are lowercased before the normaliser */
} SuTokenizerFiles;

typedef struct SuTokenizerSettings {
    const SuTokenizerFiles *files; /* borrowed */
    json_t *merged;                /* owned */
    json_t *own_names;             /* owned; special tokens by names of the model's own */
    bool has_decoder;              /* merged holds an added_tokens_decoder */
    bool late_extra;   /* the extra tokens came from special_tokens_map.json's older name, which the
                        reference looks at too late to call tokens of added_tokens.json special */
    bool raw_declared; /* declared tokens are found in the text as it is, whatever they say */
} SuTokenizerSettings;

/* To be freed whatever is returned. Errors: MEMORY. */
SutraStatus su_tokenizer_settings_read(const SuTokenizerFiles *files, SuTokenizerSettings *settings,
                                       SutraError *err);
void su_tokenizer_settings_free(SuTokenizerSettings *settings);

/* Tokens of a SentencePiece model are the extra ones unless tokenizer_config.json lists some.
 * False: out of memory. */
bool su_settings_take_pieces(SuTokenizerSettings *settings, json_t *tokens);

/* Of a token as these files write one, a text or an object with "content"; NULL: neither. */
const char *su_token_text(const json_t *token);

/* A key "…_token" that is not one of su_special_token_names, with a token of the model's own. */
bool su_settings_is_own_name(const char *key, const json_t *value);

/* A token that has a name is special, whatever it says. */
bool su_settings_becomes_special(const SuTokenizerSettings *settings, const char *text);

/* The same of the standard names and the extra tokens alone. */
bool su_settings_is_named_special(const SuTokenizerSettings *settings, const char *text);

#endif
