/* tokenizer_image.h - a built tokenizer as bytes that can be used where they lie.
 *
 *   header       magic, version, sizes of what follows, numbers of the parts
 *   starts       [count + 1] of the tokens in `text`, by id
 *   ids          [count] if they are not 0, 1, 2, …
 *   text         every token's bytes, then padding
 *   initial      lengths, single, slots, long slots of the words' first pieces (word_table.h)
 *   continuing   the same of the others
 *   small        post-processor, decoder and added tokens
 *
 * Each part begins at a multiple of 64 bytes. Numbers are in the byte order of the machine that
 * wrote them; another order is refused. Opening checks sizes and copies the small parts only;
 * whatever the tables hold, encoding stays inside the image and ends. */
#ifndef SU_TOKENIZER_IMAGE_H
#define SU_TOKENIZER_IMAGE_H

#include "tokenizer/tokenizer.h"

/* Errors: MEMORY. *image is aligned to a cache line and freed with su_free_aligned. */
SutraStatus su_tokenizer_image_create(const SuTokenizer *tokenizer, unsigned char **image,
                                      size_t *size, SutraError *err);

/* data [size], aligned to 64 bytes, is borrowed until su_tokenizer_free. Errors: FORMAT,
 * UNSUPPORTED (another version), MEMORY. */
SutraStatus su_tokenizer_open_image(const void *data, size_t size, const char *where,
                                    SuTokenizer **tokenizer, SutraError *err);

#endif
