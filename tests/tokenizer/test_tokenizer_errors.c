/* Tokenizer files that are damaged, contradict themselves or ask for what is not known, requests that
 * cannot be met, and every allocation made to fail. */
#include "base/memory.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NORMALIZER                                                                    \
    "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true," \
    "\"strip_accents\":null,\"lowercase\":true}"
#define PRE_TOKENIZER "{\"type\":\"BertPreTokenizer\"}"
#define POST "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",1]}"
#define VOCAB "{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"a\":3,\"##b\":4}"
#define MODEL(vocab)                                                                        \
    "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\"," \
    "\"max_input_chars_per_word\":100,\"vocab\":" vocab "}"
#define BPE(option, merges) \
    "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}," option ",\"merges\":[" merges "]}"
#define UNIGRAM(option, vocab) "{\"type\":\"Unigram\"," option "\"vocab\":[" vocab "]}"
#define TRIM "{\"type\":\"ByteLevel\",\"trim_offsets\":true,\"add_prefix_space\":true}"
#define FLAGS                                                                                  \
    "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":true,\"special\":" \
    "false"
#define FILE_OF(added, normalizer, pre_tokenizer, post, model)                                    \
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":" added           \
    ",\"normalizer\":" normalizer ",\"pre_tokenizer\":" pre_tokenizer ",\"post_processor\":" post \
    ",\"decoder\":null,\"model\":" model "}"
#define GOOD FILE_OF("[]", NORMALIZER, PRE_TOKENIZER, POST, MODEL(VOCAB))
#define WITH_ADDED(added) FILE_OF(added, NORMALIZER, PRE_TOKENIZER, POST, MODEL(VOCAB))
#define WITH_NORMALIZER(json) FILE_OF("[]", json, PRE_TOKENIZER, POST, MODEL(VOCAB))
#define WITH_PRE(json) FILE_OF("[]", NORMALIZER, json, POST, MODEL(VOCAB))
#define WITH_POST(json) FILE_OF("[]", NORMALIZER, PRE_TOKENIZER, json, MODEL(VOCAB))
#define WITH_MODEL(json) FILE_OF("[]", NORMALIZER, PRE_TOKENIZER, POST, json)
#define WITH_VOCAB(json) WITH_MODEL(MODEL(json))

typedef struct BadFile {
    const char *json;
    SutraStatus status;
    const char *words;
} BadFile;

