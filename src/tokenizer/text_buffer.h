/* text_buffer.h - text on its way from the original to words, with the original code point that
 * each byte comes from. */
#ifndef SU_TEXT_BUFFER_H
#define SU_TEXT_BUFFER_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes that may be read after the last byte of a text buffer; zero. */
#define SU_TEXT_PADDING 16u

/* A buffer that only grows. */
typedef struct SuText {
    char *bytes;      /* [size], then padding */
    uint32_t *source; /* [size] index of the original code point; written when asked for */
    size_t size;
    size_t capacity, source_capacity;
} SuText;

/* Text that is read: of a buffer, or the original. */
typedef struct SuTextView {
    const char *bytes;      /* [size] valid UTF-8 */
    const uint32_t *source; /* [size]; NULL: code point i of the text is first + i */
    size_t size;
    uint32_t first;
    bool at_start; /* without source: the original begins here */
} SuTextView;

/* What su_text_append_replacing may write beyond what it appends. */
#define SU_TEXT_SLACK 8u

/* Room for `size` bytes; what the buffer holds is kept. Errors: MEMORY. */
SutraStatus su_text_reserve(SuText *text, size_t size, bool with_source, SutraError *err);
/* Appends the view with `to` [to_size] for each `byte` of ASCII, and sources where wanted.
 * There is room, and SU_TEXT_SLACK more. */
void su_text_append_replacing(SuText *text, SuTextView in, char byte, const char *to,
                              size_t to_size, bool with_source);
/* The number of the code point that each byte is of; one that begins here is `next`. Returns the
 * number that follows. */
uint32_t su_text_number(uint32_t *to, const char *bytes, size_t size, uint32_t next);
/* How often the byte is in text [size]. */
size_t su_text_count_byte(const char *text, size_t size, char byte);
/* Zeroes the padding; to be called when the size is final. */
void su_text_finish(SuText *text);
void su_text_free(SuText *text);

#endif
