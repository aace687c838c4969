/* fuzz_encode.h - a text through a tokenizer that came of any bytes: with and without a pair, cut and
 * whole. Ids have tokens, offsets lie in the text. */
#ifndef SU_FUZZ_ENCODE_H
#define SU_FUZZ_ENCODE_H

#include "tokenizer/tokenizer.h"

#include <stdlib.h>

static inline void fuzz_encode(const SuTokenizer *tokenizer, const char *text, size_t size)
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

#endif
