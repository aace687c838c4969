/* rebuilt_class.c - as transformers 5.24 writes its classes:
 *
 *   BertTokenizer      WordPiece, BertNormalizer, BertPreTokenizer; [CLS] A [SEP], and B [SEP]
 *   MPNetTokenizer     the same, other names; <s> A </s>, and </s> B </s>
 *   RobertaTokenizer   BPE of bytes; <s> A </s>, and </s> B </s>
 *   XLMRobertaTokenizer   Unigram behind the file's Precompiled; the same template, of bos and eos
 *   CamembertTokenizer    the same, with its unknown token found by its text, and extra tokens
 *   GPT2Tokenizer      BPE of bytes
 *   Qwen2Tokenizer     the same behind NFC, words by Qwen's expression
 *   LlamaTokenizer     BPE with byte_fallback, one Metaspace for the whole text
 *   GemmaTokenizer     BPE with byte_fallback, spaces written as U+2581
 *
 * The last four keep the file's post_processor; without one they add no tokens. Llama's and Gemma's
 * have none of a SentencePiece model (ends_template.h).
 */
#include "tokenizer/rebuilt_class.h"

#include "tokenizer/ends_template.h"
#include "tokenizer/sentencepiece_bpe.h"
#include "tokenizer/token_model_table.h"
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/wordpiece.h"

#include <string.h>

#define MAX_CHARS_PER_WORD 100u

typedef struct SpecialName {
    const char *key, *fallback; /* fallback NULL: the class has none */
    bool optional;              /* may be null */
} SpecialName;

typedef struct Class {
    const char *name;
    SpecialName names[SU_NUM_SPECIAL_NAMES];
    bool strips_mask;    /* a mask token that is a text takes the white space before it */
    bool keeps_template; /* the post_processor is the file's */
    SutraStatus (*read)(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                        SutraError *err);
} Class;

static SutraStatus read_bert(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                             SutraError *err);
static SutraStatus read_roberta(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                SutraError *err);
static SutraStatus read_xlm_roberta(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                    SutraError *err);

static SutraStatus read_gpt2(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                             SutraError *err);
static SutraStatus read_qwen2(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                              SutraError *err);
static SutraStatus read_llama(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                              SutraError *err);
static SutraStatus read_gemma(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                              SutraError *err);

static const Class classes[] = {
    [SU_TOKENIZER_BERT] = {"BertTokenizer",
                           {{"unk_token", "[UNK]", false},
                            {"sep_token", "[SEP]", false},
                            {"pad_token", "[PAD]", true},
                            {"cls_token", "[CLS]", false},
                            {"mask_token", "[MASK]", true}},
                           false,
                           false,
                           read_bert},
    [SU_TOKENIZER_MPNET] = {"MPNetTokenizer",
                            {{"bos_token", "<s>", true},
                             {"eos_token", "</s>", true},
                             {"unk_token", "[UNK]", false},
                             {"sep_token", "</s>", false},
                             {"pad_token", "<pad>", true},
                             {"cls_token", "<s>", false},
                             {"mask_token", "<mask>", true}},
                            true,
                            false,
                            read_bert},
    [SU_TOKENIZER_ROBERTA] = {"RobertaTokenizer",
                              {{"bos_token", "<s>", true},
                               {"eos_token", "</s>", true},
                               {"unk_token", "<unk>", true},
                               {"sep_token", "</s>", false},
                               {"pad_token", "<pad>", true},
                               {"cls_token", "<s>", false},
                               {"mask_token", "<mask>", true}},
                              false,
                              false,
                              read_roberta},
    [SU_TOKENIZER_XLM_ROBERTA] = {"XLMRobertaTokenizer",
                                  {{"bos_token", "<s>", false},
                                   {"eos_token", "</s>", false},
                                   {"unk_token", "<unk>", true},
                                   {"sep_token", "</s>", true},
                                   {"pad_token", "<pad>", true},
                                   {"cls_token", "<s>", true},
                                   {"mask_token", "<mask>", true}},
                                  false,
                                  false,
                                  read_xlm_roberta},
    [SU_TOKENIZER_CAMEMBERT] = {"CamembertTokenizer",
                                {{"bos_token", "<s>", false},
                                 {"eos_token", "</s>", false},
                                 {"unk_token", "<unk>", true},
                                 {"sep_token", "</s>", true},
                                 {"pad_token", "<pad>", true},
                                 {"cls_token", "<s>", true},
                                 {"mask_token", "<mask>", true}},
                                true,
                                false,
                                read_xlm_roberta},
    [SU_TOKENIZER_GPT2] = {"GPT2Tokenizer",
                           {{"bos_token", "<|endoftext|>", true},
                            {"eos_token", "<|endoftext|>", true},
                            {"unk_token", "<|endoftext|>", true}},
                           false,
                           true,
                           read_gpt2},
    [SU_TOKENIZER_QWEN2] = {"Qwen2Tokenizer",
                            {{"eos_token", "<|endoftext|>", true},
                             {"unk_token", "<|endoftext|>", true},
                             {"pad_token", "<|endoftext|>", true}},
                            false,
                            true,
                            read_qwen2},
    [SU_TOKENIZER_LLAMA] = {"LlamaTokenizer",
                            {{"bos_token", "<s>", true},
                             {"eos_token", "</s>", true},
                             {"unk_token", "<unk>", true}},
                            false,
                            true,
                            read_llama},
    [SU_TOKENIZER_GEMMA] = {"GemmaTokenizer",
                            {{"bos_token", "<bos>", true},
                             {"eos_token", "<eos>", true},
                             {"unk_token", "<unk>", true},
                             {"pad_token", "<pad>", true},
                             {"mask_token", "<mask>", true}},
                            false,
                            true,
                            read_gemma},
};

