/* reply_text.h - text under construction: the body of an answer, and JSON in it.
 *
 * Remembers the first failure of memory, so that a run of calls is checked once at its end. */
#ifndef SU_REPLY_TEXT_H
#define SU_REPLY_TEXT_H

#include "http_head.h"

typedef struct SuReplyText {
    char *data; /* [size], of su_alloc */
    size_t size, capacity;
    bool failed; /* out of memory; nothing more is added */
} SuReplyText;

/* Makes room for `size` more bytes; NULL: out of memory. What is written there is counted by adding
 * to text->size. */
char *su_reply_room(SuReplyText *text, size_t size);
void su_reply_bytes(SuReplyText *text, const void *bytes, size_t size);
void su_reply_string(SuReplyText *text, const char *string);
void su_reply_number(SuReplyText *text, uint64_t number);
void su_reply_free(SuReplyText *text);

/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void su_reply_json(SuReplyText *text, SuText string);
/* `before`, such as ",\"size\":", and a value. */
void su_reply_put_string(SuReplyText *text, const char *before, const char *string);
void su_reply_put_number(SuReplyText *text, const char *before, uint64_t number);
/* A float that reads back as the same one. */
void su_reply_float(SuReplyText *text, float value);
/* [0.1,0.2]: floats that read back as the same ones. */
void su_reply_floats(SuReplyText *text, const float *values, size_t n);
/* Base64 with padding (RFC 4648). */
void su_reply_base64(SuReplyText *text, const void *bytes, size_t size);

#endif