static const BadFile bad_files[] = {
    {"", SUTRA_E_FORMAT, "t.json: line 1"},
    {"[]", SUTRA_E_FORMAT, "not a JSON object"},
    {"{}", SUTRA_E_FORMAT, "model is not an object with a type"},
    {"{\"version\":\"2.0\"}", SUTRA_E_UNSUPPORTED, "version"},
    {"{\"truncation\":5}", SUTRA_E_FORMAT, "truncation"},
    {"{\"truncation\":{}}", SUTRA_E_FORMAT, "truncation.max_length"},
    {"{\"padding\":[]}", SUTRA_E_FORMAT, "padding"},
    {WITH_NORMALIZER("{\"type\":\"Magic\"}"), SUTRA_E_UNSUPPORTED,
     "normalizer \"Magic\" is not supported (known: BertNormalizer, NFC, NFD, NFKC, NFKD, "
     "Lowercase, StripAccents, Strip, Replace, Prepend, Precompiled, Nmt, ByteLevel, Sequence)"},
    {WITH_NORMALIZER("{\"type\":\"Strip\",\"strip_left\":true}"), SUTRA_E_FORMAT,
     "normalizer.strip_right is not true or false"},
    {WITH_NORMALIZER("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\".*\"},\"content\":\"\"}"),
     SUTRA_E_UNSUPPORTED,
     "normalizer.pattern: a regular expression that matches an empty text is not supported"},
    {WITH_NORMALIZER("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a{2}+\"},\"content\":\"\"}"),
     SUTRA_E_UNSUPPORTED,
     "normalizer.pattern: the regular expression \"a{2}+\" is not supported: a quantifier of an "
     "interval at byte 1"},
    {WITH_NORMALIZER("{\"type\":\"Precompiled\"}"), SUTRA_E_FORMAT,
     "normalizer.precompiled_charsmap"},
    {WITH_NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"Zg\"}"), SUTRA_E_FORMAT,
     "normalizer.precompiled_charsmap is not base64"},
    {WITH_NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}"),
     SUTRA_E_FORMAT, "normalizer.precompiled_charsmap of 3 bytes with a trie of 0 units"},
    {WITH_NORMALIZER("{\"type\":\"Replace\",\"pattern\":\"a\",\"content\":\"\"}"), SUTRA_E_FORMAT,
     "normalizer.pattern is neither a String nor a Regex"},
    {WITH_NORMALIZER("{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"}"),
     SUTRA_E_UNSUPPORTED, "normalizer.pattern is empty"},
    {WITH_NORMALIZER("{\"type\":\"Prepend\",\"prepend\":5}"), SUTRA_E_FORMAT,
     "normalizer.prepend is not a text"},
    {WITH_NORMALIZER("3"), SUTRA_E_FORMAT, "normalizer is not an object"},
    {WITH_NORMALIZER("{\"type\":\"BertNormalizer\"}"), SUTRA_E_FORMAT, "normalizer.clean_text"},
    {WITH_PRE("{\"type\":\"Magic\"}"), SUTRA_E_UNSUPPORTED,
     "pre_tokenizer \"Magic\" is not supported (known: BertPreTokenizer, ByteLevel, "
     "Whitespace, WhitespaceSplit, Punctuation, Digits, Metaspace, Split, CharDelimiterSplit, "
     "UnicodeScripts, FixedLength, Sequence)"},
    {WITH_PRE("{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"ab\"}"), SUTRA_E_FORMAT,
     "pre_tokenizer.delimiter is not one character"},
    {WITH_PRE("{\"type\":\"FixedLength\",\"length\":0}"), SUTRA_E_FORMAT,
     "pre_tokenizer.length is not a number from 1"},
    {WITH_PRE("{\"type\":\"ByteLevel\"}"), SUTRA_E_FORMAT, "pre_tokenizer.add_prefix_space"},
    {WITH_PRE("{\"type\":\"Punctuation\",\"behavior\":\"Dropped\"}"), SUTRA_E_FORMAT,
     "pre_tokenizer.behavior is not one of Removed, Isolated"},
    {WITH_PRE("{\"type\":\"Digits\",\"individual_digits\":1}"), SUTRA_E_FORMAT,
     "pre_tokenizer.individual_digits is not true or false"},
    {WITH_PRE("{\"type\":\"Metaspace\",\"replacement\":\"ab\"}"), SUTRA_E_FORMAT,
     "pre_tokenizer.replacement is not one character"},
    {WITH_PRE("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"last\"}"),
     SUTRA_E_FORMAT, "pre_tokenizer.prepend_scheme is not one of never, always, first"},
    {WITH_PRE("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":false}"),
     SUTRA_E_FORMAT, "add_prefix_space is false, but prepend_scheme is \"always\""},
    {WITH_PRE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\h\"},\"invert\":false,"
              "\"behavior\":\"Removed\"}"),
     SUTRA_E_UNSUPPORTED,
     "pre_tokenizer.pattern: the regular expression \"\\h\" is not supported: the escape at byte "
     "0"},
    {WITH_POST("{\"type\":\"ByteLevels\"}"), SUTRA_E_UNSUPPORTED,
     "(known: TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence)"},
    {WITH_POST("{\"type\":\"ByteLevel\"}"), SUTRA_E_FORMAT, "post_processor.trim_offsets"},
    {WITH_POST("{\"type\":\"Sequence\",\"processors\":[" TRIM "," TRIM "]}"), SUTRA_E_UNSUPPORTED,
     "a Sequence of two that trim offsets"},
    {WITH_POST("{\"type\":\"Sequence\",\"processors\":[" POST "," TRIM "," POST "]}"),
     SUTRA_E_UNSUPPORTED, "a Sequence of two that add tokens"},
    {WITH_POST("{\"type\":\"BertProcessing\"}"), SUTRA_E_FORMAT, "post_processor.cls"},
    {WITH_POST("{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",77]}"),
     SUTRA_E_FORMAT, "id 77 is not in the vocabulary"},
    {WITH_POST("{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",-1]}"),
     SUTRA_E_FORMAT, "out of range"},
    {WITH_POST("{\"type\":\"TemplateProcessing\",\"single\":[],\"pair\":[],\"special_tokens\":{}}"),
     SUTRA_E_FORMAT, "post_processor.single"},
    {WITH_POST("{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"X\","
               "\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}"),
     SUTRA_E_FORMAT, "does not hold \"X\""},
    {WITH_POST("{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\","
               "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[]}"),
     SUTRA_E_FORMAT, "each of its sequences once"},
    {WITH_MODEL("{\"type\":\"Morfessor\"}"), SUTRA_E_UNSUPPORTED,
     "model \"Morfessor\" is not supported (known: WordPiece, BPE, WordLevel, Unigram)"},
    {WITH_MODEL("{\"type\":\"Unigram\",\"vocab\":{}}"), SUTRA_E_FORMAT,
     "model.vocab is not an array"},
    {WITH_MODEL(UNIGRAM("", "[\"a\"]")), SUTRA_E_FORMAT, "item 0 is no token with its score"},
    {WITH_MODEL(UNIGRAM("", "[\"a\",1],[\"b\",\"c\"]")), SUTRA_E_FORMAT,
     "item 1 is no token with its score"},
    {WITH_MODEL(UNIGRAM("\"unk_id\":1,", "[\"a\",1]")), SUTRA_E_FORMAT,
     "model.unk_id 1 is not in the vocabulary of 1 tokens"},
    {WITH_MODEL(UNIGRAM("\"unk_id\":-1,", "[\"a\",1]")), SUTRA_E_FORMAT, "model.unk_id"},
    {WITH_MODEL(UNIGRAM("\"alpha\":0.1,", "[\"a\",1]")), SUTRA_E_UNSUPPORTED,
     "model.alpha is set: tokens at random are not supported"},
    {WITH_MODEL(UNIGRAM("\"byte_fallback\":1,", "[\"a\",1]")), SUTRA_E_FORMAT, "byte_fallback"},
    {WITH_MODEL("{\"type\":\"BPE\"}"), SUTRA_E_FORMAT, "model.vocab is not an object"},
    {WITH_MODEL("{\"type\":\"BPE\",\"vocab\":{\"a\":0}}"), SUTRA_E_FORMAT,
     "model.merges is not an array"},
    {WITH_MODEL("{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}"), SUTRA_E_FORMAT,
     "the vocabulary is empty"},
    {WITH_MODEL(BPE("\"dropout\":0.1", "")), SUTRA_E_UNSUPPORTED, "model.dropout is 0.1"},
    {WITH_MODEL(BPE("\"dropout\":\"x\"", "")), SUTRA_E_FORMAT, "dropout"},
    {WITH_MODEL(BPE("\"fuse_unk\":1", "")), SUTRA_E_FORMAT, "fuse_unk"},
    {WITH_MODEL(BPE("\"unk_token\":1", "")), SUTRA_E_FORMAT, "unk_token"},
    {WITH_MODEL(BPE("\"byte_fallback\":true,\"end_of_word_suffix\":\"x\"", "")),
     SUTRA_E_UNSUPPORTED, "byte_fallback is not supported with"},
    {WITH_MODEL(BPE("\"end_of_word_suffix\":\"123456789012345678901234567890123\"", "")),
     SUTRA_E_LIMIT, "model.end_of_word_suffix has more than 32 bytes"},
    {WITH_MODEL(BPE("\"continuing_subword_prefix\":\"##\"", "\"a b\"")), SUTRA_E_FORMAT,
     "the second token of merge 0 has no prefix"},
    {WITH_MODEL(BPE("\"type\":\"BPE\"", "")), SUTRA_E_FORMAT, "duplicate"},
    {WITH_MODEL(BPE("\"dropout\":null", "\"a c\"")), SUTRA_E_FORMAT,
     "token \"c\" of merge 0 is not in the vocabulary"},
    {WITH_MODEL(BPE("\"dropout\":null", "\"a b\",\"b a\"")), SUTRA_E_FORMAT,
     "token \"ba\" of merge 1 is not in the vocabulary"},
    {WITH_MODEL(BPE("\"dropout\":null", "\"a b\",\"ab\"")), SUTRA_E_FORMAT,
     "merge 1 is neither \"left right\" nor a pair"},
    {WITH_MODEL(BPE("\"dropout\":null", "\"a b c\"")), SUTRA_E_FORMAT, "merge 0 is neither"},
    {WITH_MODEL(BPE("\"dropout\":null", "[\"a\",\"b\",\"ab\"]")), SUTRA_E_FORMAT,
     "merge 0 is neither"},
    {WITH_MODEL(BPE("\"dropout\":null", "\"a b\",[\"a\",\"b\"]")), SUTRA_E_FORMAT,
     "merge 1 is neither"},
    {WITH_MODEL("{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}}"), SUTRA_E_FORMAT,
     "model.unk_token is missing"},
    {WITH_MODEL("{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":" VOCAB "}"),
     SUTRA_E_FORMAT, "max_input_chars_per_word is missing"},
    {WITH_NORMALIZER("{\"type\":\"Sequence\"}"), SUTRA_E_FORMAT,
     "normalizer.normalizers is not an array"},
    {WITH_PRE("{\"type\":\"Sequence\",\"pretokenizers\":[5]}"), SUTRA_E_FORMAT,
     "pre_tokenizer is not an object"},
    {WITH_VOCAB("[]"), SUTRA_E_FORMAT, "model.vocab"},
    {WITH_VOCAB("{}"), SUTRA_E_FORMAT, "\"[UNK]\" is not in the vocabulary"},
    {WITH_VOCAB("{\"[UNK]\":\"x\"}"), SUTRA_E_FORMAT, "[UNK] is not an integer"},
    {WITH_VOCAB("{\"[UNK]\":0,\"a\":-3}"), SUTRA_E_FORMAT, "a: id -3 is out of range"},
    {WITH_VOCAB("{\"[UNK]\":0,\"a\":2147483647}"), SUTRA_E_FORMAT, "out of range"},
    {WITH_VOCAB("{\"[UNK]\":0,\"a\":99999999999999999999}"), SUTRA_E_FORMAT, "out of range"},
    {WITH_VOCAB("{\"[UNK]\":0,\"a\":1.5}"), SUTRA_E_FORMAT, "a is not an integer"},
    {WITH_VOCAB("{\"[UNK]\":0,\"a\":1,\"b\":1}"), SUTRA_E_FORMAT,
     "tokens \"a\" and \"b\" have the same id 1"},
    {WITH_VOCAB("{\"[UNK]\":0,\"a\":1,\"a\":2}"), SUTRA_E_FORMAT, "duplicate"},
    {WITH_ADDED("5"), SUTRA_E_FORMAT, "added_tokens is not an array"},
    {WITH_ADDED("[5]"), SUTRA_E_FORMAT, "has no content"},
    {WITH_ADDED("[{\"id\":5,\"content\":\"x\"}]"), SUTRA_E_FORMAT, "added_tokens.single_word"},
    {WITH_ADDED("[{\"id\":9,\"content\":\"x\"," FLAGS "}]"), SUTRA_E_FORMAT,
     "\"x\" has id 9, but the vocabulary makes it 5"},
    {WITH_ADDED("[{\"id\":5,\"content\":\"x\"," FLAGS "},{\"id\":6,\"content\":\"X\"," FLAGS "}]"),
     SUTRA_E_FORMAT, "equal when normalised"},
    {WITH_ADDED("[{\"id\":5,\"content\":\"\\u0301\"," FLAGS "}]"), SUTRA_E_FORMAT,
     "nothing is left of added token"},
    {FILE_OF("[{\"id\":3,\"content\":\"x\"," FLAGS "}]", NORMALIZER, PRE_TOKENIZER, "null",
             MODEL("{\"[UNK]\":0,\"a\":1,\"b\":3}")),
     SUTRA_E_FORMAT, "\"x\" gets id 3 of token \"b\""},
};

