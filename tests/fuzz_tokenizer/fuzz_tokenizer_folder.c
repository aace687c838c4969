/* Any bytes as the files of a tokenizer's folder (support/tokenizer_case.h: the JSON files, declared
 * tokens among them, or a SentencePiece model), and a text for the tokenizer that comes of them.
 * Input: size of the text, one byte; text; case. */
#include "support/fuzz.h"
#include "support/tokenizer_case.h"

static void encode(const SuTokenizer *tokenizer, const char *text, size_t size)
{
    SutraError err;
    SuEncoding encoding;
    SuTokenizerScratch *scratch;
    if (su_tokenizer_scratch_create(&scratch, &err) != SUTRA_OK) return;
    for (uint32_t max_tokens = 0; max_tokens < 12; max_tokens += 5) {
        SuEncodeRequest request = {.text = text,
                                   .text_size = size,
                                   .max_tokens = max_tokens,
                                   .truncate_left = max_tokens == 5,
                                   .want_offsets = true};
        if (su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err) != SUTRA_OK)
            continue;
        if (encoding.num_tokens > encoding.tokens_seen) abort();
        for (size_t i = 0; i < encoding.num_tokens; i++) {
            size_t length;
            if (!su_tokenizer_token(tokenizer, encoding.token_ids[i], &length)) abort();
            if (encoding.begin[i] > encoding.end[i] || encoding.end[i] > size) abort();
        }
    }
    su_tokenizer_scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SutraError err;
    SuTokenizer *tokenizer;
    if (size == 0 || size - 1 < data[0]) return 0;
    size_t text = data[0];
    if (su_test_tokenizer_case(data + 1 + text, size - 1 - text, &tokenizer, &err) != SUTRA_OK)
        return 0;
    encode(tokenizer, (const char *)data + 1, text);
    su_tokenizer_free(tokenizer);
    return 0;
}
