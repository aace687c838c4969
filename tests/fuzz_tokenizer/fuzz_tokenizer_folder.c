/* Any bytes as the files of a tokenizer's folder (support/tokenizer_case.h: the JSON files, declared
 * tokens among them, or a SentencePiece model), and a text for the tokenizer that comes of them.
 * Input: size of the text, one byte; text; case. */
#include "support/fuzz.h"
#include "support/fuzz_encode.h"
#include "support/tokenizer_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SutraError err;
    SuTokenizer *tokenizer;
    if (size == 0 || size - 1 < data[0]) return 0;
    size_t text = data[0];
    if (su_test_tokenizer_case(data + 1 + text, size - 1 - text, &tokenizer, &err) != SUTRA_OK)
        return 0;
    fuzz_encode(tokenizer, (const char *)data + 1, text);
    su_tokenizer_free(tokenizer);
    return 0;
}
