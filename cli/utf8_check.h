/* utf8_check.h - is a text valid UTF-8? As Unicode defines it: shortest forms, no surrogates. */
#ifndef CLI_UTF8_CHECK_H
#define CLI_UTF8_CHECK_H

#include <stddef.h>

/* Bytes of `text` before the first that is not part of valid UTF-8; `size` when all of it is valid.
 */
size_t cli_utf8_valid(const char *text, size_t size);

/* Bytes of the character that starts with `lead`, in valid UTF-8. */
size_t cli_utf8_length(unsigned char lead);

#endif
