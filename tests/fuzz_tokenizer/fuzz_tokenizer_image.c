/* The image of a tokenizer, bytes of it changed, is opened and used; digests are another layer's.
 * Input: number of changes, one byte; changes of 4 bytes each; size of the text, one byte; text;
 * tokenizer.json. A change: | place from the start 3, little-endian | byte 1 | */
#include "support/fuzz.h"

#include "base/memory.h"
#include "tokenizer/tokenizer_image.h"

#include <string.h>

static void use(const unsigned char *image, size_t size, const char *text, size_t text_size)
{
    SutraError err;
    SuTokenizer *tokenizer;
    SuTokenizerScratch *scratch;
    SuEncoding encoding;
    if (su_tokenizer_open_image(image, size, "i", &tokenizer, &err) != SUTRA_OK) return;
    if (su_tokenizer_scratch_create(&scratch, &err) == SUTRA_OK) {
        SuEncodeRequest request = {.text = text, .text_size = text_size, .want_offsets = true};
        (void)su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err);
        su_tokenizer_scratch_free(scratch);
    }
    su_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SutraError err;
    SuTokenizer *tokenizer;
    unsigned char *image;
    size_t image_size, changes = size ? data[0] & 15 : 0, at = 1 + 4 * changes;
    if (at >= size) return 0;
    const char *text = (const char *)data + at + 1, *json = text + data[at];
    if (data[at] >= size - at - 1) return 0;
    size_t json_size = (size_t)((const char *)data + size - json);
    if (su_tokenizer_from_json(json, json_size, "t", &tokenizer, &err) != SUTRA_OK) return 0;
    SutraStatus status = su_tokenizer_image_create(tokenizer, &image, &image_size, &err);
    su_tokenizer_free(tokenizer);
    if (status != SUTRA_OK) return 0;
    for (size_t i = 0; i < changes; i++) {
        const uint8_t *change = data + 1 + 4 * i;
        size_t place = change[0] | (size_t)change[1] << 8 | (size_t)change[2] << 16;
        image[place % image_size] = change[3];
    }
    use(image, image_size, text, data[at]);
    su_free_aligned(image);
    return 0;
}
