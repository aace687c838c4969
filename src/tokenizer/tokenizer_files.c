/* tokenizer_files.c - what transformers makes of a model's tokenizer files.
 *
 *   rebuilt class: vocabulary of the files; all else from the merged settings (rebuilt_class.h)
 *   generic class: tokenizer.json as it is, or what a SentencePiece model says of itself
 *   then the tokens that the files add (declared_tokens.h)
 */
#include "tokenizer/tokenizer_files.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "tokenizer/declared_tokens.h"
#include "tokenizer/ends_template.h"
#include "tokenizer/rebuilt_class.h"
#include "tokenizer/sentencepiece_generic.h"
#include "tokenizer/tokenizer_parts.h"

#include <string.h>

typedef struct Builder {
    SuTokenizerSettings settings;
    SuTokenizer *tokenizer;
} Builder;

/* ---- what the classes share ---- */

/* A Lowercase in front of the normaliser. That of a BertNormalizer is the BertNormalizer with
 * lowercase set and accents kept as it kept them: none of its steps tells cases apart. */
static SutraStatus lowercase_first(const Builder *builder, SutraError *err)
{
    SuNormalizer *normalizer = &builder->tokenizer->normalizer;
    SuNormalizerStep *bert = su_normalizer_bert(normalizer);
    const SuNormalizerStep lowercase = {.kind = SU_NORMALIZER_LOWERCASE};
    if (!builder->settings.files->lowercase_first) return SUTRA_OK;
    if (bert) {
        bert->lowercase = true;
        return SUTRA_OK;
    }
    SU_TRY(su_normalizer_add(normalizer, &lowercase, err));
    su_normalizer_last_first(normalizer);
    return SUTRA_OK;
}

/* The reference hands type ids to the encoder only where model_input_names lists them, which the
 * generic class does not by itself. */
static SutraStatus read_input_names(const Builder *builder, SutraError *err)
{
    const json_t *names = json_object_get(builder->settings.merged, "model_input_names");
    bool types = builder->settings.files->class == SU_TOKENIZER_BERT;
    if (names && !json_is_null(names)) {
        types = false;
        if (!json_is_array(names))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: model_input_names is not a list",
                     builder->settings.files->config_where);
        for (size_t i = 0; i < json_array_size(names); i++) {
            const char *name = json_string_value(json_array_get(names, i));
            types |= name && strcmp(name, "token_type_ids") == 0;
        }
    }
    if (!types) su_post_processor_clear_types(&builder->tokenizer->post_processor);
    return SUTRA_OK;
}

/* Classes with no pad_token of their own take the padding's. */
static SutraStatus take_padding(const Builder *builder, SutraError *err)
{
    const json_t *padding = json_object_get(builder->settings.files->json, "padding");
    json_t *token = json_object_get(padding, "pad_token");
    SuTokenizerClass class = builder->settings.files->class;
    if ((class != SU_TOKENIZER_GENERIC && class != SU_TOKENIZER_LLAMA) || !json_is_string(token) ||
        json_object_get(builder->settings.merged, "pad_token"))
        return SUTRA_OK;
    if (json_object_set(builder->settings.merged, "pad_token", token))
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", builder->settings.files->where);
    return SUTRA_OK;
}

/* U+2581 becomes a space, and the one that the first word was given goes. */
static SutraStatus read_piece_decoder(const Builder *builder, bool strips, SuDecoder *decoder,
                                      SutraError *err)
{
    const char *where = builder->settings.files->where;
    json_t *json = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]}", "type", "Sequence",
                             "decoders", "type", "Replace", "pattern", "String", "\u2581",
                             "content", " ", "type", "ByteFallback", "type", "Fuse");
    json_t *strip = strips ? json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ",
                                       "start", 1, "stop", 0)
                           : NULL;
    SutraStatus status = SUTRA_OK;
    if (!json || (strips && json_array_append_new(json_object_get(json, "decoders"), strip)))
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    if (status == SUTRA_OK) status = su_decoder_from_json(json, where, decoder, err);
    json_decref(json);
    return status;
}