/* Whether the class is XLM-RoBERTa's, or CamemBERT's, which differs in names alone. */
static bool is_unigram_class(const SuTokenizerSettings *settings)
{
    SuTokenizerClass class = settings->files->class;
    return class == SU_TOKENIZER_XLM_ROBERTA || class == SU_TOKENIZER_CAMEMBERT;
}

static const Class *class_of(const SuTokenizerSettings *settings)
{
    return &classes[settings->files->class];
}

static SutraStatus out_of_memory(const SuTokenizerSettings *settings, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", settings->files->where);
}

/* ---- names ---- */

static SutraStatus complete_names(const SuTokenizerSettings *settings, SutraError *err)
{
    for (size_t i = 0; i < SU_NUM_SPECIAL_NAMES; i++) {
        const SpecialName *name = &class_of(settings)->names[i];
        if (!name->key) continue;
        const json_t *json = json_object_get(settings->merged, name->key);
        if (!json && json_object_set_new(settings->merged, name->key, json_string(name->fallback)))
            return out_of_memory(settings, err);
        if (json && !su_token_text(json) && !(json_is_null(json) && name->optional))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not a token", settings->files->config_where,
                     name->key);
    }
    return SUTRA_OK;
}

/* Tokens that the class adds where the files name none. */
static SutraStatus complete_extra(SuTokenizerSettings *settings, SutraError *err)
{
    if (settings->files->class != SU_TOKENIZER_CAMEMBERT ||
        json_object_get(settings->merged, "extra_special_tokens"))
        return SUTRA_OK;
    settings->late_extra = true;
    json_t *extra = json_pack("[s, s, s]", "<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED");
    if (!extra || json_object_set_new(settings->merged, "extra_special_tokens", extra))
        return out_of_memory(settings, err);
    return SUTRA_OK;
}

static SutraStatus strip_mask(const SuTokenizerSettings *settings, SutraError *err)
{
    const json_t *mask = json_object_get(settings->merged, "mask_token");
    if (!class_of(settings)->strips_mask || !json_is_string(mask)) return SUTRA_OK;
    json_t *token = json_pack("{s:s, s:s, s:b, s:b, s:b, s:b}", "__type", "AddedToken", "content",
                              json_string_value(mask), "lstrip", 1, "rstrip", 0, "normalized", 0,
                              "single_word", 0);
    if (!token || json_object_set_new(settings->merged, "mask_token", token))
        return out_of_memory(settings, err);
    return SUTRA_OK;
}

