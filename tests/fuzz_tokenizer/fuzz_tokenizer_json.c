/* Any bytes as a tokenizer file, and a text for the tokenizer that comes of them.
 * Input: file 0xff text; a file that begins with 'V' is vocab.txt, 0xfe, tokenizer_config.json. */
#include "support/fuzz.h"

#include "tokenizer/tokenizer.h"

#include <string.h>

static void encode(const SuTokenizer *tokenizer, const char *text, size_t size)
{
    SutraError err;
    SuEncoding encoding;
    SuTokenizerScratch *scratch;
    if (su_tokenizer_scratch_create(&scratch, &err) != SUTRA_OK) return;
    for (uint32_t max_tokens = 0; max_tokens < 12; max_tokens += 5) {
        SuEncodeRequest request = {.text = text,
                                   .text_size = size,
                                   .pair = max_tokens ? text : NULL,
                                   .pair_size = size / 2,
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
    SutraStatus status;
    const uint8_t *end = size ? memchr(data, 0xff, size) : NULL;
    size_t file = end ? (size_t)(end - data) : size;
    if (file && data[0] == 'V') {
        const uint8_t *config = memchr(data, 0xfe, file);
        size_t vocab = config ? (size_t)(config - data) : file;
        status = su_tokenizer_from_vocab(data + 1, vocab - 1, config ? config + 1 : NULL,
                                         config ? file - vocab - 1 : 0, "v", &tokenizer, &err);
    } else {
        status = su_tokenizer_from_json(data, file, "t", &tokenizer, &err);
    }
    if (status != SUTRA_OK) return 0;
    if (end) encode(tokenizer, (const char *)end + 1, size - file - 1);
    su_tokenizer_free(tokenizer);
    return 0;
}