static void bad_files_name_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        const BadFile *bad = &bad_files[i];
        SutraError err = {0};
        SuTokenizer *tokenizer = (SuTokenizer *)&err;
        SutraStatus status =
            su_tokenizer_from_json(bad->json, strlen(bad->json), "t.json", &tokenizer, &err);
        if (status != bad->status || !strstr(err.message, bad->words) ||
            strncmp(err.message, "t.json: ", 8) != 0)
            fail_msg("%s\ngave %s: %s", bad->json, sutra_status_name(status), err.message);
        assert_null(tokenizer);
    }
}

static const BadFile bad_configs[] = {
    {"[]", SUTRA_E_FORMAT, "not a JSON object"},
    {"{\"do_lower_case\":1}", SUTRA_E_FORMAT, "do_lower_case"},
    {"{\"unk_token\":\"<unk>\"}", SUTRA_E_FORMAT, "\"<unk>\" is not in the vocabulary"},
    {"{\"unk_token\":7}", SUTRA_E_FORMAT, "unk_token is not a token"},
    {"{\"cls_token\":null}", SUTRA_E_FORMAT, "cls_token is not a token"},
    {"{\"cls_token\":\"\"}", SUTRA_E_FORMAT, "cls_token or sep_token is empty"},
    {"{\"sep_token\":\"a\\u0000\"}", SUTRA_E_FORMAT, "sep_token holds a NUL"},
    {"{\"added_tokens_decoder\":[]}", SUTRA_E_FORMAT, "added_tokens_decoder"},
    {"{\"added_tokens_decoder\":{\"x\":\"a\"}}", SUTRA_E_FORMAT, "\"x\" is not an id"},
    {"{\"added_tokens_decoder\":{\"9\":{\"content\":\"a\"}}}", SUTRA_E_FORMAT, "has id 9"},
};