/* ---- BertTokenizer, MPNetTokenizer ---- */

static SutraStatus read_switches(const SuTokenizerSettings *settings, SuNormalizer *normalizer,
                                 SutraError *err)
{
    const json_t *merged = settings->merged;
    const char *where = settings->files->config_where;
    SuNormalizerStep bert = {.kind = SU_NORMALIZER_BERT,
                             .clean_text = true,
                             .handle_chinese_chars = true,
                             .lowercase = true};
    SU_TRY(su_json_get_bool(merged, "do_lower_case", where, &bert.lowercase, err));
    SU_TRY(
        su_json_get_bool(merged, "tokenize_chinese_chars", where, &bert.handle_chinese_chars, err));
    bert.strip_accents = bert.lowercase;
    SU_TRY(su_json_get_bool(merged, "strip_accents", where, &bert.strip_accents, err));
    return su_normalizer_add(normalizer, &bert, err);
}

/* The model section must be of the class's own kind. */
static SutraStatus check_model(const SuTokenizerSettings *settings, const char *wanted,
                               SutraError *err)
{
    const SuTokenizerFiles *files = settings->files;
    const SuTokenModelKind *kind;
    SU_TRY(su_token_model_kind(json_object_get(files->json, "model"), files->where, &kind, err));
    if (strcmp(kind->name, wanted) != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: model \"%s\" is not supported for a %s (known: %s)",
                 files->where, kind->name, class_of(settings)->name, wanted);
    return SUTRA_OK;
}

static SutraStatus read_bert(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                             SutraError *err)
{
    const SuTokenizerFiles *files = settings->files;
    if (files->json) {
        SU_TRY(check_model(settings, "WordPiece", err));
        SU_TRY(
            su_tokenizer_read_vocabulary(files->json, files->where, &tokenizer->vocabulary, err));
    } else {
        SU_TRY(su_vocabulary_read_lines(&tokenizer->vocabulary, files->vocab, files->vocab_size,
                                        files->where, err));
    }
    SU_TRY(read_switches(settings, &tokenizer->normalizer, err));
    const SuPreTokenizerStep bert_words = {.kind = SU_PRE_TOKENIZER_BERT};
    SU_TRY(su_pre_tokenizer_add(&tokenizer->pre_tokenizer, &bert_words, err));
    const SuWordPieceOptions options = {
        .unk_token = su_token_text(json_object_get(settings->merged, "unk_token")),
        .prefix = "##",
        .max_chars = MAX_CHARS_PER_WORD,
        .bert_words = true};
    tokenizer->model.kind = &su_wordpiece_kind;
    SU_TRY(su_token_model_allocate(&tokenizer->model, files->where, err));
    return su_wordpiece_fill(tokenizer->model.data, &tokenizer->vocabulary, &options, files->where,
                             err);
}

/* ---- RobertaTokenizer, XLMRobertaTokenizer ---- */

static SutraStatus check_file(const SuTokenizerSettings *settings, const char *wanted,
                              SutraError *err)
{
    if (!settings->files->json)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: a %s needs tokenizer.json", settings->files->where,
                 class_of(settings)->name);
    return check_model(settings, wanted, err);
}

/* `sections` are those of a tokenizer.json that has nothing but what the class makes of the file;
 * NULL: out of memory. Gives them back. */
static SutraStatus read_sections(const SuTokenizerSettings *settings, json_t *sections,
                                 SuTokenizer *tokenizer, SutraError *err)
{
    if (!sections) return out_of_memory(settings, err);
    SutraStatus status =
        su_tokenizer_read_sections(sections, settings->files->where, tokenizer, err);
    json_decref(sections);
    return status;
}

