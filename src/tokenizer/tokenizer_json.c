/* tokenizer.json section by section; each component reads its own. */
#include "base/memory.h"
#include "tokenizer/bpe.h"
#include "tokenizer/component_json.h"
#include "tokenizer/token_model_table.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/tokenizer_parts.h"

#include <string.h>

/* ---- model ---- */

SutraStatus su_tokenizer_read_vocabulary(const json_t *root, const char *where,
                                         SuVocabulary *vocabulary, SutraError *err)
{
    const json_t *json = json_object_get(root, "model");
    const SuTokenModelKind *kind;
    SU_TRY(su_token_model_kind(json, where, &kind, err));
    SU_TRY(kind->read_tokens(json, where, vocabulary, err));
    return su_vocabulary_finish(vocabulary, kind->same_texts, where, err);
}

static SutraStatus read_model(const json_t *root, const char *where, SuTokenizer *tokenizer,
                              SutraError *err)
{
    const SuTokenModelSource source = {.json = json_object_get(root, "model"),
                                       .vocabulary = &tokenizer->vocabulary,
                                       .pre_tokenizer = &tokenizer->pre_tokenizer,
                                       .where = where,
                                       .exact_scores = tokenizer->exact_scores};
    SU_TRY(su_token_model_kind(source.json, where, &tokenizer->model.kind, err));
    SU_TRY(su_tokenizer_read_vocabulary(root, where, &tokenizer->vocabulary, err));
    tokenizer->pre_tokenizer.keep_bytes =
        su_pre_tokenizer_ends_in_bytes(&tokenizer->pre_tokenizer) &&
        su_bpe_takes_bytes(source.json, &tokenizer->vocabulary);
    return su_token_model_create(&tokenizer->model, &source, err);
}

/* ---- added tokens ---- */

static SutraStatus add_token(const json_t *json, const char *where, SuTokenizer *tokenizer,
                             SutraError *err)
{
    SuAddedToken token = {0};
    const json_t *content = json_object_get(json, "content");
    if (!json_is_string(content))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: an added token has no content", where);
    token.content = (char *)json_string_value(content);
    token.size = json_string_length(content);
    const char *section = "added_tokens";
    SU_TRY(su_tokenizer_require_bool(json, section, "single_word", where, &token.single_word, err));
    SU_TRY(su_tokenizer_require_bool(json, section, "lstrip", where, &token.lstrip, err));
    SU_TRY(su_tokenizer_require_bool(json, section, "rstrip", where, &token.rstrip, err));
    SU_TRY(su_tokenizer_require_bool(json, section, "normalized", where, &token.normalized, err));
    SU_TRY(su_tokenizer_require_bool(json, section, "special", where, &token.special, err));
    SU_TRY(su_tokenizer_id(json_object_get(json, "id"), token.content, where, &token.id, err));
    return su_added_tokens_add(&tokenizer->added, &token, err);
}

static SutraStatus read_added_tokens(const json_t *json, const char *where, SuTokenizer *tokenizer,
                                     SutraError *err)
{
    if (json && !json_is_array(json))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: added_tokens is not an array", where);
    for (size_t i = 0; i < json_array_size(json); i++)
        SU_TRY(add_token(json_array_get(json, i), where, tokenizer, err));
    return SUTRA_OK;
}

/* ---- the file ---- */

/* Truncation and padding are the engine's to decide; that they can be read is checked. */
static SutraStatus check_unused(const json_t *root, const char *where, SutraError *err)
{
    static const char *const sections[] = {"truncation", "padding"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        const json_t *section = json_object_get(root, sections[i]);
        if (section && !json_is_null(section) && !json_is_object(section))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not an object", where, sections[i]);
    }
    const json_t *truncation = json_object_get(root, "truncation");
    if (json_is_object(truncation) && !json_is_number(json_object_get(truncation, "max_length")))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: truncation.max_length is not a number", where);
    const json_t *version = json_object_get(root, "version");
    if (version && (!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: version is not supported (known: 1.0)", where);
    return SUTRA_OK;
}

SutraStatus su_tokenizer_read_sections(const json_t *root, const char *where,
                                       SuTokenizer *tokenizer, SutraError *err)
{
    if (!json_is_object(root)) SU_RAISE(err, SUTRA_E_FORMAT, "%s: not a JSON object", where);
    SU_TRY(check_unused(root, where, err));
    SU_TRY(su_normalizer_from_json(json_object_get(root, "normalizer"), where,
                                   &tokenizer->normalizer, err));
    SU_TRY(su_pre_tokenizer_from_json(json_object_get(root, "pre_tokenizer"), where,
                                      &tokenizer->pre_tokenizer, err));
    SU_TRY(read_model(root, where, tokenizer, err));
    SU_TRY(read_added_tokens(json_object_get(root, "added_tokens"), where, tokenizer, err));
    SU_TRY(su_post_processor_from_json(json_object_get(root, "post_processor"), where,
                                       &tokenizer->post_processor, err));
    return su_decoder_from_json(json_object_get(root, "decoder"), where, &tokenizer->decoder, err);
}

static SutraStatus build(const json_t *root, const char *where, SuTokenizer *tokenizer,
                         SutraError *err)
{
    SU_TRY(su_tokenizer_read_sections(root, where, tokenizer, err));
    SU_TRY(su_added_tokens_finish(&tokenizer->added, &tokenizer->vocabulary, &tokenizer->normalizer,
                                  where, err));
    return su_tokenizer_finish(tokenizer, where, err);
}

SutraStatus su_tokenizer_from_json(const void *json, size_t size, const char *where,
                                   SuTokenizer **tokenizer, SutraError *err)
{
    json_t *root = NULL;
    *tokenizer = NULL;
    SU_TRY(su_json_parse(json, size, where, &root, err));
    SutraStatus status = su_tokenizer_from_root(root, where, tokenizer, err);
    json_decref(root);
    return status;
}

SutraStatus su_tokenizer_from_root(const json_t *root, const char *where, SuTokenizer **tokenizer,
                                   SutraError *err)
{
    SuTokenizer *made = su_calloc(1, sizeof *made);
    *tokenizer = NULL;
    if (!made) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    SutraStatus status = build(root, where, made, err);
    if (status == SUTRA_OK)
        *tokenizer = made;
    else
        su_tokenizer_free(made);
    return status;
}