static void bad_vocabularies_name_what_is_wrong(void **state)
{
    (void)state;
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
    SutraError err = {0};
    SuTokenizer *tokenizer;
    for (size_t i = 0; i < sizeof bad_configs / sizeof *bad_configs; i++) {
        const BadFile *bad = &bad_configs[i];
        SutraStatus status = su_tokenizer_from_vocab(vocab, sizeof vocab - 1, bad->json,
                                                     strlen(bad->json), "v.txt", &tokenizer, &err);
        if (status != bad->status || !strstr(err.message, bad->words))
            fail_msg("%s\ngave %s: %s", bad->json, sutra_status_name(status), err.message);
        assert_null(tokenizer);
    }
    assert_int_equal(su_tokenizer_from_vocab("a\n\xff\n", 4, NULL, 0, "v.txt", &tokenizer, &err),
                     SUTRA_E_FORMAT);
    assert_string_equal(err.message, "v.txt: not valid UTF-8 at byte 2");
    assert_int_equal(su_tokenizer_from_vocab("", 0, NULL, 0, "v.txt", &tokenizer, &err),
                     SUTRA_E_FORMAT);
}

static SuTokenizer *good(void)
{
    SutraError err;
    SuTokenizer *tokenizer;
    if (su_tokenizer_from_json(GOOD, strlen(GOOD), "t.json", &tokenizer, &err))
        fail_msg("%s", err.message);
    return tokenizer;
}

