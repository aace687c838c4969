/* tokenizer_files.h - a tokenizer as transformers builds it from the files of a model's folder. */
#ifndef SU_TOKENIZER_FILES_H
#define SU_TOKENIZER_FILES_H

#include "base/json_file.h"
#include "tokenizer/tokenizer.h"

/* bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token */
#define SU_NUM_SPECIAL_NAMES 7u
extern const char *const su_special_token_names[SU_NUM_SPECIAL_NAMES];

/* Everything is borrowed for the call; JSON values are objects, or NULL where a file is absent. */
typedef struct SuTokenizerFiles {
    const char *where;  /* path of tokenizer.json, or else of vocab.txt */
    const json_t *json; /* tokenizer.json */
    const char *vocab;  /* [vocab_size] vocab.txt; read when json is NULL */
    size_t vocab_size;
    const char *config_where; /* path of tokenizer_config.json */
    const json_t *config;     /* tokenizer_config.json */
    const json_t *arguments;  /* tokenizer_args of sentence_bert_config.json: win over config */
    const json_t *special_tokens_map;
    const char *added_where; /* path of added_tokens.json */
    const json_t *added_tokens;
    bool rebuilt;         /* class BertTokenizer: of tokenizer.json only the vocabulary counts */
    bool lowercase_first; /* texts are lowercased before the normaliser */
} SuTokenizerFiles;

/* Errors: FORMAT, UNSUPPORTED, MEMORY. */
SutraStatus su_tokenizer_from_files(const SuTokenizerFiles *files, SuTokenizer **tokenizer,
                                    SutraError *err);

#endif