static SutraStatus read_roberta(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                SutraError *err)
{
    bool prefix_space = false;
    SU_TRY(check_file(settings, "BPE", err));
    SU_TRY(su_json_get_bool(settings->merged, "add_prefix_space", settings->files->config_where,
                            &prefix_space, err));
    const json_t *model = json_object_get(settings->files->json, "model");
    return read_sections(settings,
                         json_pack("{s:{s:s, s:O?, s:O?, s:b}, s:{s:s, s:b, s:b, s:b}}", "model",
                                   "type", "BPE", "vocab", json_object_get(model, "vocab"),
                                   "merges", json_object_get(model, "merges"), "fuse_unk", 0,
                                   "pre_tokenizer", "type", "ByteLevel", "add_prefix_space",
                                   prefix_space, "trim_offsets", 1, "use_regex", 1),
                         tokenizer, err);
}

/* The first Precompiled of the normalizer section, or NULL. */
static json_t *find_precompiled(const json_t *json)
{
    json_t *normalizer = json_object_get(json, "normalizer"), *step;
    const char *type = json_string_value(json_object_get(normalizer, "type"));
    size_t i;
    if (type && strcmp(type, "Precompiled") == 0) return normalizer;
    json_array_foreach(json_object_get(normalizer, "normalizers"), i, step)
    {
        type = json_string_value(json_object_get(step, "type"));
        if (type && strcmp(type, "Precompiled") == 0) return step;
    }
    return NULL;
}

/* XLM-RoBERTa's is the fourth token; CamemBERT's the first with the text of its name, else the
 * first of all. */
static int unknown_of(const SuTokenizerSettings *settings, const json_t *vocab)
{
    if (settings->files->class == SU_TOKENIZER_XLM_ROBERTA) return 3;
    const char *name = su_token_text(json_object_get(settings->merged, "unk_token"));
    if (!name) name = "None"; /* Python's text of no token */
    for (size_t i = 0; i < json_array_size(vocab); i++) {
        const char *text = json_string_value(json_array_get(json_array_get(vocab, i), 0));
        if (text && strcmp(text, name) == 0) return (int)i;
    }
    return 0;
}

/* Pieces of a SentencePiece model behind the first ones of fairseq, and the mask token at the end:
 * a new list, or NULL: out of memory. */
static json_t *fairseq_vocab(const SuTokenizerSettings *settings, const json_t *pieces)
{
    bool camembert = settings->files->class == SU_TOKENIZER_CAMEMBERT;
    const char *bos = camembert ? NULL : "bos_token", *eos = camembert ? NULL : "eos_token";
    const char *names[] = {bos, "pad_token", eos, "unk_token", NULL};
    const char *texts[] = {"<s>NOTUSED", "", "</s>NOTUSED", "", "<unk>NOTUSED"};
    json_t *vocab = json_array();
    bool done = vocab;
    for (size_t i = 0; i < (camembert ? 5 : 4) && done; i++) {
        const char *text = texts[i];
        if (names[i]) text = su_token_text(json_object_get(settings->merged, names[i]));
        done = json_array_append_new(
                   vocab, json_pack("[s, f]", text ? text : "None", i == 4 ? -100.0 : 0.0)) == 0;
    }
    for (size_t i = camembert ? 1 : 3; i < json_array_size(pieces) && done; i++)
        done = json_array_append(vocab, json_array_get(pieces, i)) == 0;
    const char *mask = su_token_text(json_object_get(settings->merged, "mask_token"));
    if (done && json_array_append_new(vocab, json_pack("[s, f]", mask ? mask : "None", 0.0)) == 0)
        return vocab;
    json_decref(vocab);
    return NULL;
}