static void facts_are_those_of_the_file(void **state)
{
    (void)state;
    size_t size;
    SuTokenizer *tokenizer = good();
    assert_int_equal(su_tokenizer_vocab_size(tokenizer), 5);
    assert_int_equal(su_tokenizer_num_special(tokenizer, false), 2);
    assert_int_equal(su_tokenizer_num_special(tokenizer, true), 3);
    assert_memory_equal(su_tokenizer_token(tokenizer, 4, &size), "##b", 3);
    assert_int_equal(size, 3);
    assert_null(su_tokenizer_token(tokenizer, 5, &size));
    assert_null(su_tokenizer_token(tokenizer, -1, &size));
    su_tokenizer_free(tokenizer);

    SutraError err;
    const char *gap = WITH_VOCAB("{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"a\":2000000000}");
    assert_int_equal(su_tokenizer_from_json(gap, strlen(gap), "t.json", &tokenizer, &err),
                     SUTRA_OK);
    assert_int_equal(su_tokenizer_vocab_size(tokenizer), 2000000001u);
    assert_null(su_tokenizer_token(tokenizer, 3, &size));
    su_tokenizer_free(tokenizer);
}

typedef struct BadText {
    const char *text;
    size_t size, byte;
} BadText;

static void invalid_utf8_names_the_byte(void **state)
{
    (void)state;
    static const BadText texts[] = {
        {"\xff", 1, 0},
        {"ab\x80", 3, 2},
        {"0123456789abcdef0123456789\xc3", 27, 26},
        {"\xc0\x80", 2, 0},
        {"a\xed\xa0\x80", 4, 1},
        {"\xe0\x80\x80", 3, 0},
        {"\xf0\x80\x80\x80", 4, 0},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xe4\xb8\xad\xe4\xb8", 5, 3},
        {"\xe4\xb8\xad\xe4\x41\xad", 6, 3},
        {"\xf0\x9f\x98\x41", 4, 0},
    };
    SutraError err = {0};
    SuEncoding encoding;
    SuTokenizer *tokenizer = good();
    SuTokenizerScratch *scratch;
    assert_int_equal(su_tokenizer_scratch_create(&scratch, &err), SUTRA_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char words[64];
        SuEncodeRequest text = {.text = texts[i].text, .text_size = texts[i].size};
        SuEncodeRequest pair = {
            .text = "a", .text_size = 1, .pair = texts[i].text, .pair_size = texts[i].size};
        assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &text, &encoding, &err),
                         SUTRA_E_ARGUMENT);
        snprintf(words, sizeof words, "text is not valid UTF-8 at byte %zu", texts[i].byte);
        assert_string_equal(err.message, words);
        assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &pair, &encoding, &err),
                         SUTRA_E_ARGUMENT);
        assert_memory_equal(err.message, "pair", 4);
    }
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(tokenizer);
}

