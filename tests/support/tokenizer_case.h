/* tokenizer_case.h - the files of a tokenizer's folder as one JSON object, for tests and fuzzers:
 *
 *   {"class": "LlamaTokenizer", "tokenizer": {…}, "vocab": "lines of vocab.txt", "config": {…},
 *    "arguments": {…}, "special_tokens_map": {…}, "added_tokens": {…}}
 *
 * All but the class may be missing. What follows a NUL after the object is a SentencePiece model,
 * in place of tokenizer.json. */
#ifndef SU_TEST_TOKENIZER_CASE_H
#define SU_TEST_TOKENIZER_CASE_H

#include "model/model_parts.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer_files.h"

#include <string.h>

/* NULL unless it is an object, which is what the model's reader lets through. */
static inline json_t *su_test_case_object(const json_t *root, const char *key)
{
    json_t *value = json_object_get(root, key);
    return json_is_object(value) ? value : NULL;
}

/* Errors: FORMAT, and those of su_sentencepiece_read and su_tokenizer_from_files. */
static inline SutraStatus su_test_tokenizer_case(const void *data, size_t size,
                                                 SuTokenizer **tokenizer, SutraError *err)
{
    const char *bytes = data, *end = size ? memchr(bytes, 0, size) : NULL;
    json_t *root = NULL, *pieces = NULL;
    *tokenizer = NULL;
    if (end)
        SU_TRY(su_sentencepiece_read(end + 1, size - (size_t)(end + 1 - bytes), "model", &pieces,
                                     err));
    SutraStatus status =
        su_json_parse(bytes, end ? (size_t)(end - bytes) : size, "case", &root, err);
    const char *vocab = json_string_value(json_object_get(root, "vocab"));
    const char *name = json_string_value(json_object_get(root, "class"));
    SuTokenizerFiles files = {.where = "tokenizer.json",
                              .json = pieces ? pieces : su_test_case_object(root, "tokenizer"),
                              .pieces = pieces,
                              .vocab = vocab ? vocab : "",
                              .vocab_size = json_string_length(json_object_get(root, "vocab")),
                              .config_where = "tokenizer_config.json",
                              .config = su_test_case_object(root, "config"),
                              .arguments = su_test_case_object(root, "arguments"),
                              .special_tokens_map = su_test_case_object(root, "special_tokens_map"),
                              .added_where = "added_tokens.json",
                              .added_tokens = su_test_case_object(root, "added_tokens")};
    bool known = status == SUTRA_OK && name && su_tokenizer_class_find(name, &files.class);
    if (known && (files.class != SU_TOKENIZER_GENERIC || files.json))
        status = su_tokenizer_from_files(&files, tokenizer, err);
    else if (status == SUTRA_OK)
        status = su_error_set(err, SUTRA_E_FORMAT, "case: no class, or no file of its");
    json_decref(root);
    json_decref(pieces);
    return status;
}

#endif
