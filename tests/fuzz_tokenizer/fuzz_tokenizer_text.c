/* Any bytes as a text for small fixed tokenizers: the fast and the slow path agree, offsets ascend,
 * and truncation keeps the start or the end of the whole.
 * Input: a byte of options, a byte for max_tokens, text. */
#include "support/fuzz.h"

#include "tokenizer/tokenizer_parts.h"

#include <stdio.h>
#include <string.h>

static SuTokenizer *build(unsigned options)
{
    static const char format[] =
        "{\"added_tokens\":[{\"id\":1,\"content\":\"[CLS]\",\"single_word\":false,\"lstrip\":false,"
        "\"rstrip\":true,\"normalized\":false,\"special\":true},{\"id\":99,\"content\":\"<x>\","
        "\"single_word\":true,\"lstrip\":true,\"rstrip\":false,\"normalized\":%s,\"special\":false}"
        "],"
        "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":%s,\"handle_chinese_chars\":%s,"
        "\"strip_accents\":%s,\"lowercase\":%s},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
        "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":"
        "\"##\","
        "\"max_input_chars_per_word\":20,\"vocab\":{%s}}}";
    static const char *const tokens[] = {"[UNK]",
                                         "[CLS]",
                                         "a",
                                         "##a",
                                         "b",
                                         "##b",
                                         "ab",
                                         "##ab",
                                         ".",
                                         "A",
                                         "\xc3\xa9",
                                         "\xe4\xb8\xad",
                                         "e",
                                         "##e",
                                         "0",
                                         "##00",
                                         "abababababab",
                                         "##babababababa",
                                         "<",
                                         ">",
                                         "\xcc\x81",
                                         "##\xcc\x81",
                                         "\xe1\x84\x92"};
    char json[4096], vocab[1024];
    size_t used = 0, count = sizeof tokens / sizeof *tokens;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(vocab + used, sizeof vocab - used, "%s\"%s\":%zu", i ? "," : "",
                                 tokens[i], i);
    const char *words[2] = {"false", "true"};
    snprintf(json, sizeof json, format, words[options >> 4 & 1], words[options & 1],
             words[options >> 1 & 1], words[options >> 2 & 1], words[options >> 3 & 1], vocab);
    char *id = strstr(json, "99"); /* the next free id */
    id[0] = (char)('0' + count / 10);
    id[1] = (char)('0' + count % 10);
    SuTokenizer *tokenizer;
    if (su_tokenizer_from_json(json, strlen(json), "t", &tokenizer, NULL) != SUTRA_OK) abort();
    return tokenizer;
}

static void check_offsets(const SuEncoding *encoding, size_t size)
{
    for (size_t i = 0; i < encoding->num_tokens; i++) {
        if (encoding->begin[i] >= encoding->end[i] || encoding->end[i] > size) abort();
        if (i && encoding->begin[i] < encoding->begin[i - 1]) abort();
    }
}

static void check_cut(const SuEncoding *whole, const SuEncoding *cut, size_t limit, bool left)
{
    size_t expected = limit && limit < whole->num_tokens ? limit : whole->num_tokens;
    size_t from = left ? whole->num_tokens - expected : 0;
    if (cut->num_tokens != expected || cut->tokens_seen != whole->num_tokens) abort();
    if (memcmp(cut->token_ids, whole->token_ids + from, expected * sizeof(int32_t))) abort();
    if (memcmp(cut->begin, whole->begin + from, expected * sizeof(uint32_t))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static SuTokenizer *tokenizers[32];
    static SuTokenizerScratch *scratch[3];
    if (size < 2) return 0;
    for (int i = 0; i < 3; i++)
        if (!scratch[i] && su_tokenizer_scratch_create(&scratch[i], NULL)) abort();
    SuTokenizer **tokenizer = &tokenizers[data[0] & 31];
    if (!*tokenizer) *tokenizer = build(data[0] & 31);
    const bool left = data[0] >> 5 & 1;
    SuEncoding whole, slow, cut;
    SuEncodeRequest request = {
        .text = (const char *)data + 2, .text_size = size - 2, .want_offsets = true};
    if (su_tokenizer_encode(*tokenizer, scratch[0], &request, &whole, NULL)) return 0;
    check_offsets(&whole, size);

    const bool fast = (*tokenizer)->fast;
    (*tokenizer)->fast = false;
    if (su_tokenizer_encode(*tokenizer, scratch[1], &request, &slow, NULL)) abort();
    (*tokenizer)->fast = fast;
    check_cut(&whole, &slow, 0, false);

    request.max_tokens = data[1];
    request.truncate_left = left;
    if (su_tokenizer_encode(*tokenizer, scratch[2], &request, &cut, NULL)) abort();
    check_cut(&whole, &cut, data[1], left);
    return 0;
}