static void max_tokens_below_the_special_tokens_is_an_error(void **state)
{
    (void)state;
    SutraError err = {0};
    SuEncoding encoding;
    SuTokenizer *tokenizer = good();
    SuTokenizerScratch *scratch;
    assert_int_equal(su_tokenizer_scratch_create(&scratch, &err), SUTRA_OK);
    SuEncodeRequest request = {.text = "a ab", .text_size = 4, .max_tokens = 1};
    assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err),
                     SUTRA_E_LIMIT);
    request.max_tokens = 2;
    assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err), SUTRA_OK);
    assert_int_equal(encoding.num_tokens, 2);
    assert_int_equal(encoding.tokens_seen, 5);
    request.max_tokens = 1;
    request.no_special_tokens = true;
    assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err), SUTRA_OK);
    assert_int_equal(encoding.num_tokens, 1);
    assert_int_equal(encoding.tokens_seen, 3);
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(tokenizer);
}

static void arrays_of_no_tokens_are_valid_pointers(void **state)
{
    (void)state;
    SuEncoding encoding;
    SuTokenizer *tokenizer = good();
    SuTokenizerScratch *scratch;
    SuEncodeRequest request = {.text = "", .want_offsets = true, .no_special_tokens = true};
    assert_int_equal(su_tokenizer_scratch_create(&scratch, NULL), SUTRA_OK);
    assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, NULL), SUTRA_OK);
    assert_int_equal(encoding.num_tokens, 0);
    assert_true(encoding.token_ids && encoding.type_ids && encoding.begin && encoding.end);
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(tokenizer);
}

/* The reference reads such files too, and fails at the first text that needs the token. */
static void an_unknown_token_that_is_missing_fails_the_text(void **state)
{
    (void)state;
    static const char *const models[] = {
        "{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"?\"}",
        "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"?\"}"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char json[256];
        SutraError err = {0};
        SuTokenizer *tokenizer;
        SuTokenizerScratch *scratch;
        SuEncoding encoding;
        SuEncodeRequest request = {.text = "a", .text_size = 1};
        snprintf(json, sizeof json, "{\"model\":%s}", models[i]);
        assert_int_equal(su_tokenizer_from_json(json, strlen(json), "t.json", &tokenizer, &err), 0);
        assert_int_equal(su_tokenizer_scratch_create(&scratch, &err), SUTRA_OK);
        assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err), 0);
        assert_int_equal(encoding.num_tokens, 1);
        request.text = "b";
        assert_int_equal(su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err),
                         SUTRA_E_FORMAT);
        assert_non_null(strstr(err.message, "unknown token is not in its vocabulary"));
        su_tokenizer_scratch_free(scratch);
        su_tokenizer_free(tokenizer);
    }
}

