/* Any bytes as a tokenizer file, and a text for the tokenizer that comes of them.
 * Input: file 0xff text; a file that begins with 'V' is vocab.txt, 0xfe, tokenizer_config.json. */
#include "support/fuzz.h"
#include "support/fuzz_encode.h"

#include "tokenizer/tokenizer.h"

#include <string.h>

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
    if (end) fuzz_encode(tokenizer, (const char *)end + 1, size - file - 1);
    su_tokenizer_free(tokenizer);
    return 0;
}
