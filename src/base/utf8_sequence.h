/* utf8_sequence.h - one code point of UTF-8, as Unicode defines it: shortest forms, no surrogates,
 * nothing above U+10FFFF. */
#ifndef SU_UTF8_SEQUENCE_H
#define SU_UTF8_SEQUENCE_H

#include <stddef.h>

/* Bytes of the sequence that begins at b, of which `left` can be read; 0 if it is not valid. */
static inline size_t su_utf8_sequence_size(const unsigned char *b, size_t left)
{
    size_t size = b[0] < 0x80   ? 1
                  : b[0] < 0xc2 ? 0
                  : b[0] < 0xe0 ? 2
                  : b[0] < 0xf0 ? 3
                  : b[0] < 0xf5 ? 4
                                : 0;
    if (size < 2 || size > left) return size > left ? 0 : size;
    /* The second byte's range also rules out overlong forms, surrogates and what is too large. */
    unsigned low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    if (b[1] < low || b[1] > high) return 0;
    for (size_t i = 2; i < size; i++)
        if ((b[i] & 0xc0) != 0x80) return 0;
    return size;
}

/* Where no sequence is valid: bytes of what one U+FFFD stands for, all that could have begun a code
 * point (Unicode 15.0, section 3.9). */
static inline size_t su_utf8_broken_size(const unsigned char *b, size_t left)
{
    const unsigned char probe[4] = {b[0], left > 1 ? b[1] : 0, 0x80, 0x80};
    size_t size = 2;
    if (!su_utf8_sequence_size(probe, 4)) return 1;
    while (size < left && (b[size] & 0xc0) == 0x80) size++;
    return size;
}

#endif