static SutraStatus read_xlm_roberta(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                    SutraError *err)
{
    json_t *vocab = json_object_get(json_object_get(settings->files->json, "model"), "vocab");
    bool prefix_space = true;
    /* XLM-RoBERTa's takes pieces and scores of a SentencePiece model of any kind. */
    if (!settings->files->pieces || settings->files->class != SU_TOKENIZER_XLM_ROBERTA)
        SU_TRY(check_file(settings, "Unigram", err));
    SU_TRY(su_json_get_bool(settings->merged, "add_prefix_space", settings->files->config_where,
                            &prefix_space, err));
    vocab = settings->files->pieces ? fairseq_vocab(settings, vocab) : json_incref(vocab);
    if (!vocab && settings->files->pieces) return out_of_memory(settings, err);
    tokenizer->exact_scores = settings->files->pieces != NULL;
    return read_sections(
        settings,
        json_pack("{s:{s:s, s:o?, s:i, s:b}, s:O?, s:{s:s, s:[{s:s}, {s:s, s:s, s:s, s:b}]}}",
                  "model", "type", "Unigram", "vocab", vocab, "unk_id", unknown_of(settings, vocab),
                  "byte_fallback", 0, "normalizer", find_precompiled(settings->files->json),
                  "pre_tokenizer", "type", "Sequence", "pretokenizers", "type", "WhitespaceSplit",
                  "type", "Metaspace", "replacement", "\xe2\x96\x81", "prepend_scheme",
                  prefix_space ? "always" : "never", "split", 1),
        tokenizer, err);
}

/* ---- GPT2Tokenizer, Qwen2Tokenizer, LlamaTokenizer, GemmaTokenizer ---- */

/* A BPE of the file's vocabulary and merges; unk NULL: no unknown token. `fused`: runs of unknown
 * characters are one token, and characters may be written as bytes. Takes normalizer and
 * pre_tokenizer, of which NULL is none. */
static SutraStatus read_bpe(const SuTokenizerSettings *settings, const char *unk, bool fused,
                            json_t *normalizer, json_t *pre_tokenizer, SuTokenizer *tokenizer,
                            SutraError *err)
{
    const SuTokenizerFiles *files = settings->files;
    const json_t *file = files->json, *model = json_object_get(file, "model");
    json_t *sections = json_pack(
        "{s:{s:s, s:O?, s:O?, s:s?, s:b, s:b}, s:o?, s:o?, s:O?}", "model", "type", "BPE", "vocab",
        json_object_get(model, "vocab"), "merges", json_object_get(model, "merges"), "unk_token",
        unk, "fuse_unk", fused, "byte_fallback", fused, "normalizer", normalizer, "pre_tokenizer",
        pre_tokenizer, "post_processor", json_object_get(file, "post_processor"));
    if (sections && files->pieces) {
        SutraStatus status = su_sentencepiece_bpe(
            files->pieces, NULL, false, json_object_get(sections, "model"), files->where, err);
        if (status != SUTRA_OK) {
            json_decref(sections);
            return status;
        }
    }
    return read_sections(settings, sections, tokenizer, err);
}

static SutraStatus read_gpt2(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                             SutraError *err)
{
    bool prefix_space = false;
    SU_TRY(check_file(settings, "BPE", err));
    SU_TRY(su_json_get_bool(settings->merged, "add_prefix_space", settings->files->config_where,
                            &prefix_space, err));
    json_t *bytes = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                              prefix_space, "trim_offsets", 1, "use_regex", 1);
    if (!bytes) return out_of_memory(settings, err);
    return read_bpe(settings, NULL, false, NULL, bytes, tokenizer, err);
}

static SutraStatus read_qwen2(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                              SutraError *err)
{
    static const char words[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
                                " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    bool prefix_space = false;
    SU_TRY(check_file(settings, "BPE", err));
    SU_TRY(su_json_get_bool(settings->merged, "add_prefix_space", settings->files->config_where,
                            &prefix_space, err));
    json_t *nfc = json_pack("{s:s}", "type", "NFC");
    json_t *steps = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, {s:s, s:b, s:b, s:b}]}", "type",
                              "Sequence", "pretokenizers", "type", "Split", "pattern", "Regex",
                              words, "behavior", "Isolated", "invert", 0, "type", "ByteLevel",
                              "add_prefix_space", prefix_space, "trim_offsets", 1, "use_regex", 0);
    if (nfc && steps) return read_bpe(settings, NULL, false, nfc, steps, tokenizer, err);
    json_decref(nfc);
    json_decref(steps);
    return out_of_memory(settings, err);
}