/* That of the file, else of the class. */
static SutraStatus read_decoder(const Builder *builder, SutraError *err)
{
    static const char *const of_class[] = {[SU_TOKENIZER_BERT] = "WordPiece",
                                           [SU_TOKENIZER_MPNET] = "WordPiece",
                                           [SU_TOKENIZER_ROBERTA] = "ByteLevel",
                                           [SU_TOKENIZER_GPT2] = "ByteLevel",
                                           [SU_TOKENIZER_QWEN2] = "ByteLevel",
                                           [SU_TOKENIZER_XLM_ROBERTA] = "Metaspace",
                                           [SU_TOKENIZER_CAMEMBERT] = "Metaspace",
                                           [SU_TOKENIZER_LLAMA] = NULL,
                                           [SU_TOKENIZER_GEMMA] = NULL,
                                           [SU_TOKENIZER_GENERIC] = NULL};
    const SuTokenizerFiles *files = builder->settings.files;
    const json_t *json = json_object_get(files->json, "decoder");
    const json_t *prefix = json_object_get(builder->settings.merged, "add_prefix_space");
    SuDecoder *decoder = &builder->tokenizer->decoder;
    SU_TRY(su_decoder_from_json(json, files->where, decoder, err));
    if (decoder->is_there) return SUTRA_OK;
    if (of_class[files->class]) return su_decoder_by_name(of_class[files->class], decoder, err);
    bool strips = files->class == SU_TOKENIZER_LLAMA ? !json_is_false(prefix)
                                                     : files->class == SU_TOKENIZER_GENERIC;
    return read_piece_decoder(builder, strips, decoder, err);
}

static SutraStatus build(const SuTokenizerFiles *files, Builder *builder, SutraError *err)
{
    SuTokenizer *tokenizer = builder->tokenizer;
    SU_TRY(su_tokenizer_settings_read(files, &builder->settings, err));
    bool rebuilt = files->class != SU_TOKENIZER_GENERIC;
    if (rebuilt)
        SU_TRY(su_rebuilt_class_read(&builder->settings, tokenizer, err));
    else if (files->pieces)
        SU_TRY(su_sentencepiece_generic_read(&builder->settings, tokenizer, err));
    else
        SU_TRY(su_tokenizer_read_sections(files->json, files->where, tokenizer, err));
    if (rebuilt || files->pieces) SU_TRY(read_decoder(builder, err));
    SU_TRY(lowercase_first(builder, err));
    SU_TRY(take_padding(builder, err));
    SU_TRY(su_declared_tokens_add(&builder->settings, &tokenizer->added, err));
    SU_TRY(su_named_tokens_add(&builder->settings, &tokenizer->added, err));
    if (files->class == SU_TOKENIZER_QWEN2)
        su_named_tokens_make_plain(&builder->settings, &tokenizer->added);
    SU_TRY(su_json_get_bool(builder->settings.merged, "split_special_tokens", files->config_where,
                            &tokenizer->added.split_special, err));
    SU_TRY(su_added_tokens_finish(&tokenizer->added, &tokenizer->vocabulary, &tokenizer->normalizer,
                                  files->where, err));
    if (rebuilt)
        SU_TRY(su_rebuilt_class_set_template(&builder->settings, tokenizer, err));
    else if (files->pieces)
        SU_TRY(su_ends_template_set(&builder->settings, tokenizer, err));
    SU_TRY(read_input_names(builder, err));
    return su_tokenizer_finish(tokenizer, files->where, err);
}

SutraStatus su_tokenizer_from_files(const SuTokenizerFiles *files, SuTokenizer **tokenizer,
                                    SutraError *err)
{
    *tokenizer = NULL;
    Builder builder = {.tokenizer = su_calloc(1, sizeof **tokenizer)};
    if (!builder.tokenizer) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", files->where);
    SutraStatus status = build(files, &builder, err);
    su_tokenizer_settings_free(&builder.settings);
    if (status == SUTRA_OK)
        *tokenizer = builder.tokenizer;
    else
        su_tokenizer_free(builder.tokenizer);
    return status;
}

SutraStatus su_tokenizer_from_vocab(const void *vocab, size_t size, const void *config,
                                    size_t config_size, const char *where, SuTokenizer **tokenizer,
                                    SutraError *err)
{
    json_t *root = NULL;
    *tokenizer = NULL;
    if (config) SU_TRY(su_json_parse(config, config_size, where, &root, err));
    SuTokenizerFiles files = {.where = where,
                              .config_where = where,
                              .added_where = where,
                              .vocab = vocab,
                              .vocab_size = size,
                              .config = root,
                              .class = SU_TOKENIZER_BERT};
    SutraStatus status = SUTRA_OK;
    if (root && !json_is_object(root))
        status =
            su_error_set(err, SUTRA_E_FORMAT, "%s: the configuration is not a JSON object", where);
    if (status == SUTRA_OK) status = su_tokenizer_from_files(&files, tokenizer, err);
    json_decref(root);
    return status;
}