/* Builds, reserves and encodes; every way out frees everything. */
static SutraStatus whole_life(SutraError *err)
{
    static const char json[] = WITH_ADDED("[{\"id\":5,\"content\":\"x\"," FLAGS
                                          "},{\"id\":1,\"content\":\"[CLS]\"," FLAGS "}]");
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n";
    static const char config[] =
        "{\"added_tokens_decoder\":{\"5\":{\"content\":\"a\"}},\"mask_token\":\"m\"}";
    SuTokenizer *tokenizer = NULL, *second = NULL;
    SuTokenizerScratch *scratch = NULL;
    SuEncoding encoding;
    SuEncodeRequest request = {.prefix = "a",
                               .prefix_size = 1,
                               .text = "b a\xcc\x81 [CLS] x",
                               .text_size = 13,
                               .pair = "a",
                               .pair_size = 1,
                               .want_offsets = true};
    SutraStatus status = su_tokenizer_from_json(json, sizeof json - 1, "t.json", &tokenizer, err);
    if (status != SUTRA_OK) goto cleanup;
    status = su_tokenizer_from_vocab(vocab, sizeof vocab - 1, config, sizeof config - 1, "v.txt",
                                     &second, err);
    if (status != SUTRA_OK) goto cleanup;
    status = su_tokenizer_scratch_create(&scratch, err);
    if (status != SUTRA_OK) goto cleanup;
    status = su_tokenizer_encode(tokenizer, scratch, &request, &encoding, err);
    if (status != SUTRA_OK) goto cleanup;
    status = su_tokenizer_scratch_reserve(scratch, 4096, err);
cleanup:
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(second);
    su_tokenizer_free(tokenizer);
    return status;
}

/* The same of BPE, through an image, with steps that own texts and expressions, and change texts. */
static SutraStatus life_of_bpe(SutraError *err)
{
    static const char json[] =
        "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},"
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"aaa\"},"
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a[ab]{9}\"},\"content\":\"aaaaaaaaaaaa\"},"
        "{\"type\":\"Prepend\",\"prepend\":\" \"}]},\"pre_tokenizer\":{\"type\":\"Sequence\","
        "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?:a|b)+\"},"
        "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"Metaspace\",\"replacement\":\"_\"}"
        ","
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":true},{\"type\":\"Whitespace\"}]},"
        "\"post_processor\":" TRIM ",\"model\":" BPE("\"dropout\":0", "\"a b\"") "}";
    SuTokenizer *tokenizer = NULL, *second = NULL;
    SuTokenizerScratch *scratch = NULL;
    unsigned char *image = NULL;
    size_t size;
    SuEncoding encoding;
    char text[100];
    memset(text, 'a', sizeof text);
    memcpy(text, "ab x\xcc\x81", 6);
    SuEncodeRequest request = {.text = text, .text_size = sizeof text, .want_offsets = true};
    SutraStatus status = su_tokenizer_from_json(json, sizeof json - 1, "t.json", &tokenizer, err);
    if (status != SUTRA_OK) goto cleanup;
    status = su_tokenizer_image_create(tokenizer, &image, &size, err);
    if (status != SUTRA_OK) goto cleanup;
    status = su_tokenizer_open_image(image, size, "t.sutra", &second, err);
    if (status != SUTRA_OK) goto cleanup;
    status = su_tokenizer_scratch_create(&scratch, err);
    if (status != SUTRA_OK) goto cleanup;
    status = su_tokenizer_encode(second, scratch, &request, &encoding, err);
cleanup:
    su_tokenizer_scratch_free(scratch);
    su_tokenizer_free(second);
    su_tokenizer_free(tokenizer);
    su_free_aligned(image);
    return status;
}

static void fail_each_allocation(SutraStatus (*life)(SutraError *err))
{
    SutraError err = {0};
    assert_int_equal(life(&err), SUTRA_OK);
    for (int64_t n = 0; n < 1000; n++) {
        su_memory_fail_after(n, false);
        SutraStatus status = life(&err);
        su_memory_fail_after(-1, false);
        if (status == SUTRA_OK) {
            assert_true(n > 20);
            return;
        }
        assert_int_equal(status, SUTRA_E_MEMORY);
        assert_non_null(strstr(err.message, "out of memory"));
    }
    fail_msg("allocations never ended");
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    fail_each_allocation(whole_life);
}

static void every_failed_allocation_of_bpe_is_reported(void **state)
{
    (void)state;
    fail_each_allocation(life_of_bpe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files_name_what_is_wrong),
        cmocka_unit_test(bad_vocabularies_name_what_is_wrong),
        cmocka_unit_test(facts_are_those_of_the_file),
        cmocka_unit_test(invalid_utf8_names_the_byte),
        cmocka_unit_test(max_tokens_below_the_special_tokens_is_an_error),
        cmocka_unit_test(arrays_of_no_tokens_are_valid_pointers),
        cmocka_unit_test(an_unknown_token_that_is_missing_fails_the_text),
        cmocka_unit_test(every_failed_allocation_is_reported),
        cmocka_unit_test(every_failed_allocation_of_bpe_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