/* legacy is false where it is not said; a null is neither, and counts as false. */
static SutraStatus read_llama(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                              SutraError *err)
{
    bool prefix_space = true, legacy = false;
    const char *where = settings->files->config_where;
    if (!settings->files->pieces) SU_TRY(check_file(settings, "BPE", err));
    SU_TRY(su_json_get_bool(settings->merged, "add_prefix_space", where, &prefix_space, err));
    SU_TRY(su_json_get_bool(settings->merged, "legacy", where, &legacy, err));
    const char *scheme = !prefix_space ? "never" : legacy ? "always" : "first";
    json_t *space = json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement",
                              "\xe2\x96\x81", "prepend_scheme", scheme, "split", 0);
    if (!space) return out_of_memory(settings, err);
    return read_bpe(settings, NULL, true, NULL, space, tokenizer, err);
}

/* The class's Split at spaces is left out: the normaliser leaves none. */
static SutraStatus read_gemma(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                              SutraError *err)
{
    if (!settings->files->pieces) SU_TRY(check_file(settings, "BPE", err));
    const char *unk = su_token_text(json_object_get(settings->merged, "unk_token"));
    json_t *spaces = json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", " ",
                               "content", "\xe2\x96\x81");
    if (!spaces) return out_of_memory(settings, err);
    return read_bpe(settings, unk ? unk : "None", true, spaces, NULL, tokenizer, err);
}

/* ---- both steps ---- */

SutraStatus su_rebuilt_class_read(SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                  SutraError *err)
{
    SU_TRY(complete_names(settings, err));
    json_t *tokens = json_object_get(settings->files->pieces, "extra_special_tokens");
    if (tokens && !su_settings_take_pieces(settings, tokens)) return out_of_memory(settings, err);
    SU_TRY(complete_extra(settings, err));
    SU_TRY(strip_mask(settings, err));
    return class_of(settings)->read(settings, tokenizer, err);
}

static SutraStatus set_roberta(const SuTokenizerSettings *settings, int32_t cls, int32_t sep,
                               SuPostProcessor *processor, SutraError *err)
{
    bool trim = !is_unigram_class(settings), prefix_space = false;
    const char *where = settings->files->config_where;
    if (settings->files->class == SU_TOKENIZER_ROBERTA) {
        SU_TRY(su_json_get_bool(settings->merged, "trim_offsets", where, &trim, err));
        SU_TRY(su_json_get_bool(settings->merged, "add_prefix_space", where, &prefix_space, err));
    }
    json_t *json =
        json_pack("{s:s, s:[s,i], s:[s,i], s:b, s:b}", "type", "RobertaProcessing", "sep", "", sep,
                  "cls", "", cls, "trim_offsets", trim, "add_prefix_space", prefix_space);
    if (!json) return out_of_memory(settings, err);
    su_post_processor_free(processor); /* of the sections: none */
    SutraStatus status = su_post_processor_from_json(json, where, processor, err);
    json_decref(json);
    return status;
}

SutraStatus su_rebuilt_class_set_template(const SuTokenizerSettings *settings,
                                          SuTokenizer *tokenizer, SutraError *err)
{
    if (class_of(settings)->keeps_template)
        return settings->files->pieces ? su_ends_template_set(settings, tokenizer, err) : SUTRA_OK;
    bool by_ends = is_unigram_class(settings);
    const char *keys[] = {by_ends ? "bos_token" : "cls_token", by_ends ? "eos_token" : "sep_token"};
    const SuAddedToken *tokens[2];
    for (size_t i = 0; i < 2; i++) {
        const char *text = su_token_text(json_object_get(settings->merged, keys[i]));
        tokens[i] = su_added_tokens_with_content(&tokenizer->added, text);
    }
    if (!tokens[0] || !tokens[1])
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s or %s is empty", settings->files->config_where,
                 keys[0], keys[1]);
    if (settings->files->class == SU_TOKENIZER_BERT)
        return su_post_processor_bert(tokens[0]->id, tokens[1]->id, &tokenizer->post_processor,
                                      err);
    return set_roberta(settings, tokens[0]->id, tokens[1]->id, &tokenizer->post_processor, err);
}
