/* tokenizer_case.h - the files of a tokenizer's folder as one JSON object, for tests and fuzzers:
 *
 *   {"class": "LlamaTokenizer", "tokenizer": {…}, "vocab": "lines of vocab.txt", "config": {…},
 *    "arguments": {…}, "special_tokens_map": {…}, "added_tokens": {…}}
 *
 * All but the class may be missing. */
#ifndef SU_TEST_TOKENIZER_CASE_H
#define SU_TEST_TOKENIZER_CASE_H

#include "model/model_parts.h"
#include "tokenizer/tokenizer_files.h"

/* NULL unless it is an object, which is what the model's reader lets through. */
static inline json_t *su_test_case_object(const json_t *root, const char *key)
{
    json_t *value = json_object_get(root, key);
    return json_is_object(value) ? value : NULL;
}

/* Errors: FORMAT, and those of su_tokenizer_from_files. */
static inline SutraStatus su_test_tokenizer_case(const void *json, size_t size,
                                                 SuTokenizer **tokenizer, SutraError *err)
{
    json_t *root = NULL;
    *tokenizer = NULL;
    SU_TRY(su_json_parse(json, size, "case", &root, err));
    const char *vocab = json_string_value(json_object_get(root, "vocab"));
    const char *name = json_string_value(json_object_get(root, "class"));
    SuTokenizerFiles files = {.where = "tokenizer.json",
                              .json = su_test_case_object(root, "tokenizer"),
                              .vocab = vocab ? vocab : "",
                              .vocab_size = json_string_length(json_object_get(root, "vocab")),
                              .config_where = "tokenizer_config.json",
                              .config = su_test_case_object(root, "config"),
                              .arguments = su_test_case_object(root, "arguments"),
                              .special_tokens_map = su_test_case_object(root, "special_tokens_map"),
                              .added_where = "added_tokens.json",
                              .added_tokens = su_test_case_object(root, "added_tokens")};
    SutraStatus status;
    if (!name || !su_tokenizer_class_find(name, &files.class) ||
        (files.class == SU_TOKENIZER_GENERIC && !files.json))
        status = su_error_set(err, SUTRA_E_FORMAT, "case: no class, or no file of its");
    else
        status = su_tokenizer_from_files(&files, tokenizer, err);
    json_decref(root);
    return status;
}

#endif
